"""Wakes many engines by one timer, in small slots of time, some of them at each turn of the event loop.

Theory of operation: whoever waits for a time waits for the end of the slot that it is in, with all others of that
slot. One timer is set, to the next slot that somebody waits for; where nobody waits, nothing ticks. Polls that start
together are answered together: one costs much less among thirty than alone, when the process has to be woken for it,
and finds nothing of what it needs in the caches of its core. Those whose time has come go on first come, first served,
at most ``AT_ONCE`` of them in one turn of the loop: were all that are late to go on in the same turn, as they are on a
core that is too slow for them, everything else that runs on the loop would have to wait for all of them at each of its
steps. And while answers wait for their turn, no further question is asked.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable

from .turns import Turns

WIDTH = 2.0**-3  # seconds, at most; a power of two: a time on the grid stays there, as do those each second later
AT_ONCE = 64
LONGEST_SLEEP = 60.0  # seconds
_EARLY = 0.0005  # seconds that a loop may be early which counts in milliseconds; not worth another turn of it


def width_for(interval: float) -> float:
    """The width of the slots for what happens once in an interval: no more than a sixteenth of it.

    So nothing is late by more than that. A thousand polls in a second start in groups of sixty: wider ones would save
    little more, and would be felt by targets that share a machine.
    """
    return min(WIDTH, 2.0 ** math.floor(math.log2(interval / 16)))


class Slots:
    """Times are seconds of ``clock``, which may go on while the machine is suspended, when no timer does."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.turns = Turns(clock)
        """In which those who were woken go on with what they have got."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[float, list[asyncio.Future[None]]] = {}  # by the end of their slot
        self._ends: list[float] = []  # a heap of the same
        self._due: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.Handle | None = None
        self._wakes_at = math.inf  # on the clock; minus infinity: at the loop's next turn

    def until(self, time: float, now: float, width: float = WIDTH) -> asyncio.Future[None]:
        """To be awaited until a time has come, and the slot of that width is over that it is in.

        It is never done before the loop's next turn, and can be cancelled. ``now`` is what the clock says.
        """
        if (loop := self._loop) is None:  # kept: asking for it costs a system call
            loop = self._loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        if time <= now:
            self._due.append(waiter)
            self._wake_at(-math.inf)
            return waiter
        end = math.ceil(time / width) * width
        slot = self._waiting.get(end)
        if slot is None:
            self._begin_slot(end, waiter)
        else:
            slot.append(waiter)
        return waiter

    def _begin_slot(self, end: float, waiter: asyncio.Future[None]) -> None:
        self._waiting[end] = [waiter]
        heapq.heappush(self._ends, end)
        self._wake_at(end)

    def _wake_at(self, time: float) -> None:
        """Let the one timer go off then, unless it does so earlier."""
        if time >= self._wakes_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._wakes_at = time
        if time == -math.inf:
            self._timer = loop.call_soon(self._wake)
        else:
            # In pieces: a clock may go on while the machine is suspended, and a timer does not.
            self._timer = loop.call_later(min(max(0.0, time - self._clock()), LONGEST_SLEEP), self._wake)

    def _wake(self) -> None:
        self._timer, self._wakes_at = None, math.inf
        now, ends, due = self._clock() + _EARLY, self._ends, self._due
        while ends and ends[0] <= now:
            due.extend(self._waiting.pop(heapq.heappop(ends)))
        left = 0 if self.turns.is_behind else AT_ONCE
        while due and left:
            waiter = due.popleft()
            if not waiter.done():  # it may have been cancelled
                waiter.set_result(None)
                left -= 1
        if due:
            self._wake_at(-math.inf)
        elif ends:
            self._wake_at(ends[0])
