"""One deadline after the other in one scope, which is left only when one has passed."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from expvastic.deadline import Deadline

pytestmark = pytest.mark.virtual_time


async def test_what_is_done_in_time_is_not_cancelled_however_often() -> None:
    deadline = Deadline()

    with deadline.scope() as scope:
        for _ in range(20):
            deadline.begin(5)
            await anyio.sleep(4)
            deadline.end()
            await anyio.sleep(7)

    assert not scope.cancel_called


async def test_each_has_all_of_its_time_and_no_more() -> None:
    deadline = Deadline()

    with deadline.scope() as scope:
        deadline.begin(5)
        await anyio.sleep(3)
        deadline.end()
        began = anyio.current_time()
        deadline.begin(5)
        await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert anyio.current_time() - began == 5


async def test_after_a_deadline_that_has_passed_another_scope_goes_on() -> None:
    deadline, began = Deadline(), anyio.current_time()

    for _ in range(2):
        with deadline.scope() as scope:
            deadline.begin(5)
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert anyio.current_time() - began == 10


async def test_who_is_cancelled_from_outside_is_not_late() -> None:
    deadline = Deadline()

    with anyio.move_on_after(1) as outer, deadline.scope() as scope:
        deadline.begin(5)
        await anyio.sleep_forever()

    assert (outer.cancelled_caught, scope.cancelled_caught) == (True, False)


async def test_a_closed_one_leaves_no_timer_behind() -> None:
    deadline = Deadline()
    with deadline.scope():
        deadline.begin(1_000)

    deadline.close()

    assert not [each for each in asyncio.get_running_loop()._scheduled if not each.cancelled()]  # type: ignore[attr-defined]


async def test_one_that_rests_leaves_no_timer_between_two() -> None:
    deadline = Deadline(rests=True)

    with deadline.scope() as scope:
        deadline.begin(5)
        deadline.end()
        timers = [each for each in asyncio.get_running_loop()._scheduled if not each.cancelled()]  # type: ignore[attr-defined]
        deadline.begin(5)
        await anyio.sleep_forever()

    assert timers == []
    assert scope.cancelled_caught
