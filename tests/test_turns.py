"""Readings have a part of each turn of the loop, so that all else goes on whatever there is to read."""

from __future__ import annotations

import asyncio
from itertools import groupby

import anyio
import pytest

from expvastic.slots import Slots
from expvastic.turns import LEFT, PART, Turns

pytestmark = pytest.mark.virtual_time


class Work:
    """What takes a part of a turn each time; ``order`` is what was done, in its order."""

    def __init__(self, cost: float) -> None:
        self._cost = cost
        self._now = 0.0
        self.turns = Turns(lambda: self._now)
        self.order: list[str] = []

    async def do(self, name: str) -> None:
        turn = None
        while (turn := self.turns.claim(turn)) is not None:
            await turn
        self.order.append(name)
        self._now += self._cost

    async def do_something_else(self, until: int) -> None:
        while len([name for name in self.order if name != "else"]) < until:
            self.order.append("else")
            await asyncio.sleep(0)


async def test_what_fits_in_a_turn_is_done_at_once() -> None:
    work = Work(PART / 10)

    assert [work.turns.claim() for _ in range(10)] == [None] * 10
    assert not work.turns.is_behind


async def test_what_does_not_fit_waits_and_comes_in_its_order() -> None:
    work = Work(PART / 3)
    names = [f"{number}" for number in range(100)]

    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(work.do, name)

    assert work.order == names


@pytest.mark.parametrize("cost", [PART / 8, PART, 5 * PART])
async def test_all_else_has_turns_between_and_is_never_kept_for_long(cost: float) -> None:
    work = Work(cost)

    async with anyio.create_task_group() as group:
        for number in range(64):
            group.start_soon(work.do, str(number))
        group.start_soon(work.do_something_else, 64)

    runs = [(name, len([*them])) for name, them in groupby(name if name == "else" else "work" for name in work.order)]
    assert all(count * cost < PART + cost for name, count in runs if name == "work")
    assert min(count for name, count in runs[1:-1] if name == "else") >= LEFT


async def test_who_is_cancelled_while_it_waits_holds_up_nobody() -> None:
    work = Work(PART)

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as cancelled:
                for number in range(20):
                    cancelled.start_soon(work.do, str(number))
                await asyncio.sleep(0)
                group.start_soon(work.do, "last")
                await asyncio.sleep(0)
                scope.cancel()

    assert work.order[-1] == "last"
    assert not work.turns.is_behind


async def test_nothing_turns_where_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    work, ends = Work(PART / 2), 0
    end = work.turns._end

    def count() -> None:
        nonlocal ends
        ends += 1
        end()

    monkeypatch.setattr(work.turns, "_end", count)
    await work.do("1")
    await anyio.sleep(1_000)

    assert ends == 1


async def test_nothing_new_is_asked_for_while_more_answers_wait_than_the_next_turn_may_take() -> None:
    slots, work = Slots(anyio.current_time), Work(PART)
    slots.turns = work.turns
    done: list[int] = []

    async def ask() -> None:
        await slots.until(0.0, anyio.current_time())
        done.append(len(work.order))

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(work.do, str(number))
        await asyncio.sleep(0)
        group.start_soon(ask)

    assert len(work.order) == 10
    assert done[0] >= 8
