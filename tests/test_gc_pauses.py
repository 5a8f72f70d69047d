"""Each garbage collection of a real Go program is shipped once, whatever happens to the program between polls."""

from __future__ import annotations

import itertools
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from go_app import Collection, GoApp
from program import Program, spell

pytestmark = [pytest.mark.real, pytest.mark.slow]

StartApp = Callable[[], GoApp]
Pause = tuple[int, int]  # its end and its length, in nanoseconds
RING = 256
COUNTERS = ("TotalAlloc", "Mallocs", "Frees", "PauseTotalNs", "NumGC", "NumForcedGC")


def configuration(app: GoApp, **settings: Any) -> str:
    """An interval that falls together with nothing else."""
    reader = {"type": "expvar", "endpoint": app.url, "interval": "37ms", "gc_events": True, **settings}
    recorder = {"type": "file", "path": "samples.ndjson", "batch": {"wait": "50ms"}}
    routes = {"all": {"readers": ["my_app"], "recorders": ["samples"]}}
    return spell({"readers": {"my_app": reader}, "recorders": {"samples": recorder}, "routes": routes})


def polls(program: Program) -> list[dict[str, Any]]:
    return [document for document in program.documents() if document["event.dataset"] == "expvar"]


def wait_for_polls(program: Program, count: int = 2) -> None:
    """Wait until pages that were made from now on have been shipped; those still on their way do not count."""
    now = datetime.now(UTC)

    def made_since() -> int:
        return sum(datetime.fromisoformat(document["@timestamp"]) > now for document in polls(program))

    program.wait_until(lambda: made_since() >= count, f"{count} more polls")


@contextmanager
def frozen(program: Program) -> Iterator[None]:
    """Nothing is polled meanwhile."""
    program.signal(signal.SIGSTOP)
    yield
    program.signal(signal.SIGCONT)


@dataclass
class Account:
    """What was shipped, and what should have been, by the program's own list."""

    shipped: list[Pause] = field(default_factory=list)
    wanted: list[Pause] = field(default_factory=list)
    lost: list[Pause] = field(default_factory=list)
    before: list[Pause] = field(default_factory=list)
    after_last_poll: list[Pause] = field(default_factory=list)
    said_lost: int = 0
    said_before: int = 0


def settle(app: GoApp, documents: list[dict[str, Any]]) -> Account:
    """Every collection that happened goes to one place: which one follows from the polls' NumGC alone."""
    happened = {(found.life, found.number): found for found in app.collections()}
    account = Account()
    last: dict[int, int] = {}  # the number of the last collection seen, by life
    for document in documents:
        durations, ends = document.get("expvar.memstats.PauseNs", []), document.get("expvar.memstats.PauseEnd", [])
        account.shipped += zip(ends, durations, strict=True)
        account.said_lost += document.get("expvar.memstats.PausesLost", 0)
        account.said_before += document.get("expvar.memstats.PausesBefore", 0)
        life, collections = document["expvar.life"], document["expvar.memstats.NumGC"]
        for number in range(last.get(life, 0) + 1, collections + 1):
            is_gone = number <= collections - RING
            place = account.before if not last else account.lost if is_gone else account.wanted
            place.append(as_pause(happened[life, number]))
        last[life] = collections
    late = [found for found in happened.values() if found.number > last.get(found.life, 0)]
    account.after_last_poll = list(map(as_pause, late))
    return account


def as_pause(found: Collection) -> Pause:
    return found.end, found.duration


def check(account: Account, app: GoApp, program: Program, untold: int = 0) -> None:
    """The books balance, pause by pause; so many of the lost ones are not counted as such."""
    everything = sorted(map(as_pause, app.collections()))
    assert Counter(found.lost for found in app.collections()) == {0: len(everything)}, "the program saw all of them"
    assert len(account.shipped) == len(set(account.shipped)), "a pause was shipped twice"
    assert sorted(account.shipped) == sorted(account.wanted)
    assert account.said_lost == len(account.lost) - untold
    assert account.said_before == len(account.before)
    parts = account.shipped + account.lost + account.before + account.after_last_poll
    assert sorted(parts) == everything
    events = [document for document in program.documents() if document["event.dataset"] == "expvar.gc"]
    told = [(event["expvar.gc.end_ns"], event["expvar.gc.pause_ns"]) for event in events]
    assert sorted(told) == sorted(account.shipped), "one document of its own for each"
    assert len({event["_id"] for event in events}) == len(events)


def actions(documents: list[dict[str, Any]]) -> list[str]:
    return [document["event.action"] for document in documents if "event.action" in document]


def seams(documents: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The last poll of a life and the first of the next."""
    return [pair for pair in itertools.pairwise(documents) if pair[0]["expvar.life"] != pair[1]["expvar.life"]]


def test_every_pause_is_shipped_once_over_two_restarts(go_app: StartApp, tmp_path: Path) -> None:
    """The second restart is to be seen in the rings alone: all counters of the new life have overtaken the old."""
    app = go_app()
    app.gc(30)

    with Program(tmp_path, configuration(app)) as program:
        program.wait_until(lambda: bool(polls(program)), "the first poll")
        for count in (1, 2, 17, 60):
            app.gc(count)
            wait_for_polls(program)
        app.stop()
        app.start()
        wait_for_polls(program)
        app.gc(3)
        wait_for_polls(program)
        with frozen(program):
            app.kill()
            overtaken = max(found.number for found in app.collections() if found.life == 2)
            app.start()
            app.gc(overtaken + 120)
        wait_for_polls(program)
        app.gc(5)
        wait_for_polls(program)
        assert program.stop() == 0
    app.stop()

    documents = polls(program)
    account = settle(app, documents)
    check(account, app, program)
    assert (len(account.before) >= 30, account.lost) == (True, [])
    assert len(account.wanted) >= 1 + 2 + 17 + 60 + 3 + 120 + 5
    first, second = seams(documents)
    assert any(first[1][f"expvar.memstats.{name}"] < first[0][f"expvar.memstats.{name}"] for name in COUNTERS)
    fallen = [name for name in COUNTERS if second[1][f"expvar.memstats.{name}"] < second[0][f"expvar.memstats.{name}"]]
    assert fallen == [], "the new life has overtaken the old, or this test shows nothing"
    assert actions(documents) == ["restarted", "restarted"]
    assert len(program.said("target restarted")) == 2


def test_of_more_collections_than_the_rings_hold_the_last_256_are_shipped_and_the_others_counted(
    go_app: StartApp, tmp_path: Path
) -> None:
    app = go_app()

    with Program(tmp_path, configuration(app)) as program:
        program.wait_until(lambda: bool(polls(program)), "the first poll")
        app.gc(4)
        wait_for_polls(program)
        with frozen(program):
            app.gc(400)
        wait_for_polls(program)
        app.gc(2)
        wait_for_polls(program)
        assert program.stop() == 0
    app.stop()

    documents = polls(program)
    account = settle(app, documents)
    check(account, app, program)
    assert len(account.lost) >= 140
    assert actions(documents) == ["unknown-life"]


@pytest.mark.parametrize(("flags", "action"), [(["-gc-every", "1h"], "restarted"), ([], "unknown-life")])
def test_a_new_life_with_more_collections_than_the_rings_hold_loses_the_oldest_and_counts_them(
    go_app: StartApp, tmp_path: Path, flags: list[str], action: str
) -> None:
    """Nothing on the page tells the unknown life from the old one, whose numbers it seems to go on with: of those lost
    only the ones above the last number seen are counted."""
    app = go_app()
    app.gc(10)

    with Program(tmp_path, configuration(app)) as program:
        program.wait_until(lambda: bool(polls(program)), "the first poll")
        wait_for_polls(program)
        with frozen(program):
            app.kill()
            app.start(*flags)
            app.gc(500)
        wait_for_polls(program)
        assert program.stop() == 0
    app.stop()

    documents = polls(program)
    account = settle(app, documents)
    [(last_of_old, _)] = seams(documents)
    check(account, app, program, untold=last_of_old["expvar.memstats.NumGC"] if action == "unknown-life" else 0)
    assert len(account.lost) >= 500 - RING
    assert actions(documents) == [action]


def test_every_pause_is_shipped_once_while_collections_go_on_by_themselves(go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    app.stop()
    app.start("-gc-every", "3ms")

    with Program(tmp_path, configuration(app)) as program:
        program.wait_until(lambda: len(polls(program)) >= 20, "20 polls")
        for _ in range(2):
            app.kill()
            app.start("-gc-every", "2ms")
            wait_for_polls(program, 15)
        assert program.stop() == 0
    app.stop()

    documents = polls(program)
    account = settle(app, documents)
    check(account, app, program)
    assert len(account.wanted) > 100
    assert actions(documents) == ["restarted", "restarted"]
