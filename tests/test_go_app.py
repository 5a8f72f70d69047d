"""The Go program is what the tests take it for."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from go_app import GoApp


def fetch(app: GoApp) -> Any:
    with urllib.request.urlopen(app.url, timeout=10) as answer:
        return json.load(answer)


def test_it_publishes_every_kind_of_value(go_app: Callable[[], GoApp]) -> None:
    page = fetch(go_app())

    assert page["counter"] == 3
    assert page["ratio"] == 1.0
    assert page["greeting"] == 'Grüße "aus" der <Ferne> ✓'
    assert page["hits"] == {"total": 1, "load": 0.25}
    assert (page["int64_min"], page["int64_max"], page["uint64_max"]) == (-(2**63), 2**63 - 1, 2**64 - 1)
    assert page["nested"] == {"inner": {"depth": 2, "share": 0.1}, "words": ["a", "b"]}
    assert page["cmdline"]
    assert page["memstats"]["NumGC"] >= 0


def test_it_knows_exactly_which_pages_it_served(go_app: Callable[[], GoApp]) -> None:
    app = go_app()

    pages = [fetch(app) for _ in range(5)]
    app.stop()

    assert [served.page for served in app.served()] == pages
    assert [served.serial for served in app.served()] == [1, 2, 3, 4, 5]


def test_it_collects_garbage_on_request(go_app: Callable[[], GoApp]) -> None:
    app = go_app()

    before = fetch(app)["memstats"]["NumGC"]
    total = app.gc(300)

    assert total >= before + 300
    assert fetch(app)["memstats"]["NumGC"] >= total


def test_it_logs_every_collection_of_every_life(go_app: Callable[[], GoApp]) -> None:
    app = go_app()

    totals = [app.gc(300), app.gc(0)]
    app.stop()
    app.start("-gc-every", "1ms")
    totals.append(app.gc(2))
    app.stop()

    logged = app.collections()
    for life, at_least in ((1, max(totals[:2])), (2, totals[2])):
        of_life = [found for found in logged if found.life == life]
        assert [found.number for found in of_life] == list(range(1, len(of_life) + 1))
        assert len(of_life) >= at_least
    assert {found.lost for found in logged} == {0}
    assert len({found.end for found in logged}) == len(logged)


def test_its_log_of_collections_is_what_its_pages_say(go_app: Callable[[], GoApp]) -> None:
    app = go_app()
    app.gc(20)

    memstats = fetch(app)["memstats"]
    app.stop()

    logged = [(found.duration, found.end) for found in app.collections()][: memstats["NumGC"]]
    assert list(zip(memstats["PauseNs"], memstats["PauseEnd"], strict=True))[: memstats["NumGC"]] == logged


@pytest.mark.parametrize("end", [GoApp.stop, GoApp.kill])
def test_it_starts_anew_on_its_port_with_serials_of_its_own(
    go_app: Callable[[], GoApp], end: Callable[[GoApp], None]
) -> None:
    app = go_app()
    fetch(app)
    url = app.url

    end(app)
    with pytest.raises(urllib.error.URLError):
        fetch(app)
    app.start()

    assert app.url == url
    page = fetch(app)
    assert page["counter"] == 3
    assert (page["serial"], page["life"]) == (1001, 2)


def test_two_of_them_run_beside_each_other(go_app: Callable[[], GoApp]) -> None:
    assert go_app().url != go_app().url
