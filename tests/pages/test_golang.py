"""A runtime that is simulated to the letter: its rings, its counters, its restarts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from expvastic.pages.golang import COUNTERS, RING, Life, Observation, Pause, Runtime, event_id
from expvastic.pages.ring_print import BETWEEN, Pauses


class Go:
    """One life of a program after the other; ``all_pauses`` is the truth."""

    def __init__(self, seed: int = 1) -> None:
        self._draw = random.Random(seed)
        self.life = 0
        self.clock = 1_795_262_400_000_000_000
        self.all_pauses: list[tuple[int, Pause]] = []
        self.cmdline = ["app"]
        self.restart()

    def restart(self) -> None:
        self.life += 1
        self.collections = 0
        self.durations = [0] * RING
        self.ends = [0] * RING
        self.mallocs = 0

    def collect(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock += self._draw.randrange(1_000, 10**9)
            self.collections += 1
            self.mallocs += self._draw.randrange(1, 1_000)
            pause = Pause(self.collections, self.clock, self._draw.randrange(1, 10**6))
            place = (self.collections - 1) % RING
            self.durations[place], self.ends[place] = pause.duration, pause.end
            self.all_pauses.append((self.life, pause))

    @property
    def memstats(self) -> dict[str, Any]:
        total = sum(pause.duration for life, pause in self.all_pauses if life == self.life)
        rings = {"PauseNs": [*self.durations], "PauseEnd": [*self.ends]}
        counters = {"Mallocs": self.mallocs, "TotalAlloc": self.mallocs * 64, "PauseTotalNs": total}
        return {"NumGC": self.collections, "NumForcedGC": 0, "Frees": 0, **counters, **rings}

    def pauses(self, life: int | None = None, after: int = 0) -> list[Pause]:
        return [pause for where, pause in self.all_pauses if where == (life or self.life) and pause.number > after]


def observe(runtime: Runtime, go: Go) -> Observation:
    seen = runtime.observe(go.memstats, go.cmdline)
    assert seen is not None
    return seen


def started(collections: int = 10, *, history: bool = False) -> tuple[Runtime, Go]:
    runtime, go = Runtime(ship_history=history), Go()
    go.collect(collections)
    observe(runtime, go)
    return runtime, go


def test_the_first_poll_sets_the_baseline_and_ships_none() -> None:
    go = Go()
    go.collect(300)

    assert observe(Runtime(), go) == Observation(Life.FIRST, before=300)


@pytest.mark.parametrize("collections", [0, 1, 255, 256, 257, 1000])
def test_the_first_poll_ships_what_the_ring_holds_where_that_is_asked_for(collections: int) -> None:
    go = Go()
    go.collect(collections)

    seen = observe(Runtime(ship_history=True), go)

    assert list(seen.pauses) == go.pauses()[-RING:]
    assert seen.before == max(0, collections - RING)


@pytest.mark.parametrize("before", [0, 1, 10, 255, 256, 257, 511, 512, 1000])
@pytest.mark.parametrize("new", [0, 1, 2, 100, 254, 255])
def test_new_pauses_are_shipped_oldest_first_and_nothing_else(before: int, new: int) -> None:
    runtime, go = started(before)
    go.collect(new)

    seen = observe(runtime, go)

    assert (seen.life, seen.lost) == (Life.SAME, 0)
    assert list(seen.pauses) == go.pauses(after=before)


@pytest.mark.parametrize("new", [256, 257, 700])
def test_after_more_collections_than_the_ring_holds_the_life_is_unknown_and_the_rest_is_lost(new: int) -> None:
    runtime, go = started(10)
    go.collect(new)

    seen = observe(runtime, go)

    assert (seen.life, seen.lost) == (Life.UNKNOWN, new - RING)
    assert list(seen.pauses) == go.pauses()[-RING:]


def test_a_restart_is_seen_by_counters_that_fell_and_every_pause_of_the_new_life_is_new() -> None:
    runtime, go = started(10)
    go.restart()
    go.collect(4)

    seen = observe(runtime, go)

    assert (seen.life, seen.lost) == (Life.RESTARTED, 0)
    assert list(seen.pauses) == go.pauses()


def test_a_restart_is_seen_by_the_ring_when_the_new_life_has_overtaken_the_old_counters() -> None:
    runtime, go = started(10)
    go.restart()
    go.collect(15)
    go.mallocs += 10**9

    seen = observe(runtime, go)

    assert seen.life is Life.RESTARTED
    assert list(seen.pauses) == go.pauses()


def test_a_restart_is_seen_by_another_command_line() -> None:
    runtime, go = started(0)
    go.cmdline = ["app", "-v"]

    assert observe(runtime, go).life is Life.RESTARTED


def test_a_clock_that_steps_back_is_no_restart() -> None:
    runtime, go = started(10)
    go.clock -= 3_600 * 10**9
    go.collect(3)

    seen = observe(runtime, go)

    assert seen.life is Life.SAME
    assert list(seen.pauses) == go.pauses(after=10)


def test_over_many_lives_no_pause_is_shipped_twice_and_those_that_are_missing_are_counted() -> None:
    for seed in range(40):
        draw, go = random.Random(seed), Go(seed)
        runtime = Runtime()
        shipped: list[tuple[int, Pause]] = []
        lost = before = 0
        last_polled: dict[int, int] = {}
        for _ in range(60):
            match draw.randrange(8):
                case 0:
                    go.restart()
                case 1:
                    go.collect(draw.randrange(200, 700))
                case _:
                    go.collect(draw.randrange(0, 40))
            seen = observe(runtime, go)
            last_polled[go.life] = go.collections
            shipped += [(go.life, pause) for pause in seen.pauses]
            lost += seen.lost
            before += seen.before
        polled = [found for found in go.all_pauses if found[1].number <= last_polled.get(found[0], 0)]
        assert len(shipped) == len(set(shipped))
        assert set(shipped) <= set(go.all_pauses)
        assert len(shipped) + lost + before == len(polled)


@pytest.mark.parametrize(
    "wrong",
    [
        {"NumGC": "x"},
        {"NumGC": -1},
        {"NumGC": True},
        {"PauseNs": [1] * 255},
        {"PauseEnd": ["x"] * RING},
        {"PauseEnd": None},
        {"PauseNs": {}},
    ],
)
def test_memstats_that_are_not_gos_are_left_as_they_are(wrong: dict[str, Any]) -> None:
    page = {"memstats": {**Go().memstats, **wrong}}

    assert Runtime().read(page) == (page, None)


def test_the_page_tells_the_new_pauses_in_the_place_of_the_rings() -> None:
    runtime, go = started(10)
    go.collect(2)

    page, _ = runtime.read({"memstats": {**go.memstats, "Alloc": 7}, "cmdline": go.cmdline, "count": 1})

    memstats: Any = page["memstats"]
    assert memstats["PauseNs"] == [pause.duration for pause in go.pauses(after=10)]
    assert memstats["PauseEnd"] == [pause.end for pause in go.pauses(after=10)]
    assert (memstats["Alloc"], memstats["NumGC"], page["count"]) == (7, 12, 1)
    assert "PausesLost" not in memstats


def test_lost_and_earlier_pauses_are_counted_in_the_page() -> None:
    runtime, go = Runtime(), Go()
    go.collect(5)
    first, _ = runtime.read({"memstats": go.memstats, "cmdline": go.cmdline})
    go.collect(300)
    second, _ = runtime.read({"memstats": go.memstats, "cmdline": go.cmdline})

    assert first["memstats"]["PausesBefore"] == 5  # type: ignore[index]
    assert "PauseNs" not in first["memstats"]  # type: ignore[operator]
    assert second["memstats"]["PausesLost"] == 44  # type: ignore[index]


@pytest.mark.parametrize(("goal", "is_there"), [(2**64 - 1, False), (18446744073709053952, False), (2**62, True)])
def test_a_collector_that_is_switched_off_has_no_next_goal(goal: int, is_there: bool) -> None:
    page, seen = Runtime().read({"memstats": {**Go().memstats, "NextGC": goal}})

    assert seen is not None
    assert seen.has_no_goal is not is_there
    assert ("NextGC" in page["memstats"]) is is_there  # type: ignore[operator]


def test_the_id_of_an_event_depends_on_target_end_and_number_alone() -> None:
    pause = Pause(3, 1_795_262_400_000_000_000, 17)
    known = event_id("host http://h:1/", pause)

    assert known == event_id("host http://h:1/", Pause(3, pause.end, 99))
    others = {event_id("other", pause), event_id("host http://h:1/", Pause(4, pause.end, 17))}
    others.add(event_id("host http://h:1/", Pause(3, pause.end + 1, 17)))
    assert len(others | {known}) == 4


def told_by_text(runtime: Runtime, go: Go, cmdline: bytes = b'["app"]', most: int = 1_024) -> Pauses | None:
    memstats = go.memstats
    rings = [",".join(map(str, memstats[name])).encode() for name in ("PauseNs", "PauseEnd")]
    counters = tuple(memstats[name] for name in COUNTERS)
    return runtime.go_on(counters, cmdline, b"[" + BETWEEN.join(rings) + b"]", most)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_pages_that_go_on_are_told_by_their_texts_as_they_are_by_their_objects(seed: int) -> None:
    draw = random.Random(seed)
    (runtime, go), closely = started(draw.choice((0, 3, 250, 700))), Runtime()
    observe(closely, go)

    for _ in range(100):
        go.collect(draw.choice((0, 0, 1, 1, 2, 3, 9, 255)))
        seen, pauses = observe(closely, go), told_by_text(runtime, go)

        assert seen.life is Life.SAME
        assert pauses == ([pause.duration for pause in seen.pauses], [pause.end for pause in seen.pauses])
        assert runtime.knowledge == closely.knowledge
        assert runtime.collections == go.collections


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("what", ["first", "other command line", "fewer", "gap", "other ring", "overtaken", "too many"])
def test_a_page_that_does_not_go_on_must_be_observed(what: str, is_known: bool) -> None:
    runtime, go = started(10)
    if is_known:
        assert told_by_text(runtime, go) is not None
    before = runtime.knowledge
    cmdline, most = b'["app"]', 1_024
    match what:
        case "first":
            runtime = Runtime()
            before = runtime.knowledge
        case "other command line":
            cmdline = b'["app","-v"]'
        case "fewer":
            go.restart()
        case "gap":
            go.collect(256)
        case "other ring":
            go.ends[9] += 1
        case "overtaken":
            go.restart()
            go.collect(1_000)
            go.collections = 11
        case "too many":
            go.collect(5)
            most = 4

    assert told_by_text(runtime, go, cmdline, most) is None
    assert runtime.knowledge == before


def test_a_text_that_is_no_rings_must_be_observed() -> None:
    runtime, go = started(10)
    counters = tuple(go.memstats[name] for name in COUNTERS)

    assert runtime.go_on(counters, b'["app"]', b"[1,2]", 9) is None  # type: ignore[arg-type]
