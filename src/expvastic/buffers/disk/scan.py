"""Finds out which records a segment holds behind an offset: whole puts, without what is damaged or cut short."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ...outcomes.minutes import MINUTE
from .entries import HEADER, Damage, Entry, Walk, make_entry
from .files import Files
from .ranges import Range, runs
from .segments import Segment


class Scan:
    """Of one segment, whose ``end`` and ``size`` are set to what was found. Raises OSError."""

    def __init__(
        self, files: Files, path: Path, segment: Segment, *, is_first_known: bool = True, is_rewritten: bool = False
    ) -> None:
        self._files = files
        self._path = path
        self._segment = segment
        self._is_first_known = is_first_known
        self._is_rewritten = is_rewritten
        self._put: list[Entry] = []  # its last entry was not seen yet
        self._is_damaged = False  # behind the last entry that was seen
        self.offers: Counter[tuple[str, int]] = Counter()  # by reader and minute, in microseconds
        self.polls: dict[str, tuple[int, bytes]] = {}
        self.missing: list[Range] = []
        self.damages = 0
        self.torn = 0

    def run(self, offset: int, size: int) -> None:
        """Look through the file from an offset; the records before it are known."""
        segment = self._segment
        segment.size = max(offset, segment.size)
        file = self._files.open(self._path)
        try:
            walk = Walk(make_entry, lambda count, at: self._files.read(file, count, at), offset, size)
            for item in walk:
                self._see(item)
        finally:
            self._files.close(file)
        self._end(walk.torn_at, size)

    def rerun(self, offset: int, size: int) -> None:
        """Look through all of a file of which the disk has lost the end."""
        segment = self._segment
        segment.end, segment.size = segment.first, 0
        self.run(offset, size)
        segment.gone &= (1 << (segment.end - segment.first)) - 1
        segment.gone_count = segment.gone.bit_count()

    def _see(self, item: Entry | Damage) -> None:
        if isinstance(item, Damage):
            self._is_damaged = True
            self.damages += 1
            return
        if self._put and item.put_end != self._put[-1].put_end:  # the last entry of that put is damaged
            self._accept(self._put)
        self._is_damaged = False
        self._put.append(item)
        if not item.follow:
            self._accept(self._put)

    def _accept(self, put: list[Entry]) -> None:
        for entry in put:
            self._reach(entry.number)
            if entry.is_poll:
                if entry.time:
                    self.polls[entry.name()[1]] = (entry.time, entry.knowledge())
            elif entry.number == self._segment.end:
                self._segment.end += 1
                self._segment.note(entry.number, entry.offset)
                self.offers[entry.name()[1], entry.time // MINUTE * MINUTE] += 1
        self._segment.size = put[-1].offset + HEADER + len(put[-1].body)
        self._put = []

    def _reach(self, number: int) -> None:
        """The records before that number are past; what was not seen of them is lost."""
        segment = self._segment
        if number <= segment.end:
            return
        if not self._is_first_known and segment.end == segment.first:
            segment.first = segment.end = number
            return
        gap = (segment.end, number)
        segment.end = number
        if not self._is_rewritten:
            self.missing += runs([*segment.unsettled(*gap)])
        segment.settle(*gap)

    def _end(self, torn_at: int | None, size: int) -> None:
        if torn_at is None and (self._is_damaged or not self._put):
            if put := self._put:
                self._accept(put)
                self._reach(self._segment.end + put[-1].follow - 1)  # the last is the poll's
            self._segment.size = size
        else:
            self.torn += 1  # its put was not written to its end: it does not count
