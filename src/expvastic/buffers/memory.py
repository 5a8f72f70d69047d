"""The buffer in memory: lost with the process, limited in bytes.

Theory of operation: fresh records stand in a queue in the order of their arrival. Records that were given back stand
in groups, one for each time before which they are not to be tried, in the same order. The oldest record is the first
of the queue or of one of the groups. What is out is in neither, but its weight still counts.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import deque
from collections.abc import Iterable, Sequence

from ..buffer import BatchSettings, Buffer, BufferSettings, Record
from ..datatypes import Container


class MemoryBuffer(Buffer):
    """Holds at most ``max_bytes``, of what is waiting and what is out."""

    def __init__(self, settings: BufferSettings) -> None:
        self._max_bytes = settings.max_bytes
        self._max_age = math.inf if settings.max_age is None else settings.max_age
        self._shed_oldest = settings.when_full == "shed_oldest"
        self._fresh: deque[Record] = deque()
        self._fresh_bytes = 0  # of documents
        self._back: list[deque[Record]] = []
        self._back_count = 0
        self._out: set[Record] = set()
        self._weight = 0
        self._out_weight = 0
        self._numbers = itertools.count()

    @property
    def waiting(self) -> int:
        return len(self._fresh) + self._back_count

    @property
    def out(self) -> int:
        return len(self._out)

    @property
    def weight(self) -> int:
        return self._weight

    def put(self, container: Container, now: float) -> Sequence[Container]:
        weight = container.weight
        shed: list[Container] = []
        while self._weight + weight > self._max_bytes:
            if not self._shed_oldest or not self.waiting or self._out_weight + weight > self._max_bytes:
                return [*shed, container]
            shed.append(self._forget(self._pop_oldest()))
        self._weight += weight
        self._fresh.append(Record(container, next(self._numbers), now))
        self._fresh_bytes += len(container.document)
        return shed

    def due_in(self, limits: BatchSettings, now: float) -> float:
        due = min((group[0].not_before for group in self._back), default=math.inf)
        if self._fresh:
            if len(self._fresh) >= limits.count or self._fresh_bytes >= limits.bytes:
                return 0.0
            due = min(due, self._fresh[0].put_at + limits.wait)
        return max(0.0, due - now)

    def take(self, limits: BatchSettings, now: float) -> list[Record]:
        taken: list[Record] = []
        size = 0
        for group in [*sorted(self._due_groups(now), key=_age), self._fresh]:
            while group and len(taken) < limits.count:
                size += len(group[0].container.document)
                if taken and size > limits.bytes:
                    return self._hand_out(taken)
                taken.append(self._pop(group))
        return self._hand_out(taken)

    def settle(self, records: Iterable[Record]) -> None:
        for record in records:
            self._out.remove(record)
            self._out_weight -= record.container.weight
            self._forget(record)

    def give_back(self, records: Iterable[Record], not_before: float) -> None:
        returned: list[Record] = []
        for record in records:
            self._out.remove(record)
            self._out_weight -= record.container.weight
            returned.append(dataclasses.replace(record, tries=record.tries + 1, not_before=not_before))
        if not returned:
            return
        self._back_count += len(returned)
        group = next((group for group in self._back if group[0].not_before == not_before), None)
        if group is None:
            self._back.append(deque(returned))
        else:
            returned += group
            group.clear()
            group.extend(sorted(returned, key=_number))

    def expire(self, now: float) -> Sequence[Container]:
        expired: list[Container] = []
        if self._max_age == math.inf:
            return expired
        while (group := self._oldest_group()) and now - group[0].put_at > self._max_age:
            expired.append(self._forget(self._pop(group)))
        return expired

    def clear(self) -> Sequence[Container]:
        waiting = sorted(itertools.chain(self._fresh, *self._back), key=_number)
        self._fresh.clear()
        self._fresh_bytes = self._back_count = 0
        self._back = []
        return [self._forget(record) for record in waiting]

    def _due_groups(self, now: float) -> list[deque[Record]]:
        return [group for group in self._back if group[0].not_before <= now]

    def _oldest_group(self) -> deque[Record] | None:
        groups = [*self._back, self._fresh] if self._fresh else self._back
        return min(groups, key=_age, default=None)

    def _pop_oldest(self) -> Record:
        group = self._oldest_group()
        assert group is not None
        return self._pop(group)

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
        self._out_weight += sum(record.container.weight for record in records)
        return records

    def _forget(self, record: Record) -> Container:
        self._weight -= record.container.weight
        return record.container


def _age(group: deque[Record]) -> int:
    return group[0].number


def _number(record: Record) -> int:
    return record.number
