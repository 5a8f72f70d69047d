"""What is decided record by record: whether one more goes into a batch, and whether one is too old."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from ...buffer import BatchSettings, Record
from ...datatypes import Container
from ...outcomes.minutes import MINUTE
from .line import Span
from .reading import Waiting

_EXPIRED_AT_ONCE = 50_000  # records; the rest at the next time


class Batch:
    """Records within the limits, but one at least."""

    def __init__(self, limits: BatchSettings) -> None:
        self.records: list[Record] = []
        self.size = 0  # bytes of documents
        self.is_full = False
        self.is_blind = False
        """Whether the disk could not be asked for more."""
        self._limits = limits

    def fill(self, waiting: Iterable[Waiting], span: Span, not_before: float) -> int:
        """Add records of a span; returns the number of the first that was not looked at."""
        records, count, most = self.records, self._limits.count, self._limits.bytes
        _, _, tries, in_doubt = span
        number = span.first - 1
        try:
            for number, container, put_at in waiting:
                size = self.size + len(container.document)
                if size > most and records:
                    self.is_full = True
                    return number
                records.append(Record(container, number, put_at, tries, not_before, in_doubt))
                self.size = size
                if len(records) == count:
                    self.is_full = True
                    return number + 1
        except OSError:
            self.is_full = self.is_blind = True
            return number + 1
        return span.end

    def fill_back(self, waiting: Iterable[Waiting], first: int) -> int:
        """Add fresh records from the newest on, down to ``first``; returns the number of the last one added."""
        for number, container, put_at in waiting:
            size = self.size + len(container.document)
            if size > self._limits.bytes and self.records:
                self.is_full = True
                return number + 1
            self.records.append(Record(container, number, put_at))
            self.size = size
            if len(self.records) == self._limits.count:
                self.is_full = True
                return number
        return first


class Expiry:
    """Which records are too old at a time, asked in the order of their puts."""

    def __init__(self, now: float, max_age: float) -> None:
        self._now = now
        self._max_age = max_age
        self._left = _EXPIRED_AT_ONCE
        self._oldest_kept = math.inf

    @property
    def next(self) -> float:
        """When the next one will be too old."""
        return min(self._oldest_kept, self._now) + self._max_age

    def is_over(self, put_at: float) -> bool:
        """Whether a record is to go now; if not, no later one is asked for."""
        if self._now - put_at > self._max_age and self._left:
            self._left -= 1
            return True
        self._oldest_kept = min(self._oldest_kept, put_at)
        return False


def alike(containers: Sequence[Container]) -> Iterable[tuple[str, int, int]]:
    """Reader, minute (in microseconds) and count of containers that follow one another."""
    if len(containers) == 1:
        (container,) = containers
        return ((container.reader, container.time // MINUTE * MINUTE, 1),)
    return _runs_of(containers)


def _runs_of(containers: Sequence[Container]) -> Iterator[tuple[str, int, int]]:
    reader, minute, count = "", 0, 0
    for container in containers:
        if container.reader != reader or not minute <= container.time < minute + MINUTE:
            if count:
                yield reader, minute, count
            reader, minute, count = container.reader, container.time // MINUTE * MINUTE, 0
        count += 1
    if count:
        yield reader, minute, count
