"""When one delivery's batches leave its buffer, and which: as many at once, and as large, as the flow allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .buffer import BatchSettings, Buffer, Record
from .outcomes.circuit import State
from .outcomes.standing import Standing
from .waiting import Waiting

NOTHING_THERE = 1.0  # seconds until a buffer is asked again that gave nothing though something waits


class Batches:
    """Takes batches out of a buffer; one is under way from ``next`` until ``ended``."""

    def __init__(
        self,
        buffer: Buffer,
        limits: BatchSettings,
        standing: Standing,
        waiting: Waiting,
        clock: Callable[[], float],
    ) -> None:
        self._buffer = buffer
        self._limits = limits
        self._standing = standing
        self._circuit = standing.circuit
        self._flow = standing.flow
        self._waiting = waiting
        self._clock = clock
        self._under_way = 0
        self._taken = 0

    @property
    def more_would_help(self) -> bool:
        """Whether as many are under way as may be, while more is waiting than a batch holds."""
        return self._under_way >= self._flow.lanes and self._buffer.waiting > self._flow.count

    @property
    def may_stay(self) -> bool:
        """Whether what waits is better left on the disk for the next start than tried again while this is closing."""
        is_in_trouble = self._standing.is_blocked or self._circuit.state in (State.FAILING, State.DROPPED)
        return self._waiting.is_closing and self._buffer.is_durable and is_in_trouble

    async def next(self) -> Sequence[Record]:
        """Wait until a batch may leave, and take it; empty if the recorder was dropped or all is done."""
        while self._circuit.state is not State.DROPPED and not self.may_stay:
            if self._waiting.is_pausing:
                await self._waiting.pause()
            elif self._under_way >= self._flow.lanes:
                await self._waiting.for_answer()
            elif await self.is_due():
                if self._waiting.is_pausing:
                    continue
                if records := self._take():
                    self._under_way += 1
                    return records
                self._waiting.pause_for(NOTHING_THERE)
            elif self._under_way:
                await self._waiting.for_answer()
            else:
                break
        return ()

    def ended(self) -> None:
        """A batch is under way no more."""
        self._under_way -= 1
        self._waiting.tell_answer()

    def tell_put(self, now: float) -> None:
        """Something was put into the buffer."""
        if now < self._waiting.sleeps_until:
            self._waiting.tell_due(now + self._buffer.due_in(self._limits, now))

    async def is_due(self) -> bool:
        """Wait until a batch should leave, or nothing is to be waited for; false if nothing waits to be delivered."""
        return await self._waiting.for_batch(self._due_in) or self._buffer.waiting > 0

    def _take(self) -> Sequence[Record]:
        self._taken += 1
        limits, every = self._limits, self._limits.newest_every
        newest = self._buffer.waiting > limits.count and every > 0 and self._taken % every == 0
        if self._flow.count < limits.count:
            limits = limits.model_copy(update={"count": self._flow.count})
        now = math.inf if self._waiting.is_closing else self._clock()
        records = self._buffer.take(limits, now, newest=True) if newest else []
        return records or self._buffer.take(limits, now)  # perhaps all that waits was handed out before

    def _due_in(self, now: float) -> float:
        self._buffer.expire(now)
        return self._buffer.due_in(self._limits, now)
