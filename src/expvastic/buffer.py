"""What a buffer is: containers are put in, handed out in batches, and settled one by one in any order.

A batch is handed *out*, not looked at: what is out is never shed, so settling can never remove a newer record by
mistake. What could not be delivered is given back, with a time before which it is not to be tried. A buffer never
refuses: what it cannot keep is a Loss, entered in the ledger and told to whoever asks.
"""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from pydantic import Field

from .datatypes import Container, Poll
from .settings import ByteSize, Duration, SettingsModel

MEMORY_BYTES = 32 * 2**20
DISK_BYTES = 2**30
LEAST_DISK_BYTES = 2**20


class Record(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A container in a buffer: the ``number``-th that was put. ``tries`` says how often it was handed out before.

    ``in_doubt`` says that it may have been recorded at an earlier try.
    """

    container: Container
    number: int
    put_at: float
    tries: int = 0
    not_before: float = 0.0
    in_doubt: bool = False


class Loss(NamedTuple):
    """A container that was not kept: ``reason`` is why. Its id and reader are empty if they, too, were lost."""

    id: str
    reader: str
    time: int  # @timestamp, microseconds
    reason: str  # full | expired | disk | corrupt | discarded | moved | lost_at_exit


class BatchSettings(SettingsModel):
    """A batch leaves at the first of the three."""

    count: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Containers."""
    bytes: Annotated[ByteSize, Field(le=15_000_000)] = 5_000_000
    """Bytes of documents."""
    wait: Duration = 1.0
    """Time that the oldest container has waited."""
    newest_every: Annotated[int, Field(ge=0, le=1_000)] = 4
    """While more is waiting than a batch holds, each batch of this number takes the newest instead of the oldest; 0
    for none."""


class BufferSettings(SettingsModel):
    """What waits for its recorder."""

    type: Literal["memory", "disk"] | None = None
    """Where it waits. Unless given on `disk` if there is a `state_dir`, else in `memory`."""
    max_bytes: ByteSize | None = None
    """Bytes that it may hold; on disk 1 MiB at least. Unless given 32 MiB in memory, 1 GiB on disk."""
    max_age: Duration | None = None
    """What waited longer is shed."""
    when_full: Literal["shed_oldest", "shed_newest"] = "shed_oldest"
    """What goes when it is full."""
    segment_bytes: Annotated[ByteSize, Field(ge=2**16)] = 16 * 2**20
    """On disk: bytes of one file, at most an eighth of `max_bytes`. A file goes when all that is in it is settled;
    a full buffer sheds file by file."""
    sync: Literal["always", "interval", "never"] = "interval"
    """On disk: when what was read is safe from a power failure: `always` before anything else is done with it,
    `interval` within `sync_interval`, `never` when the system pleases. A process that is killed loses nothing in any
    of them."""
    sync_interval: Duration = 0.2
    """On disk, with `sync: interval`: time between the writes to the disk itself."""


class Buffer(abc.ABC):
    """One recorder's records. Times are seconds of the same monotonic clock throughout.

    Counts in its ledger what is offered and what is lost; the rest is for the delivery to count, before it settles.
    """

    def __init__(self) -> None:
        self.enqueued = 0  # containers that were taken in
        self.consumed = 0  # containers that were settled
        self.errors: Counter[str] = Counter()  # by type: full, disk, corrupt, torn, sync

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

    @property
    def is_durable(self) -> bool:
        """Whether what it holds outlives the process."""
        return False

    @property
    def last_polls(self) -> Mapping[str, tuple[int, bytes]]:
        """Of each reader, the number of the last poll that was put, and the knowledge that came with it."""
        return {}

    def open(self, now: float) -> None:  # noqa: B027  # memory has nothing to open
        """Take up what an earlier process left. Raises StateError if that cannot be used."""

    @abc.abstractmethod
    def close(self, now: float) -> None:
        """End: what does not outlive the process is lost. What was out counts as waiting. May be repeated."""

    @abc.abstractmethod
    def put(self, poll: Poll, now: float) -> None:
        """Take a poll's containers in, all in one; what finds no room, or makes room, is lost."""

    @abc.abstractmethod
    def due_in(self, limits: BatchSettings, now: float) -> float:
        """Seconds until a batch should leave: 0 now, ``inf`` if nothing is waiting."""

    @abc.abstractmethod
    def take(self, limits: BatchSettings, now: float, *, newest: bool = False) -> list[Record]:
        """Hand out the oldest records that may be tried, within the limits; always one if there is any.

        ``newest`` asks for the newest of those never handed out, in the order in which they were put.
        """

    @abc.abstractmethod
    def settle(self, records: Iterable[Record]) -> None:
        """Forget records that are out: they are recorded or refused. Commits the ledger's changes with it."""

    @abc.abstractmethod
    def give_back(self, records: Iterable[Record], not_before: float, *, in_doubt: bool = False) -> None:
        """Take records that are out back in, as oldest, not to be tried before the given time."""

    @abc.abstractmethod
    def expire(self, now: float) -> None:
        """Lose what is waiting and older than the buffer's age limit."""

    @abc.abstractmethod
    def clear(self, reason: str) -> None:
        """Lose all that is waiting."""

    @abc.abstractmethod
    def take_losses(self) -> Sequence[Loss]:
        """What was lost since this was last asked, oldest first."""

    def begin_sync(self) -> Callable[[], None] | None:
        """What brings all that was written so far to the disk, to be run in another thread; None if there is nothing.

        It raises OSError. ``end_sync`` is to be called with how it ended before the next one begins.
        """
        return None

    def end_sync(self, error: OSError | None) -> None:  # noqa: B027  # memory has nothing to end
        """The job of ``begin_sync`` is done, or has failed."""
