"""Reads records that wait: from memory what is new, the rest from the disk, and finds out what cannot be read."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator

from ...datatypes import Container
from .entries import Damage, make_stored
from .segments import MARK_EVERY, Segment
from .store import Store
from .tail import Tail

Waiting = tuple[int, Container, float]  # number, container, time of its put


class Reading:
    """``corrupt`` gathers the numbers of records that waited and cannot be read any more."""

    def __init__(self, store: Store, tail: Tail, errors: Counter[str]) -> None:
        self.corrupt: list[int] = []
        self.wall_offset = 0.0  # between wall clock and monotonic clock
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
        if not segment.gone_count:
            yield from self._tail.read(number, stop)
            return
        for item in self._tail.read(number, stop):
            if not segment.is_gone(item[0]):
                yield item

    def _from_disk(self, segment: Segment, number: int, stop: int) -> Iterator[Waiting]:
        expected, place, offset = number, -1, segment.offset_before(number)
        wall_offset, mark = self.wall_offset, offset
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
                if segment.gone_count and segment.is_gone(found):
                    continue
                yield found, container, wall * 1e-6 - wall_offset
        except OSError as error:
            self._errors["disk"] += 1
            if error.errno != errno.EIO:
                raise
        finally:
            if place >= 0:
                segment.stopped(expected - 1, place)
        self.corrupt += segment.unsettled(expected, stop)
