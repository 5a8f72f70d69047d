"""The buffer in memory: lost with the process, limited in bytes.

Theory of operation: fresh records stand in a queue in the order of their arrival. Records that were given back stand
in groups, one for each time before which they are not to be tried, in the same order. The oldest record is the first
of the queue or of one of the groups. What is out is in neither, but its weight still counts.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec.structs

from ..buffer import MEMORY_BYTES, BatchSettings, Buffer, BufferSettings, Loss, Record
from ..datatypes import Container, Poll
from ..outcomes.ledger import Ledger

_LOSSES_TOLD = 10_000  # the newest; the ledger has counted all


class MemoryBuffer(Buffer):
    """Holds at most ``max_bytes``, of what is waiting and what is out."""

    def __init__(self, settings: BufferSettings, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._max_bytes = settings.max_bytes or MEMORY_BYTES
        self._max_age = math.inf if settings.max_age is None else settings.max_age
        self._shed_oldest = settings.when_full == "shed_oldest"
        self._fresh: deque[Record] = deque()
        self._fresh_bytes = 0  # of documents
        self._back: list[deque[Record]] = []
        self._back_count = 0
        self._out: set[Record] = set()
        self._weight = 0
        self._out_weight = 0
        self._next = 0
        self._losses: deque[Loss] = deque(maxlen=_LOSSES_TOLD)

    @property
    def waiting(self) -> int:
        return len(self._fresh) + self._back_count

    @property
    def out(self) -> int:
        return len(self._out)

    @property
    def weight(self) -> int:
        return self._weight

    def close(self, now: float) -> None:
        self.give_back([*self._out], now)
        self.clear("lost_at_exit")

    def put(self, poll: Poll, now: float) -> None:
        for container in poll.containers:
            if self._weight + container.weight <= self._max_bytes or self._make_room(container.weight):
                self._ledger.offer(container.reader, container.time)
                self._take_in(container, now)
            else:
                self.errors["full"] += 1
                self._lose(container, "full", was_stored=False)

    def due_in(self, limits: BatchSettings, now: float) -> float:
        due = min((group[0].not_before for group in self._back), default=math.inf) if self._back else math.inf
        if self._fresh:
            if len(self._fresh) >= limits.count or self._fresh_bytes >= limits.bytes:
                return 0.0
            due = min(due, self._fresh[0].put_at + limits.wait)
        return max(0.0, due - now)

    def take(self, limits: BatchSettings, now: float, *, newest: bool = False) -> list[Record]:
        if newest:
            return self._hand_out(self._take_newest(limits))
        if not self._back:
            return self._hand_out(self._take_fresh(limits))
        taken: list[Record] = []
        size = 0
        groups = [*sorted(self._due_groups(now), key=_age), self._fresh]
        count, most = limits.count, limits.bytes
        for group in groups:
            while group and len(taken) < count:
                size += len(group[0].container.document)
                if taken and size > most:
                    return self._hand_out(taken)
                taken.append(self._pop(group))
        return self._hand_out(taken)

    def settle(self, records: Iterable[Record]) -> None:
        records = [*records]
        gone = set(records)
        if len(gone) != len(records) or not gone <= self._out:
            raise KeyError("a record is not out")
        self._out -= gone
        weight = sum([record.container.weight for record in records])
        self._out_weight -= weight
        self._weight -= weight
        self.consumed += len(records)

    def give_back(self, records: Iterable[Record], not_before: float, *, in_doubt: bool = False) -> None:
        returned: list[Record] = []
        for record in records:
            self._out.remove(record)
            self._out_weight -= record.container.weight
            doubt = in_doubt or record.in_doubt
            returned.append(
                msgspec.structs.replace(record, tries=record.tries + 1, not_before=not_before, in_doubt=doubt)
            )
        if not returned:
            return
        self._back_count += len(returned)
        group = next((group for group in self._back if group[0].not_before == not_before), None)
        if group is None:
            self._back.append(deque(sorted(returned, key=_number)))
        else:
            returned += group
            group.clear()
            group.extend(sorted(returned, key=_number))

    def expire(self, now: float) -> None:
        if self._max_age == math.inf:
            return
        while (group := self._oldest_group()) and now - group[0].put_at > self._max_age:
            self._forget(self._pop(group), "expired")

    def clear(self, reason: str) -> None:
        waiting = sorted(itertools.chain(self._fresh, *self._back), key=_number)
        self._fresh.clear()
        self._fresh_bytes = self._back_count = 0
        self._back = []
        for record in waiting:
            self._forget(record, reason)

    def take_losses(self) -> Sequence[Loss]:
        if not self._losses:
            return ()
        losses = list(self._losses)
        self._losses.clear()
        return losses

    def _make_room(self, weight: int) -> bool:
        """Shed until there is room for so many bytes; false if there will be none."""
        while self._weight + weight > self._max_bytes:
            if not self._shed_oldest or not self.waiting or self._out_weight + weight > self._max_bytes:
                return False
            group = self._oldest_group()
            assert group is not None
            self.errors["full"] += 1
            self._forget(self._pop(group), "full")
        return True

    def _take_in(self, container: Container, now: float) -> None:
        self.enqueued += 1
        self._weight += container.weight
        self._fresh.append(Record(container, self._next, now))
        self._next += 1
        self._fresh_bytes += len(container.document)

    def _take_fresh(self, limits: BatchSettings) -> list[Record]:
        fresh = self._fresh
        taken = [*itertools.islice(fresh, limits.count)]
        sizes = [len(record.container.document) for record in taken]
        size = sum(sizes)
        while size > limits.bytes and len(taken) > 1:
            taken.pop()
            size -= sizes.pop()
        for _ in taken:
            fresh.popleft()
        self._fresh_bytes -= size
        return taken

    def _take_newest(self, limits: BatchSettings) -> list[Record]:
        taken: deque[Record] = deque()
        size = 0
        while self._fresh and len(taken) < limits.count:
            size += len(self._fresh[-1].container.document)
            if taken and size > limits.bytes:
                break
            taken.appendleft(self._fresh.pop())
            self._fresh_bytes -= len(taken[0].container.document)
        return list(taken)

    def _due_groups(self, now: float) -> list[deque[Record]]:
        return [group for group in self._back if group[0].not_before <= now]

    def _oldest_group(self) -> deque[Record] | None:
        groups = [*self._back, self._fresh] if self._fresh else self._back
        return min(groups, key=_age, default=None)

    def _pop(self, group: deque[Record]) -> Record:
        record = group.popleft()
        if group is self._fresh:
            self._fresh_bytes -= len(record.container.document)
        else:
            self._back_count -= 1
            if not group:
                self._back = [other for other in self._back if other is not group]
        return record

    def _hand_out(self, records: list[Record]) -> list[Record]:
        self._out.update(records)
        self._out_weight += sum([record.container.weight for record in records])
        return records

    def _forget(self, record: Record, reason: str) -> None:
        self._weight -= record.container.weight
        self._lose(record.container, reason, was_stored=True)

    def _lose(self, container: Container, reason: str, *, was_stored: bool) -> None:
        self._ledger.lose(container.reader, container.time, reason, was_stored=was_stored)
        self._losses.append(Loss(container.id, container.reader, container.time, reason))


def _age(group: deque[Record]) -> int:
    return group[0].number


def _number(record: Record) -> int:
    return record.number
