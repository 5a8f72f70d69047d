"""The buffer on disk: what was put outlives the process.

Theory of operation: containers are appended to segments, one write for each put; ``Store`` writes and reads them.
What becomes of them is told in steps of a second file, together with the ledger's changes (``Commits``). In memory
are only the newest containers (``Tail``), what is out, and which numbers wait (``Line``): records are known by their
numbers, which rise without end, and found by reading on from the last place or from one of few marks. A segment's
file goes when all of it is settled, and when it is shed.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ...buffer import DISK_BYTES, BatchSettings, Buffer, BufferSettings, Loss, Record
from ...datatypes import Container, Poll
from ...outcomes.ledger import Ledger
from .batch import Batch, Expiry, alike
from .commits import Commits
from .departures import Departures
from .entries import encode_put
from .files import Files, SystemFiles
from .line import Line, Span
from .mending import Mending
from .opening import Opening
from .ranges import Range, runs
from .reading import Reading
from .room import Room
from .store import Store
from .tail import Tail

_SEGMENTS_AT_LEAST = 8
_BLIND = 1.0  # seconds without reading after the disk could not be asked


class DiskBuffer(Buffer):
    """Keeps records in a folder of its own, in at most ``max_bytes`` of files. To be opened before all else."""

    def __init__(
        self,
        settings: BufferSettings,
        ledger: Ledger,
        folder: Path,
        *,
        files: Files | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._wall = wall
        self._sync = settings.sync
        self._max_age = math.inf if settings.max_age is None else settings.max_age
        most, files = settings.max_bytes or DISK_BYTES, files or SystemFiles()
        self._store = Store(files, folder, self._sync, min(settings.segment_bytes, most // _SEGMENTS_AT_LEAST))
        self._commits = Commits(self._store, ledger, most, self.errors, self._tried)
        self._opening = Opening(files, folder)
        self._line, self._tail = Line(), Tail()
        self._reading = Reading(self._store, self._tail, self.errors)
        parts = (self._store, self._commits)
        self._departures = Departures(*parts, self._reading, ledger, self.errors, at_once=self._sync == "never")
        may_shed = settings.when_full == "shed_oldest"
        self._room = Room(*parts, self._departures, self._line, self.errors, max_bytes=most, may_shed=may_shed)
        self._mending = Mending(*parts, self._departures, self._room, self.errors)
        self._out: set[Record] = set()
        self._next = 0
        self._fresh_bytes: int | None = 0  # of documents, of what is in the tail; None if not known
        self._next_expiry = self._blind_until = -math.inf
        self._is_open = False

    @property
    def waiting(self) -> int:
        return self._store.segments.left - len(self._out)

    @property
    def out(self) -> int:
        return len(self._out)

    @property
    def weight(self) -> int:
        return self._store.folder.bytes

    @property
    def is_durable(self) -> bool:
        return True

    @property
    def last_polls(self) -> Mapping[str, tuple[int, bytes]]:
        return self._commits.polls

    def open(self, now: float) -> None:
        if self._is_open:
            return
        found = self._opening.open(self._ledger, self._store, self._commits, self._line)
        self._next = found.next
        self.errors.update(found.errors)
        self._departures.tell_corrupt(found.corrupt)
        self._reading.clock.begin(self._wall() - now)
        self._fresh_bytes = None
        self._is_open = True
        self._departures.tidy()

    def close(self, now: float) -> None:
        if not self._is_open:
            return
        self.give_back([*self._out], now, in_doubt=True)
        self._store.folder.give_up_job()
        self._departures.roll()
        self._departures.finish()  # should there be no room for more than a step
        self._commits.renew()
        if self._sync != "never":
            self._mending.sync_now()
        self._departures.tidy()
        self._commits.close()
        self._store.close()
        self._opening.close()
        self._is_open = False

    def put(self, poll: Poll, now: float) -> None:
        containers = poll.containers
        lost_for = ""
        if containers or poll.knowledge:
            wall = self._wall()
            self._reading.clock.note(self._next, wall - now)
            lost_for = self._write(len(containers), encode_put(poll, self._next, int(wall * 1e6)))
            if lost_for:
                self._departures.turn_away(containers, lost_for)
            elif containers:
                self._take_in(containers, now)
        self._commits.polled(poll)
        if lost_for:
            self._commits.tell_polls()
            self._departures.finish()
        elif self._sync == "always":
            self._mending.sync_put()

    def due_in(self, limits: BatchSettings, now: float) -> float:
        due = min((group.not_before for group in self._line.back.values()), default=math.inf)
        if self._line.fresh.spans:
            due = min(due, self._fresh_due_at(limits))
        return max(0.0, due - now, self._blind_until - now)

    def take(self, limits: BatchSettings, now: float, *, newest: bool = False) -> list[Record]:
        if now < self._blind_until:
            return []
        taken = self._take_newest(limits) if newest else []
        if not taken:
            taken = self._take_oldest(limits, now)
        self._departures.lose_corrupt()
        for first, end in runs(sorted([record.number for record in taken])):
            self._store.segments.mark_out(first, end)
            self._commits.step.taken.append((first, end))
        self._out.update(taken)
        self._departures.finish()
        return taken

    def settle(self, records: Iterable[Record]) -> None:
        for first, end in self._take_back(records):
            self._departures.settle(first, end)
            self.consumed += end - first
        self._departures.finish()
        if not self._out:
            self._tail.forget(self._line.oldest)

    def give_back(self, records: Iterable[Record], not_before: float, *, in_doubt: bool = False) -> None:
        alike: dict[tuple[int, bool], list[Record]] = defaultdict(list)
        for record in records:
            alike[record.tries + 1, in_doubt or record.in_doubt].append(record)
            self._next_expiry = min(self._next_expiry, record.put_at + self._max_age)
        for (tries, doubt), group in alike.items():
            for first, end in self._take_back(group):
                self._line.give_back(not_before, Span(first, end, tries, doubt), self._may_join)

    def expire(self, now: float) -> None:
        if self._max_age == math.inf or now < self._next_expiry:
            return
        expiry = Expiry(now, self._max_age)
        for group in self._line.groups():
            while group.spans:
                first, end = group.spans[0][:2]
                stop = self._departures.lose_range(first, end, "expired", as_long_as=expiry.is_over)
                if stop > first:
                    group.advance(stop)
                if stop < end:
                    break
        self._next_expiry = expiry.next
        self._fresh_bytes = None
        self._line.tidy()
        self._departures.finish()

    def clear(self, reason: str) -> None:
        for group in self._line.groups():
            for span in group.spans:
                self._departures.lose_range(span.first, span.end, reason)
            group.spans.clear()
        self._line.tidy()
        self._fresh_bytes = None
        self._departures.finish()

    def take_losses(self) -> Sequence[Loss]:
        return self._departures.take_losses()

    def begin_sync(self) -> Callable[[], None] | None:
        return self._mending.begin_sync() if self._sync != "never" and self._is_open else None

    def end_sync(self, error: OSError | None) -> None:
        if self._is_open:
            self._mending.end_sync(error)

    def _write(self, count: int, data: bytes) -> str:
        """Store a put; returns why that cannot be done, if so."""
        if self._store.is_due_to_roll:
            self._departures.roll()
        if not self._room.make(len(data)):
            return "full"
        try:
            self._store.append(self._next, count, data)
        except OSError:
            return "disk"
        self._next += count
        self._commits.next_number = self._next
        return ""

    def _take_in(self, containers: Sequence[Container], now: float) -> None:
        first = self._next - len(containers)
        self._line.append(first, self._next)
        self._tail.add(first, containers, now)
        self.enqueued += len(containers)
        if self._fresh_bytes is not None:
            self._fresh_bytes += sum([len(container.document) for container in containers])
        for reader, minute, count in alike(containers):
            self._ledger.offer(reader, minute, count)
            self._commits.offered(reader, minute, count)

    def _fresh_due_at(self, limits: BatchSettings) -> float:
        spans, in_memory = self._line.fresh.spans, self._tail.first
        if spans[0].first < in_memory:
            return -math.inf  # from an earlier process, or far behind
        if self._fresh_bytes is None or self._line.was_cut:
            self._line.was_cut = False
            self._fresh_bytes = sum(
                len(container.document) for span in spans for _, container, _ in self._tail.read(span.first, span.end)
            )
        if self._fresh_bytes >= limits.bytes or sum(span.end - span.first for span in spans) >= limits.count:
            return -math.inf
        return self._tail.put_at(spans[0].first) + limits.wait

    def _take_oldest(self, limits: BatchSettings, now: float) -> list[Record]:
        batch = Batch(limits)
        for group in self._line.due(now):
            before = batch.size
            while group.spans and not batch.is_full:
                span = group.spans[0]
                group.advance(batch.fill(self._reading.read(span.first, span.end), span, group.not_before))
            if group is self._line.fresh and self._fresh_bytes is not None:
                self._fresh_bytes -= batch.size - before
        self._line.tidy()
        if batch.is_blind and now < math.inf:
            self._blind_until = now + _BLIND
        return batch.records

    def _take_newest(self, limits: BatchSettings) -> list[Record]:
        batch, spans = Batch(limits), self._line.fresh.spans
        while spans and spans[-1].end > self._tail.first and not batch.is_full:
            first = int(max(spans[-1].first, self._tail.first))
            self._line.cut_newest(batch.fill_back(self._tail.read_back(first, spans[-1].end), first))
        if self._fresh_bytes is not None:
            self._fresh_bytes -= batch.size
        return batch.records[::-1]

    def _take_back(self, records: Iterable[Record]) -> list[Range]:
        """Let records that are out be out no longer; returns their numbers."""
        records = [*records]
        left = len(self._out) - len(records)
        self._out.difference_update(records)
        if len(self._out) != left:
            raise KeyError("a record is not out")
        found = runs(sorted([record.number for record in records]))
        for first, end in found:
            self._store.segments.mark_out(first, end, -1)
        return found

    def _may_join(self, first: int, end: int) -> bool:
        """Whether all between two spans is settled."""
        return first <= end and not self._store.segments.count(first, end, most=1)

    def _tried(self) -> Iterator[Span]:
        yield from self._line.tried()
        for first, end in runs(sorted([record.number for record in self._out])):
            yield Span(first, end, 1, in_doubt=True)
