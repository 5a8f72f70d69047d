"""A Snapshot of this process: who is asked for it, and what they answer.

Nothing registers itself: engines and deliveries keep plain numbers and answer ``statistics()``; every view (status
pages, the ``self`` reader, the minute line) is made from a snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from .outcomes.minutes import Row

_NO_MINUTES: Mapping[int, Row] = MappingProxyType({})
_NONE: Mapping[str, Mapping[str, int]] = MappingProxyType({})


class ReaderStatistics(msgspec.Struct, frozen=True):
    """One reader's numbers since the start. Times are seconds since the epoch, 0 for never."""

    type: str
    target: str
    state: str  # starting | reading | failing
    interval: float
    polls: int  # started
    readings: int  # that brought a page
    failures: Mapping[str, int]  # by reason
    failing_since: float
    last_error: str
    missed: int  # ticks whose poll never started
    containers: int
    values: Mapping[str, int]  # by kind, as Kind's names in lower case
    left_out: Mapping[str, int]  # values of pages that were not shipped, by reason
    clock_steps: int
    last_success: float
    last_duration: float  # seconds
    restarts: int = 0  # of the target, as far as its pages tell
    left_out_names: Mapping[str, Mapping[str, int]] = _NONE  # by name of the value, then by reason
    worker: int | None = None  # who polls it, where several processes have one status; None if it is each of them


class DeliveryStatistics(msgspec.Struct, frozen=True):
    """One recorder's numbers since the start; with a state directory, those of its ledger since that was made.

    Always: offered = recorded + refused + shed + waiting + out. ``recorded`` includes duplicates, conflicts, shared,
    failure_store and salvaged, ``offered`` includes replayed; they are counted apart as well.
    """

    type: str
    destination: str
    state: str  # starting | closed | failing | dropped | probation | held
    offered: int
    recorded: int
    duplicates: int
    conflicts: int
    shared: int
    failure_store: int
    salvaged: int
    replayed: int
    refused: Mapping[str, int]  # by reason
    shed: Mapping[str, int]  # by reason
    waiting: int
    out: int
    weight: int  # bytes held, in memory or on the disk
    enqueued: int  # containers that the buffer took in since the start
    consumed: int  # containers that were settled since the start
    buffer_errors: Mapping[str, int]  # by type
    quarantined: int  # documents in quarantine
    lanes: int  # batches that may be under way at once
    retried: int  # containers given back for another try
    blocked: int  # containers given back because of their destination
    batches: int
    failures: int  # batches that failed as a whole, and entries that failed
    drops: int
    last_success: float
    last_error: str
    is_blocked: bool = False  # the last batch was answered, but its destination took none of it
    is_durable: bool = False  # the ledger outlives the process
    minutes: Mapping[int, Row] = _NO_MINUTES  # the latest, by minutes since the epoch

    @property
    def is_balanced(self) -> bool:
        """Whether the conservation law holds."""
        settled = self.recorded + sum(self.refused.values()) + sum(self.shed.values())
        return self.offered == settled + self.waiting + self.out


class ProcessStatistics(msgspec.Struct, frozen=True):
    """What this process costs."""

    cpu: float  # seconds, user and system
    memory: int  # resident bytes
    threads: int
    tasks: int


class WorkerStatistics(msgspec.Struct, frozen=True):
    """One of several processes that have one status; ``snapshot`` is the last that it gave, if it gave any."""

    number: int
    state: str  # starting | running | draining | missing
    pid: int  # 0 while there is none
    restarts: int
    snapshot: Snapshot | None


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that is known at one moment; ``time`` and ``started`` are seconds since the epoch.

    ``workers`` are the processes whose numbers it sums up, if there are several; then ``agent_id`` is empty, for each
    has its own.
    """

    version: str
    agent_id: str
    host: str
    time: float
    started: float
    state: str  # starting | running | draining
    process: ProcessStatistics
    readers: Mapping[str, ReaderStatistics]
    recorders: Mapping[str, DeliveryStatistics]
    workers: tuple[WorkerStatistics, ...] = ()
