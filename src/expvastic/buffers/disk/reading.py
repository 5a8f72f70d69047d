"""Reads records that wait: from memory what is new, the rest from the disk, and finds out what cannot be read."""

from __future__ import annotations

import errno
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from ...datatypes import Container
from .entries import Damage, make_stored
from .segments import MARK_EVERY, Segment
from .store import Store
from .tail import Tail

_SET = 1.0  # seconds by which the wall clock must have been set
_TIMES_SET = 1_000  # that are told apart

Waiting = tuple[int, Container, float]  # number, container, time of its put


class Clock:
    """Between wall clock and monotonic clock, for the wall clock may be set while records wait."""

    def __init__(self) -> None:
        self._numbers = [0]
        self._offsets = [0.0]

    def begin(self, offset: float) -> None:
        """What an earlier process put is as old as the wall clock says now."""
        self._offsets[0] = offset

    def note(self, number: int, offset: float) -> None:
        """The record of that number is put at such an offset."""
        if abs(offset - self._offsets[-1]) > _SET:
            self._numbers.append(number)
            self._offsets.append(offset)
            if len(self._numbers) > _TIMES_SET:
                del self._numbers[1], self._offsets[1]

    def at(self, number: int) -> tuple[float, float]:
        """The offset when a record was put, and the number of the first one with another."""
        place = bisect_right(self._numbers, number)
        return self._offsets[place - 1], self._numbers[place] if place < len(self._numbers) else math.inf


class Reading:
    """``corrupt`` gathers the numbers of records that waited and cannot be read any more."""

    def __init__(self, store: Store, tail: Tail, errors: Counter[str]) -> None:
        self.corrupt: list[int] = []
        self.clock = Clock()
        self._store = store
        self._tail = tail
        self._errors = errors

    def read(self, first: int, end: int) -> Iterator[Waiting]:
        """What is not settled of a range, in order. Raises OSError if the disk cannot be asked for it now."""
        number = first
        while number < end:
            segment = self._store.segments.at(number)
            if segment is None or segment.first >= end:
                return
            number, stop = max(number, segment.first), min(end, segment.end)
            if number >= self._tail.first:
                yield from self._from_tail(segment, number, stop)
            else:
                stop = int(min(stop, self._tail.first))
                yield from self._from_disk(segment, number, stop)
            number = stop

    def _from_tail(self, segment: Segment, number: int, stop: int) -> Iterator[Waiting]:
        gone = segment.gone_from(number, stop)
        if not gone:
            yield from self._tail.read(number, stop)
            return
        for place, item in enumerate(self._tail.read(number, stop)):
            if not gone[place >> 3] >> (place & 7) & 1:
                yield item

    def _from_disk(self, segment: Segment, number: int, stop: int) -> Iterator[Waiting]:
        expected, place, offset = number, -1, segment.offset_before(number)
        mark, gone = offset, segment.gone_from(number, stop)
        wall_offset, changes_at = self.clock.at(number)
        try:
            for item in self._store.walk(make_stored, segment, offset):
                if item is None or isinstance(item, Damage) or (found := item[0]) < number:
                    continue
                if found >= stop:
                    break
                if found != expected:
                    self.corrupt += segment.unsettled(expected, found)
                _, container, wall, place = item
                expected = found + 1
                if place >= mark:
                    segment.note(found, place)
                    mark = place + MARK_EVERY
                if gone and gone[(found - number) >> 3] >> ((found - number) & 7) & 1:
                    continue
                if found >= changes_at:
                    wall_offset, changes_at = self.clock.at(found)
                yield found, container, wall * 1e-6 - wall_offset
        except OSError as error:
            self._errors["disk"] += 1
            if error.errno != errno.EIO:
                raise
        finally:
            if place >= 0:
                segment.stopped(expected - 1, place)
        self.corrupt += segment.unsettled(expected, stop)
