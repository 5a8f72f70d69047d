"""What a buffer is: containers are put in, handed out in batches, and settled one by one in any order.

A batch is handed *out*, not looked at: what is out is never shed, so settling can never remove a newer record by
mistake. What could not be delivered is given back, with a time before which it is not to be tried.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from .datatypes import Container
from .settings import ByteSize, Duration, SettingsModel


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A container in a buffer: the ``number``-th that was put. ``tries`` says how often it was handed out before."""

    container: Container
    number: int
    put_at: float
    tries: int = 0
    not_before: float = 0.0


class BatchSettings(SettingsModel):
    """A batch leaves at the first of the three."""

    count: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Containers."""
    bytes: Annotated[ByteSize, Field(le=15_000_000)] = 5_000_000
    """Bytes of documents."""
    wait: Duration = 1.0
    """Time that the oldest container has waited."""


class BufferSettings(SettingsModel):
    """What waits for its recorder."""

    type: Literal["memory"] = "memory"
    """Where it waits."""
    max_bytes: ByteSize = 32 * 2**20
    """Bytes that it may hold."""
    max_age: Duration | None = None
    """What waited longer is shed."""
    when_full: Literal["shed_oldest", "shed_newest"] = "shed_oldest"
    """What goes when it is full."""


class Buffer(abc.ABC):
    """One recorder's records. Times are seconds of the same monotonic clock throughout."""

    @property
    @abc.abstractmethod
    def waiting(self) -> int:
        """Records in the buffer that are not handed out."""

    @property
    @abc.abstractmethod
    def out(self) -> int:
        """Records that are handed out."""

    @property
    @abc.abstractmethod
    def weight(self) -> int:
        """Bytes held, of what is waiting and what is out."""

    @abc.abstractmethod
    def put(self, container: Container, now: float) -> Sequence[Container]:
        """Take a container in; returns what was shed to make room, the container itself if it found none."""

    @abc.abstractmethod
    def due_in(self, limits: BatchSettings, now: float) -> float:
        """Seconds until a batch should leave: 0 now, ``inf`` if nothing is waiting."""

    @abc.abstractmethod
    def take(self, limits: BatchSettings, now: float) -> list[Record]:
        """Hand out the oldest records that may be tried, within the limits; always one if there is any."""

    @abc.abstractmethod
    def settle(self, records: Iterable[Record]) -> None:
        """Forget records that are out: they are recorded or refused."""

    @abc.abstractmethod
    def give_back(self, records: Iterable[Record], not_before: float) -> None:
        """Take records that are out back in, as oldest, not to be tried before the given time."""

    @abc.abstractmethod
    def expire(self, now: float) -> Sequence[Container]:
        """Remove and return what is waiting and older than the buffer's age limit."""

    @abc.abstractmethod
    def clear(self) -> Sequence[Container]:
        """Remove and return all that is waiting."""
