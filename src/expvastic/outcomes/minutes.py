"""Counts by reader and minute of ``@timestamp``, for a day, in little memory.

Theory of operation: a minute that is counted in is open: a table for each column. When much is open, what was opened
first is packed, the counts of all readers together, which is small, for they are much alike. So there is little to
pack when all is to be dumped. Sums over all readers are kept beside; asked for, they are one more reader, without a
name.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from .packing import Columns, Hour, PackedHour

MINUTE = 60_000_000  # microseconds
ALL = ""  # the reader that stands for all
HOURS = 24
_ROWS = 60
_AHEAD = 60  # minutes; a page can claim any time, and gets no room for those beyond
_OPEN_AT_LEAST = 4  # minutes, however many readers
_OPEN_COUNTS = 20_000  # that are open otherwise
_EMPTY_MINUTE = 30  # counts that take the room of one without any


class Row(NamedTuple):
    """One minute's counts. ``elsewhere`` is the part of ``recorded`` that is not among this process's documents."""

    offered: int = 0
    recorded: int = 0
    refused: int = 0
    shed: int = 0
    elsewhere: int = 0


COLUMNS: Mapping[str, int] = {name: place for place, name in enumerate(Row._fields)}


class Minutes:
    """The last day's rows. Minutes are numbered from the epoch; those outside of the day are not kept."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._open: dict[int, Columns] = {}
        self._hours: dict[int, Hour] = {}
        self._newest = 0  # the hour in which the window was last moved
        self._oldest_minute = 0
        self._last_minute = -1

    def add(self, column: str, reader: str, minute: int, count: int = 1) -> None:
        """Count in one column of a reader's minute."""
        columns = self._open.get(minute) or self._opened(minute)
        if columns:
            counts = columns[COLUMNS[column]]
            counts[reader] = counts.get(reader, 0) + count

    def add_all(self, column: str, minute: int, readers: Iterable[str]) -> None:
        """Count once for each of these, of whom one may be among them several times."""
        if columns := self._open.get(minute) or self._opened(minute):
            columns[COLUMNS[column]].update(readers)

    def row(self, minute: int, reader: str = ALL) -> Row:
        """The counts of a minute."""
        columns = self._open.get(minute)
        if columns is None and (hour := self._hours.get(minute // _ROWS)):
            if reader == ALL:
                return Row(*hour.sums(minute))
            columns = hour.get(minute)
        return Row(*(counts.total() if reader == ALL else counts[reader] for counts in columns or ()))

    def rows(self, reader: str = ALL) -> Iterator[tuple[int, Row]]:
        """Every minute in which anything was counted, in order."""
        packed = (minute for hour in self._hours.values() for minute in hour.minutes)
        for minute in sorted({*self._open, *packed}):
            if any(row := self.row(minute, reader)):
                yield minute, row

    def latest(self, count: int) -> dict[int, Row]:
        """The rows of so many minutes, up to now, in which anything was counted."""
        now = int(self._wall() // 60)
        return {minute: row for minute in range(now - count + 1, now + 1) if any(row := self.row(minute))}

    def dump(self) -> dict[int, PackedHour]:
        """All rows, in a form that ``restore`` takes; to be encoded before anything else is counted."""
        for minute, columns in self._open.items():
            self._hour(minute).put(minute, columns)
        return {number: hour.dump() for number, hour in self._hours.items()}

    def restore(self, dump: Mapping[int, PackedHour]) -> None:
        """Take the rows of a dump for one's own, as far as they are of the last day."""
        self._open.clear()
        self._hours = {number: Hour(hour) for number, hour in dump.items()}
        self._newest = 0
        self._move_window()

    def _opened(self, minute: int) -> Columns | None:
        """The tables of a minute that was not open; none if it is not of the day that ends now."""
        if not self._oldest_minute <= minute <= self._last_minute:
            self._move_window()
            if not self._oldest_minute <= minute <= self._last_minute:
                return None
        self._pack_first()
        hour = self._hours.get(minute // _ROWS)
        columns = self._open[minute] = (hour and hour.get(minute)) or [Counter() for _ in COLUMNS]
        return columns

    def _pack_first(self) -> None:
        """Make room for one more that is open."""
        room = _OPEN_COUNTS - sum(sum(map(len, columns)) + _EMPTY_MINUTE for columns in self._open.values())
        while room < 0 and len(self._open) >= _OPEN_AT_LEAST:
            minute = next(iter(self._open))
            columns = self._open.pop(minute)
            room += sum(map(len, columns)) + _EMPTY_MINUTE
            self._hour(minute).put(minute, columns)

    def _hour(self, minute: int) -> Hour:
        hour = self._hours.get(minute // _ROWS)
        if hour is None:
            hour = self._hours[minute // _ROWS] = Hour()
        return hour

    def _move_window(self) -> None:
        minute = int(self._wall() // 60)
        self._oldest_minute, self._last_minute = minute - HOURS * 60 + 1, minute + _AHEAD
        if minute // _ROWS == self._newest:
            return
        self._newest = minute // _ROWS
        oldest = self._newest - HOURS
        self._open = {minute: columns for minute, columns in self._open.items() if minute // _ROWS >= oldest}
        self._hours = {number: hour for number, hour in self._hours.items() if number >= oldest}
        for number, hour in self._hours.items():
            if number < self._newest - 1:
                hour.pack()
