"""What an interpreter knows goes on in another process, as if expvastic had never been away."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from expvastic.datatypes import Container, Page, Reading
from expvastic.document import Identity
from expvastic.errors import InvalidPayload
from expvastic.interpreter import Interpreter
from expvastic.pages.settings import InterpreterSettings
from generated_pages import GoProgram
from samples import START

TARGET = "http://localhost:1234/debug/vars"
INTERVAL = 10.0
UNUSABLE = ("knowledge of the time before is unusable", {})

Make = Callable[[], Interpreter]


def make(target: str = TARGET, **settings: Any) -> Interpreter:
    return Interpreter(
        InterpreterSettings.model_validate({"go_runtime": True, **settings}),
        Identity("0123456789abcdef", "host-1", "9.9"),
        reader="my_app",
        target=target,
        prefix="expvar",
        interval=INTERVAL,
    )


def successor(interpreter: Interpreter, **settings: Any) -> Interpreter:
    """An interpreter in another process, with what this one knows."""
    fresh = make(**settings)
    fresh.restore(interpreter.knowledge())
    assert fresh.take_news() == []
    return fresh


def go_page(collections: int, *, cmdline: object = ("app",), since: int = 0, **memstats: Any) -> dict[str, Any]:
    """A page after so many collections in a life that began at second ``since``."""
    ends, durations = [0] * 256, [0] * 256
    for number in range(max(1, collections - 255), collections + 1):
        ends[(number - 1) % 256] = START * 1_000 + (since + number) * 10**9
        durations[(number - 1) % 256] = 1_000 + number
    told = {"NumGC": collections, "Mallocs": collections, "PauseNs": durations, "PauseEnd": ends, **memstats}
    return {"cmdline": list(cmdline) if isinstance(cmdline, tuple) else cmdline, "memstats": told}


def read(page: object, second: float = 0.0) -> Reading:
    body = page if isinstance(page, bytes) else json.dumps(page).encode()
    return Reading(START * 1_000 + int(second * 1e9), 2_500_000, (Page(body, "expvar"),))


def document(container: Container) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(container.document)
    return parsed


def seen(containers: list[Container]) -> list[object]:
    """All of containers but the ids that are drawn: time, document, columns, and the ids of collections."""
    return [(each.time, each.document, each.kinds, each.id if "-gc-" in each.id else "") for each in containers]


def life(draw: Random) -> Iterator[Reading]:
    """What polls of one program bring: its restarts, overrun rings, clocks that step, pages that are none."""
    program, cmdline, mallocs = GoProgram(draw), ["app"], 0
    second = 0.0
    while True:
        page = json.loads(program.page())
        mallocs = draw.choice((mallocs, mallocs + draw.randrange(50), draw.randrange(50)))
        page["memstats"]["BySize"] = [
            {"Size": size, "Mallocs": mallocs + size, "Frees": mallocs} for size in (0, 8, 16)
        ]
        if draw.random() < 0.05:
            cmdline = ["app", draw.choice(("-a", "-b", "-password=x"))]
        page["cmdline"] = cmdline
        second += draw.choice((0.0, 0.0, 0.5, 0.5, 10.0, 10.0, 600.0, -0.25, -9.0, -10.0, -3_600.0))
        strange: list[object] = [b"[", b"{}", {"memstats": {"NumGC": -1}}, {"a": 1, "cmdline": "app"}]
        yield read(draw.choice(strange) if draw.random() < 0.1 else page, second)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("settings", [{}, {"gc_events": True, "by_size": True, "gc_history": True, "cmdline": True}])
def test_an_interpreter_that_is_replaced_at_any_time_says_what_one_says_that_never_was(
    seed: int, settings: dict[str, Any]
) -> None:
    draw = Random(seed)
    steady, replaced = make(**settings), make(**settings)
    steps = restarts = pauses = 0
    for reading in itertools.islice(life(draw), 300):
        try:
            expected = steady.interpret(reading)
        except InvalidPayload:
            with pytest.raises(InvalidPayload):
                replaced.interpret(reading)
        else:
            made = replaced.interpret(reading)
            assert seen(made) == seen(expected)
            pauses += sum(len(document(each).get("expvar.memstats.PauseEnd", ())) for each in made)
        if draw.random() < 0.3:
            steps += replaced.clock_steps
            restarts += replaced.restarts
            replaced = successor(replaced, **settings)
    assert (steps + replaced.clock_steps, restarts + replaced.restarts) == (steady.clock_steps, steady.restarts)
    assert min(steady.clock_steps, steady.restarts) > 3
    assert pauses > 300


def test_pauses_of_the_time_between_two_processes_are_shipped_once() -> None:
    before = make()
    before.interpret(read(go_page(10)))

    [container] = successor(before).interpret(read(go_page(14), 3_600))

    assert document(container)["expvar.memstats.PauseNs"] == [1_011, 1_012, 1_013, 1_014]
    assert "expvar.memstats.PausesBefore" not in document(container)


@pytest.mark.parametrize(
    ("page", "action"),
    [
        (go_page(9), "restarted"),
        (go_page(12, since=500), "restarted"),
        (go_page(12, cmdline=("app", "-x")), "restarted"),
        (go_page(12, cmdline=None), "restarted"),
        (go_page(10 + 256), "unknown-life"),
        (go_page(10 + 255), None),
        (go_page(10), None),
    ],
)
def test_what_became_of_the_target_meanwhile_is_seen(page: dict[str, Any], action: str | None) -> None:
    before = make()
    before.interpret(read(go_page(10)))
    after = successor(before)

    [container] = after.interpret(read(page, 60))

    assert document(container).get("event.action") == action
    assert after.restarts == (action is not None)


def test_times_go_on_rising_and_a_step_of_the_clock_is_told() -> None:
    before = make()
    before.interpret(read({"a": 1}, 100))

    [bridged] = successor(before).interpret(read({"a": 1}, 91))
    [believed] = successor(before).interpret(read({"a": 1}, 90))

    assert bridged.time == START + 100 * 1_000_000 + 1
    assert believed.time == START + 90 * 1_000_000
    assert document(believed)["event.action"] == "clock-stepped-back"


def test_a_first_page_after_a_restart_has_no_rates_and_all_values() -> None:
    settings = {"rates": "counters", "drop_unchanged": {}}
    before = make(**settings)
    for second in (0, 1):
        before.interpret(read(go_page(10, Alloc=5), second))
    after = successor(before, **settings)

    [first] = after.interpret(read(go_page(12, Alloc=5), 10))
    [second_one] = after.interpret(read(go_page(16, Alloc=6), 12))

    assert document(first)["expvar.memstats.Alloc"] == 5
    assert "expvar.memstats.Mallocs_per_second" not in document(first)
    assert document(second_one)["expvar.memstats.Mallocs_per_second"] == 2.0


def test_knowledge_of_another_target_is_left_alone() -> None:
    before = make()
    before.interpret(read(go_page(10), 100))

    after = successor(before, target="http://localhost:4321/debug/vars")
    [container] = after.interpret(read(go_page(12), 50))

    assert document(container)["expvar.memstats.PausesBefore"] == 12
    assert container.time == START + 50 * 1_000_000
    assert "event.action" not in document(container)


def test_knowledge_that_is_damaged_or_from_another_version_is_told_and_left_alone() -> None:
    before = make(by_size=True)
    before.interpret(read(go_page(10, BySize=[{"Size": 8, "Mallocs": 3, "Frees": 1}]), 100))
    knowledge = before.knowledge()
    another_version = knowledge.replace(b"\x94\x01", b"\x94\x02", 1)
    assert another_version != knowledge
    for damaged in (*(knowledge[:length] for length in range(1, len(knowledge))), another_version, b"\0", b"x" * 100):
        after = make(by_size=True)

        after.restore(damaged)

        assert after.take_news() == [UNUSABLE]
        [container] = after.interpret(read(go_page(12), 50))
        assert document(container)["expvar.memstats.PausesBefore"] == 12


def test_knowledge_with_any_bit_wrong_does_no_worse_than_a_wrong_page() -> None:
    before = make(by_size=True)
    before.interpret(read(go_page(10, BySize=[{"Size": 8, "Mallocs": 3, "Frees": 1}]), 100))
    knowledge = before.knowledge()
    for place, bit in itertools.product(range(len(knowledge)), range(8)):
        damaged = knowledge[:place] + bytes([knowledge[place] ^ 1 << bit]) + knowledge[place + 1 :]
        after = make(by_size=True)

        after.restore(damaged)

        [first] = after.interpret(read(go_page(12), 110))
        [second] = after.interpret(read(go_page(13), 120))
        assert second.time > first.time
        assert document(second)["expvar.memstats.PauseNs"] == [1_013]


def test_where_nobody_kept_anything_nothing_is_told() -> None:
    interpreter = make()

    interpreter.restore(b"")

    assert interpreter.take_news() == []
    [container] = interpreter.interpret(read(go_page(12)))
    assert document(container)["expvar.memstats.PausesBefore"] == 12


def test_what_was_not_known_before_is_seen_for_the_first_time() -> None:
    """The runtime was not looked at, or size classes were not; or there has not been a page of Go's."""
    table = [{"Size": 8, "Mallocs": 3, "Frees": 1}]
    never = make(go_runtime=False)
    never.interpret(read(go_page(10)))
    other = make()
    other.interpret(read({"a": 1}))
    plain = make()
    plain.interpret(read(go_page(10, BySize=table)))

    for before in (never, other):
        [container] = successor(before).interpret(read(go_page(12), 10))
        assert document(container)["expvar.memstats.PausesBefore"] == 12
    [container] = successor(plain, by_size=True).interpret(read(go_page(12, BySize=table), 10))
    assert document(container)["expvar.memstats.PauseNs"] == [1_011, 1_012]
    assert not [name for name in document(container) if "BySize" in name]


def test_a_program_that_is_not_looked_at_any_more_is_forgotten() -> None:
    before = make()
    before.interpret(read(go_page(10)))

    [container] = successor(before, go_runtime=False).interpret(read(go_page(12), 10))

    assert len(document(container)["expvar.memstats.PauseNs"]) == 256


@pytest.mark.parametrize("cmdline", [("app", "-password=hunter22"), "app -password=hunter22", {"a": "hunter22"}])
def test_knowledge_holds_no_command_line(cmdline: object) -> None:
    interpreter = make()

    interpreter.interpret(read(go_page(10, cmdline=cmdline)))

    assert b"hunter22" not in interpreter.knowledge()
    [container] = successor(interpreter).interpret(read(go_page(10, cmdline=cmdline), 10))
    assert "event.action" not in document(container)


@pytest.mark.parametrize("number", [2**64, 2**70, -1, -(2**70), 10**300])
def test_no_number_on_a_page_keeps_knowledge_from_being_kept(number: int) -> None:
    interpreter = make(by_size=True)
    sizes = [{"Size": 8, "Mallocs": number, "Frees": 1}]
    for page in (go_page(10, Mallocs=number, Frees=number, BySize=sizes), go_page(11, BySize=sizes)):
        interpreter.interpret(read(page))

        [container] = successor(interpreter, by_size=True).interpret(read(go_page(12), 10))

        assert document(container)["expvar.memstats.PauseNs"][-1] == 1_012
        assert "event.action" not in document(container)


@pytest.mark.parametrize("page", [go_page(10), {"a": 1}])
def test_asking_for_knowledge_changes_nothing(page: dict[str, Any]) -> None:
    interpreter = make()
    interpreter.interpret(read(page))

    assert interpreter.knowledge() == interpreter.knowledge() == successor(interpreter).knowledge()
