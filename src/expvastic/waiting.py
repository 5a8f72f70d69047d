"""When a delivery acts: it waits until a batch is due, pauses after failures, hurries once it is asked to close."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import anyio

HASTY_PAUSE = 0.2  # seconds between tries while closing


class LoopClock:
    """The time of the event loop in which it is first asked; to ask for the loop each time costs more than the time."""

    __slots__ = ("_time",)

    def __init__(self) -> None:
        self._time: Callable[[], float] | None = None

    def __call__(self) -> float:
        if self._time is None:
            self._time = asyncio.get_running_loop().time
        return self._time()


class Waiting:
    """The clock and the bell of one delivery. Times are seconds of ``clock``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.is_closing = False
        self._bell = anyio.Event()
        self.sleeps_until = -math.inf
        """When who waits for a batch will look by itself; minus infinity if nobody does, or has been woken. Not set
        during a pause, which only closing ends."""
        self._resume_at = -math.inf
        self._answer = anyio.Event()

    @property
    def is_pausing(self) -> bool:
        """Whether a pause was asked for that is not over."""
        return self._resume_at > self.clock()

    def close(self) -> None:
        """End all waiting, and hurry from now on."""
        self.is_closing = True
        self._bell.set()

    def tell_due(self, at: float) -> None:
        """A batch is due at that time: wake who would sleep beyond it."""
        if at < self.sleeps_until:
            self.sleeps_until = -math.inf
            self._bell.set()

    def tell_answer(self) -> None:
        """A batch that was under way is answered, or has failed."""
        self._answer.set()
        if self.sleeps_until > -math.inf:
            self._bell.set()  # what it gave back may be due, and a pause may have been asked for

    def pause_for(self, seconds: float) -> None:
        """The next ``pause()`` lasts so long, or a moment if closing."""
        self._resume_at = max(self._resume_at, self.clock() + seconds)

    async def pause(self) -> None:
        """Wait as long as was said."""
        while (delay := self._resume_at - self.clock()) > 0:
            if self.is_closing:
                await anyio.sleep(min(delay, HASTY_PAUSE))
                break
            await self._sleep(delay)
        self._resume_at = -math.inf

    async def for_batch(self, due_in: Callable[[float], float]) -> bool:
        """Wait until ``due_in(now)`` is zero: true. False as soon as this is closing, or a pause is asked for."""
        while not self.is_closing and not self.is_pausing:
            now = self.clock()
            delay = due_in(now)
            if delay <= 0:
                return True
            self.sleeps_until = now + delay
            await self._sleep(delay)
            self.sleeps_until = -math.inf
        return False

    async def for_answer(self) -> None:
        """Wait until a batch under way is answered."""
        self._answer = anyio.Event()
        await self._answer.wait()

    async def for_close(self) -> None:
        """Wait until this is closing."""
        while not self.is_closing:
            await self._sleep(math.inf)

    async def _sleep(self, delay: float) -> None:
        self._bell = anyio.Event()
        with anyio.move_on_after(delay):
            await self._bell.wait()
