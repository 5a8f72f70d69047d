"""Brings much to a delivery, piece by piece, so that its buffer never has to shed, unless it stands still."""

from __future__ import annotations

import sys
from collections.abc import Callable

import anyio

from ..buffer import BatchSettings
from ..datatypes import Poll
from ..delivery import Delivery, DeliverySettings

_LOOK = 0.005  # seconds
_ALL = BatchSettings.model_construct(count=sys.maxsize, bytes=sys.maxsize)


def without_waiting(settings: DeliverySettings) -> DeliverySettings:
    """The settings of a delivery that sends what there is at once, in order."""
    return settings.model_copy(update={"batch": settings.batch.model_copy(update={"wait": 0.0, "newest_every": 0})})


class Feed:
    """The way to one delivery, that runs meanwhile. ``limit`` is what its buffer is filled to, in bytes.

    ``patience`` is how many seconds may pass in which nothing is settled.
    """

    def __init__(self, delivery: Delivery, *, limit: int = 0, patience: float) -> None:
        self._delivery = delivery
        self._buffer = delivery.buffer
        self._limit = limit
        self._patience = patience

    async def offer(self, poll: Poll) -> bool:
        """Offer what may have been recorded before, when there is room; false if the delivery stands still."""
        weight = sum(container.weight for container in poll.containers)
        if not await self._until(lambda: self._buffer.weight + weight <= self._limit or self._is_empty()):
            return False
        self._delivery.offer(poll)
        while records := self._buffer.take(_ALL, 0.0, newest=True):
            self._buffer.give_back(records, 0.0, in_doubt=True)
        return True

    async def finish(self) -> bool:
        """Wait until all is settled; false if the delivery stands still."""
        return await self._until(self._is_empty)

    def _is_empty(self) -> bool:
        return not self._buffer.waiting + self._buffer.out

    async def _until(self, is_so: Callable[[], bool]) -> bool:
        settled, since = self._delivery.ledger.settled, anyio.current_time()
        while not is_so():
            await anyio.sleep(_LOOK)
            if self._delivery.ledger.settled > settled:
                settled, since = self._delivery.ledger.settled, anyio.current_time()
            elif anyio.current_time() - since > self._patience:
                return False
        return True
