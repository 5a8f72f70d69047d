"""The table of segments: which records each file holds, and what of them is settled."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from .entries import SEGMENT_HEADER

MARK_EVERY = 64 * 1024  # bytes
SUFFIX = ".segment"


class Segment:
    """One file's records: their numbers rise from ``first`` to before ``end``; bits of ``gone`` say what is settled."""

    __slots__ = (
        *("_cursor", "_mark_numbers", "_mark_offsets"),
        *("end", "file", "first", "gone", "gone_count", "out", "size"),
    )

    def __init__(self, file: int, first: int, end: int, size: int, gone: int = 0) -> None:
        self.file = file  # the number in its name
        self.first = first
        self.end = end
        self.size = size  # bytes that are valid
        self.gone = gone
        self.gone_count = gone.bit_count()
        self.out = 0  # records that are handed out
        self.move(file, size)

    @property
    def left(self) -> int:
        """Records that are not settled."""
        return self.end - self.first - self.gone_count

    def move(self, file: int, size: int) -> None:
        """The records are in another file now."""
        self.file, self.size = file, size
        self._mark_numbers, self._mark_offsets = array("Q"), array("Q")
        self._cursor = (self.first, SEGMENT_HEADER)

    def note(self, number: int, offset: int) -> None:
        """A record of that number begins at that offset."""
        if not self._mark_offsets or offset >= self._mark_offsets[-1] + MARK_EVERY:
            self._mark_numbers.append(number)
            self._mark_offsets.append(offset)

    def stopped(self, number: int, offset: int) -> None:
        """Reading has come to the record of that number."""
        self._cursor = (number, offset)

    def offset_before(self, number: int) -> int:
        """An offset from which the record of that number is not far."""
        at, offset = self._cursor
        if at > number:
            offset = SEGMENT_HEADER
        place = bisect_right(self._mark_numbers, number)
        return max(offset, self._mark_offsets[place - 1]) if place else offset

    def is_gone(self, number: int) -> bool:
        """Whether a record is settled."""
        return bool(self.gone >> (number - self.first) & 1)

    def gone_from(self, first: int, end: int) -> bytes:
        """Bits that say what of a range is settled, the first record's lowest; empty if nothing is."""
        gone = self.gone >> (first - self.first) & ((1 << (end - first)) - 1) if self.gone_count else 0
        return gone.to_bytes((end - first + 7) // 8, "little") if gone else b""

    def settle(self, first: int, end: int) -> None:
        """Records in a range are settled; those that are not of this segment are ignored."""
        first, end = max(first, self.first), min(end, self.end)
        if first < end:
            self.gone |= ((1 << (end - first)) - 1) << (first - self.first)
            self.gone_count = self.gone.bit_count()

    def count(self, first: int, end: int) -> int:
        """Records in a range that are not settled."""
        first, end = max(first, self.first), min(end, self.end)
        if first >= end:
            return 0
        if not self.gone_count:
            return end - first
        return end - first - (self.gone >> (first - self.first) & ((1 << (end - first)) - 1)).bit_count()

    def unsettled(self, first: int, end: int) -> Iterator[int]:
        """The numbers in a range that are not settled."""
        for number in range(max(first, self.first), min(end, self.end)):
            if not self.is_gone(number):
                yield number


class Segments:
    """All segments, in the order of their records."""

    def __init__(self) -> None:
        self.all: list[Segment] = []
        self.left = 0  # records that are not settled

    def add(self, segment: Segment) -> None:
        """A segment; in its place."""
        self.all.insert(bisect_right(self.all, segment.first, key=_first), segment)
        self.left += segment.left

    def remove(self, segment: Segment) -> None:
        """Forget a segment."""
        self.all.remove(segment)
        self.left -= segment.left

    def extend(self, segment: Segment, count: int, size: int) -> None:
        """So many records and bytes more."""
        segment.end += count
        segment.size += size
        self.left += count

    def at(self, number: int) -> Segment | None:
        """The segment with the first record from that number on that may not be settled."""
        place = max(0, bisect_right(self.all, number, key=_first) - 1)
        while place < len(self.all) and self.all[place].end <= number:
            place += 1
        return self.all[place] if place < len(self.all) else None

    def over(self, first: int, end: int) -> Iterator[Segment]:
        """The segments with records of a range."""
        place = max(0, bisect_right(self.all, first, key=_first) - 1)
        while place < len(self.all) and (segment := self.all[place]).first < end:
            if segment.end > first:
                yield segment
            place += 1

    def count(self, first: int, end: int, most: float = math.inf) -> int:
        """Records in a range that are not settled; those beyond ``most`` may be left out."""
        found = 0
        for segment in self.over(first, end):
            found += segment.count(first, end)
            if found >= most:
                break
        return found

    def mark_out(self, first: int, end: int, sign: int = 1) -> None:
        """Records in a range are handed out, or with -1 no longer."""
        for segment in self.over(first, end):
            segment.out += sign * (min(end, segment.end) - max(first, segment.first))

    def settle(self, first: int, end: int) -> list[Segment]:
        """Records in a range are settled; returns the segments that they are in."""
        found = [*self.over(first, end)]
        for segment in found:
            self.left -= segment.left
            segment.settle(first, end)
            self.left += segment.left
        return found


def segment_path(folder: Path, file: int) -> Path:
    """Where a segment is."""
    return folder / f"{file:010d}{SUFFIX}"


def _first(segment: Segment) -> int:
    return segment.first
