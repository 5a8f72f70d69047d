"""The deadline of one thing after the other that one task does, at next to no cost for those that keep theirs.

Theory of operation: entering a cancel scope with a deadline for each costs more than many a poll's own work. So one
scope is kept open from one to the next, until it had to be cancelled; and the timer of one is left to go off and look,
rather than cancelled and set anew for the next.
"""

from __future__ import annotations

import asyncio
import math

import anyio


class Deadline:
    """For one task: enter ``scope()``; in it ``begin`` and ``end``, as often as one likes.

    ``rests`` says that mostly more than a deadline's time lies between two of them: then no timer is left to go off.
    """

    def __init__(self, *, rests: bool = False) -> None:
        self._rests = rests
        self._loop: asyncio.AbstractEventLoop
        self._scope: anyio.CancelScope | None = None
        self._ends = math.inf  # on the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self.has_passed = False
        """Whether the scope was cancelled, and is to be left."""

    def scope(self) -> anyio.CancelScope:
        """A scope, to be entered, that is cancelled when the deadline has passed; then another one is needed."""
        self._loop = asyncio.get_running_loop()
        self._ends = math.inf
        self.has_passed = False
        self._scope = scope = anyio.CancelScope()
        return scope

    def begin(self, seconds: float) -> None:
        """From now on there are so many seconds, always as many as the last time."""
        self._ends = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._ends, self._look)

    def end(self) -> None:
        """It is done. The scope may be cancelled all the same: then it is to be left."""
        self._ends = math.inf
        if self._rests:
            self.close()

    def close(self) -> None:
        """Set no timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._ends == math.inf or self._scope is None:
            return
        if self._loop.time() >= self._ends:
            self.has_passed = True
            self._scope.cancel()
        else:
            self._timer = self._loop.call_at(self._ends, self._look)
