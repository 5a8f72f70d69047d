import asyncio
from typing import Any

import anyio
import pytest

from expvastic.datatypes import Container, Poll, Reading
from expvastic.document import Identity
from expvastic.engine import Engine, EngineSettings
from expvastic.errors import ReadError
from expvastic.interpreter import Interpreter
from expvastic.pacing import Pacer
from expvastic.pages.settings import InterpreterSettings
from fakes import FOREVER, FakeReader, Log

pytestmark = pytest.mark.virtual_time
DOWN = ReadError("connect", "http://app.test: connection refused")


class Outlet:
    def __init__(self) -> None:
        self.containers: list[Container] = []

        self.polls: list[Poll] = []

    def offer(self, poll: Poll) -> None:
        self.polls.append(poll)
        self.containers += poll.containers


class Bench:
    def __init__(self, reader: FakeReader | None = None, outlets: int = 1, ticks: float = 1e9, **settings: Any) -> None:
        self.reader = reader or FakeReader()
        self.outlets = [Outlet() for _ in range(outlets)]
        self.log = Log()
        chosen = EngineSettings.model_validate({"interval": 10, "timeout": 5, **settings})
        interpreter = Interpreter(
            InterpreterSettings(),
            Identity("a", "h", "1"),
            reader="app",
            target=self.reader.target,
            prefix="expvar",
            interval=chosen.interval,
        )
        self.started = anyio.current_time()
        pacer = Pacer(chosen.interval, chosen.backoff, start=self.started, ticks=ticks, draw=lambda: 1.0)
        self.engine = Engine("app", "fake", self.reader, lambda: interpreter, self.outlets, chosen, pacer, self.log)  # type: ignore[arg-type]

    async def run_for(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self.engine.run()

    @property
    def polled_at(self) -> list[float]:
        return [time - self.started for time in self.reader.reads]


async def test_it_polls_at_once_and_then_at_its_interval() -> None:
    bench = Bench()
    await bench.run_for(35)

    assert bench.polled_at == [0, 10, 20, 30]


async def test_every_delivery_gets_the_very_same_containers() -> None:
    bench = Bench(outlets=3)
    await bench.run_for(15)

    first, *others = (outlet.containers for outlet in bench.outlets)
    assert len(first) == 2
    assert all(other == first for other in others)


async def test_a_delivery_that_cannot_take_a_poll_costs_neither_the_reader_nor_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(poll: Poll) -> None:
        raise RuntimeError("a bug")

    bench = Bench(outlets=3)
    monkeypatch.setattr(bench.outlets[1], "offer", fail)
    await bench.run_for(15)

    assert [len(outlet.polls) for outlet in bench.outlets] == [2, 0, 2]
    assert bench.engine.failures == {"unexpected": 2}
    assert bench.log.said() == ["reader failing"]


async def test_polls_are_numbered_and_an_engine_goes_on_where_another_ended() -> None:
    bench = Bench()
    bench.engine.go_on(41, b"")
    await bench.run_for(15)

    assert [poll.number for poll in bench.outlets[0].polls] == [42, 43]
    assert [poll.knowledge for poll in bench.outlets[0].polls] == [b"", b""], "nobody keeps it"


async def test_a_slow_poll_does_not_shift_the_grid() -> None:
    bench = Bench(FakeReader([4.0, b'{"a":1}', 4.0, b'{"a":1}']))
    await bench.run_for(25)

    assert bench.polled_at == [0, 10, 20]


async def test_polls_never_overlap_and_missed_ticks_are_counted() -> None:
    bench = Bench(FakeReader([25.0]), timeout=60)
    await bench.run_for(45)

    assert bench.polled_at == [0, 25, 30, 40]
    assert bench.engine.statistics().missed == 1


async def test_a_hanging_target_fails_at_the_deadline() -> None:
    bench = Bench(FakeReader([FOREVER]))
    await bench.run_for(15)

    assert dict(bench.engine.failures) == {"timeout": 1}
    assert bench.polled_at == [0, 10]
    assert bench.engine.statistics().state == "reading"


async def test_a_failing_reader_is_said_once_and_its_recovery_once() -> None:
    bench = Bench(FakeReader([DOWN, DOWN, b"[1]", DOWN]))
    await bench.run_for(65)

    assert dict(bench.engine.failures) == {"connect": 3, "not_object": 1}
    assert bench.log.said() == ["reader failing", "reader recovered"]
    assert len(bench.outlets[0].containers) == 3


async def test_after_backoff_failures_polls_are_spaced_out_until_the_first_success() -> None:
    bench = Bench(FakeReader([DOWN] * 5), backoff=3)
    await bench.run_for(220)

    assert bench.polled_at == [0, 10, 20, 40, 80, 160, 170, 180, 190, 200, 210]
    assert bench.engine.statistics().missed == 0


async def test_a_readers_bug_costs_a_poll() -> None:
    bench = Bench(FakeReader([ZeroDivisionError("oops")]))
    await bench.run_for(15)

    assert dict(bench.engine.failures) == {"unexpected": 1}
    assert len(bench.outlets[0].containers) == 1


async def test_a_limited_number_of_ticks_ends_the_run() -> None:
    bench = Bench(ticks=2)
    await bench.engine.run()

    assert bench.polled_at == [0, 10]


async def test_the_numbers_tell_what_happened() -> None:
    bench = Bench(FakeReader([b'{"a":1,"b":null,"c":"x"}', DOWN]))
    await bench.run_for(15)

    numbers = bench.engine.statistics()
    assert (numbers.polls, numbers.readings, numbers.containers, numbers.state) == (2, 1, 1, "failing")
    assert numbers.values == {"integer": 1, "string": 1}
    assert numbers.left_out == {"null": 1}
    assert numbers.left_out_names == {"expvar.b": {"null": 1}}
    assert numbers.last_error == "http://app.test: connection refused"
    assert numbers.failing_since > 0


async def test_after_a_suspend_there_is_one_poll_soon_and_the_rest_is_missed() -> None:
    """A suspended machine's clock goes on, its sleeping does not."""
    suspended = 0.0
    bench = Bench(interval=600)
    bench.engine._clock = bench.engine._slots._clock = lambda: anyio.current_time() + suspended
    async with anyio.create_task_group() as group:
        group.start_soon(bench.engine.run)
        await anyio.sleep(10)
        suspended = 3_000.0
        await anyio.sleep(100)
        polled = bench.polled_at[1:]
        group.cancel_scope.cancel()

    assert len(polled) == 1
    assert polled[0] <= 70
    assert bench.engine.statistics().missed == 4


async def test_a_reader_that_cannot_close_ends_alone() -> None:
    class Clumsy(FakeReader):
        async def __aexit__(self, *_: object) -> None:
            raise ZeroDivisionError("oops")

    bench = Bench(Clumsy(), ticks=1)
    await bench.engine.run()

    assert len(bench.outlets[0].containers) == 1
    assert bench.log.said("error") == ["reader did not close"]


def make_wait(bench: Bench) -> asyncio.Future[None]:
    """Let the first page that comes wait for its turn."""
    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    turns = iter([turn])
    bench.engine._slots.turns.claim = lambda _=None: next(turns, None)  # type: ignore[method-assign]
    return turn


async def test_a_page_that_came_in_time_has_come_though_it_waits_for_its_turn() -> None:
    bench = Bench(timeout=5)
    turn = make_wait(bench)

    async with anyio.create_task_group() as group:
        group.start_soon(bench.run_for, 9)
        await anyio.sleep(8)
        before = bench.engine.readings
        turn.set_result(None)

    assert (before, bench.engine.readings) == (0, 1)
    assert not bench.engine.failures


async def test_a_page_that_came_in_the_last_moment_has_come_though_it_waits_for_its_turn() -> None:
    class LastMoment(FakeReader):
        async def read(self) -> Reading:
            reading = await super().read()
            if len(self.reads) == 1:
                bench.engine._deadline._ends = 0.0
                bench.engine._deadline._look()  # the deadline passes in the same turn of the loop
            return reading

    bench = Bench(LastMoment(), timeout=5)
    make_wait(bench)
    await bench.run_for(25)

    assert (bench.engine.polls, bench.engine.readings) == (3, 3)
    assert not bench.engine.failures
    assert bench.polled_at == [0, 10, 20]


async def test_a_page_that_waits_for_its_turn_when_all_ends_is_taken_up_at_once() -> None:
    bench = Bench()
    make_wait(bench)
    await bench.run_for(5)

    assert bench.engine.readings == 1
    assert len(bench.outlets[0].containers) == 1


async def test_one_poll_alone_waits_for_no_turn() -> None:
    bench = Bench()
    make_wait(bench)

    assert await bench.engine.poll_once() == 1
    assert not bench.engine.failures


async def test_nothing_is_made_to_tell_that_nothing_was_read() -> None:
    bench = Bench()

    assert bench.engine.statistics().containers == 0
    assert bench.engine._made is None
