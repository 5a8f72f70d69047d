"""Shares out the turns of the event loop: readings have a part of each, and all else has the rest.

Theory of operation: what comes of a reading is made in one go, and takes from a twentieth of a millisecond to several.
Where hundreds of answers are there at once, as on a core that is too slow for all of them or while pages are still
learned, all of them together would be one turn of the loop, and everything else on it would wait for that at each of
its steps; deliveries, which have many, would come to nothing, and buffers would run over. So a reading is taken up only
while its turn is young. The others wait, first come, first served, and not only for the next turn: some turns are left
to all else, which are short if there is nothing to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

PART = 0.005  # seconds of a turn
LEFT = 4  # turns after one that was too short


class Turns:
    """Those of one event loop. ``clock`` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._again: list[asyncio.Future[None]] = []  # of those that waited before, and come first
        self._taken = 0  # up, in this turn
        self._ends = 0.0  # when this turn is no longer young
        self._left = 0  # turns that are still to be left to all else
        self._has_begun = False
        self._will_end = False

    @property
    def is_behind(self) -> bool:
        """Whether something waits for its turn."""
        return bool(self._waiting or self._again)

    def claim(self, waited: asyncio.Future[None] | None = None) -> asyncio.Future[None] | None:
        """None if something may be taken up now; else what to wait for before it is claimed anew, with that.

        One thing at least is taken up in each turn that is not left to all else.
        """
        now = self._clock()
        if not self._has_begun:
            self._begin(now)
        if now < self._ends:
            self._taken += 1
            return None
        assert self._loop is not None
        waiter = self._loop.create_future()
        (self._again if waited else self._waiting).append(waiter)
        return waiter

    def _begin(self, now: float) -> None:
        self._has_begun = True
        self._ends = now + PART
        self._taken = 0
        self._left = LEFT
        self._end_with_turn()

    def _end_with_turn(self) -> None:
        if self._will_end:
            return
        if self._loop is None:  # kept: asking for it costs a system call
            self._loop = asyncio.get_running_loop()
        self._will_end = True
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        """The turn is over: let as many claim again as a turn may have room for, or leave the next one alone."""
        self._will_end = False
        if self.is_behind and self._left:
            self._left -= 1
        else:
            self._has_begun = False
            self._waiting.extendleft(reversed(self._again))
            self._again.clear()
            self._let_claim(2 * self._taken or 1)
        if self.is_behind:
            self._end_with_turn()

    def _let_claim(self, count: int) -> None:
        while self._waiting and count:
            waiter = self._waiting.popleft()
            if not waiter.done():  # it may have been cancelled
                waiter.set_result(None)
                count -= 1
