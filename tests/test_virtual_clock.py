"""The virtual clock's own promises."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from virtual_clock import START, VirtualClockLoop

pytestmark = pytest.mark.virtual_time


def answer_late() -> str:
    time.sleep(0.05)
    return "done"


async def test_a_marked_test_runs_on_the_virtual_clock() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualClockLoop)
    assert anyio.current_time() == START


async def test_an_hour_passes_at_once() -> None:
    began = time.monotonic()

    await anyio.sleep(3600)

    assert anyio.current_time() == START + 3600
    assert time.monotonic() - began < 5


async def test_more_than_a_day_passes_at_once() -> None:
    await anyio.sleep(100 * 86_400)

    assert anyio.current_time() == pytest.approx(START + 100 * 86_400, abs=1e-6)


async def test_the_clock_stands_still_while_code_runs() -> None:
    for _ in range(100):
        await anyio.lowlevel.checkpoint()
    time.sleep(0.01)  # real time passes, and is not seen

    assert anyio.current_time() == START


async def test_timers_keep_their_order_and_their_times() -> None:
    seen: list[tuple[str, float]] = []

    async def note(name: str, delay: float) -> None:
        await anyio.sleep(delay)
        seen.append((name, anyio.current_time() - START))

    async with anyio.create_task_group() as tasks:
        for name, delay in (("last", 30), ("first", 0.001), ("middle", 10), ("middle's twin", 10)):
            tasks.start_soon(note, name, delay)

    assert [name for name, _ in seen] == ["first", "middle", "middle's twin", "last"]
    assert [when for _, when in seen] == pytest.approx([0.001, 10, 10, 30])


async def test_move_on_after_ends_a_wait_for_ever() -> None:
    with anyio.move_on_after(60) as scope:
        await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert anyio.current_time() == START + 60


async def test_fail_after_ends_a_longer_sleep() -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(60):
        await anyio.sleep(61)


async def test_a_worker_thread_is_waited_for_before_a_timer_fires() -> None:
    with anyio.fail_after(30):
        answer = await anyio.to_thread.run_sync(answer_late)

    assert answer == "done"
    assert anyio.current_time() - START < 30


async def test_an_idle_worker_thread_does_not_hold_the_clock() -> None:
    await anyio.to_thread.run_sync(lambda: None)

    await anyio.sleep(3600)

    assert anyio.current_time() - START >= 3600


async def test_an_executor_is_waited_for_before_a_timer_fires() -> None:
    loop = asyncio.get_running_loop()

    answer = await asyncio.wait_for(loop.run_in_executor(None, answer_late), 30)

    assert answer == "done"


async def test_a_watched_pipe_is_waited_for_before_a_timer_fires() -> None:
    reading, writing = os.pipe()
    arrived = asyncio.Event()
    asyncio.get_running_loop().add_reader(reading, arrived.set)
    writer = threading.Timer(0.05, os.write, (writing, b"!"))

    writer.start()
    with anyio.fail_after(30):
        await arrived.wait()

    asyncio.get_running_loop().remove_reader(reading)
    writer.join()
    os.close(reading)
    os.close(writing)


async def test_another_thread_wakes_a_loop_without_timers() -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    caller = threading.Timer(0.05, loop.call_soon_threadsafe, (woken.set,))

    caller.start()
    await woken.wait()

    caller.join()
    assert anyio.current_time() > START
