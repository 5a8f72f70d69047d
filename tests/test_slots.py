"""Many wait by one timer: together where their times are close, a few at a time where too many are late."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from expvastic.slots import AT_ONCE, WIDTH, Slots, width_for

pytestmark = pytest.mark.virtual_time


async def test_whoever_waits_goes_on_at_the_end_of_its_slot() -> None:
    slots, began = Slots(anyio.current_time), anyio.current_time()

    await slots.until(began + 1, anyio.current_time())
    on_the_grid = anyio.current_time() - began
    await slots.until(began + 2 + WIDTH / 3, anyio.current_time())

    assert on_the_grid == 1
    assert anyio.current_time() - began == 2 + WIDTH


async def test_those_of_one_slot_go_on_together_and_earlier_ones_before() -> None:
    slots, began = Slots(anyio.current_time), anyio.current_time()
    woken: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await slots.until(began + seconds, anyio.current_time())
        woken.append((name, anyio.current_time() - began))

    async with anyio.create_task_group() as group:
        for name, seconds in [("late", 5.0), ("b", 1 + WIDTH / 2), ("a", 1 + WIDTH / 4), ("early", 0.5)]:
            group.start_soon(wait, name, seconds)

    assert woken == [("early", 0.5), ("b", 1 + WIDTH), ("a", 1 + WIDTH), ("late", 5.0)]


async def test_nothing_ticks_where_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slots, wakes = Slots(anyio.current_time), 0
    wake = slots._wake

    def count() -> None:
        nonlocal wakes
        wakes += 1
        wake()

    monkeypatch.setattr(slots, "_wake", count)
    await slots.until(anyio.current_time() + 50, anyio.current_time())
    await anyio.sleep(1_000)

    assert wakes == 1


async def test_many_that_are_late_leave_the_loop_its_turns() -> None:
    slots, now = Slots(anyio.current_time), anyio.current_time()
    done = 0
    turns: list[int] = []

    async def wait() -> None:
        nonlocal done
        await slots.until(now, anyio.current_time())
        done += 1

    async with anyio.create_task_group() as group:
        for _ in range(10 * AT_ONCE):
            group.start_soon(wait)
        while done < 10 * AT_ONCE:
            before = done
            await asyncio.sleep(0)
            turns.append(done - before)

    assert max(turns) <= AT_ONCE


async def test_who_is_cancelled_holds_up_nobody() -> None:
    slots, began = Slots(anyio.current_time), anyio.current_time()

    with anyio.move_on_after(1):
        await slots.until(began + 2, anyio.current_time())
    await slots.until(began + 2, anyio.current_time())
    await slots.until(began + 2, anyio.current_time())

    assert anyio.current_time() - began == 2


@pytest.mark.parametrize(
    ("interval", "width"), [(60, WIDTH), (2, WIDTH), (1, WIDTH / 2), (0.5, WIDTH / 4), (0.1, WIDTH / 32)]
)
def test_slots_are_small_beside_the_interval(interval: float, width: float) -> None:
    assert width_for(interval) == width
    assert width <= interval / 16
