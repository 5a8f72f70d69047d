"""Counts by reader and minute of ``@timestamp``, for a day, in little memory.

Theory of operation: an hour of one reader is one array of 60 rows. Hours that are not written to any more are kept
compressed, for they repeat themselves. Sums over all readers are kept as one more reader, without a name.
"""

from __future__ import annotations

import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

MINUTE = 60_000_000  # microseconds
ALL = ""  # the reader that stands for all
HOURS = 24
_ROWS = 60
_AHEAD = 60  # minutes; a page can claim any time, and gets no room for those beyond
_FRESH = 2  # hours that are kept as arrays


class Row(NamedTuple):
    """One minute's counts. ``elsewhere`` is the part of ``recorded`` that is not among this process's documents."""

    offered: int = 0
    recorded: int = 0
    refused: int = 0
    shed: int = 0
    elsewhere: int = 0


_WIDTH = len(Row._fields)
COLUMNS: Mapping[str, int] = {name: place for place, name in enumerate(Row._fields)}


class Minutes:
    """The last day's rows. Minutes are numbered from the epoch; those outside of the day are not kept."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._hours: dict[str, dict[int, array[int] | bytes]] = {}
        self._newest = 0  # the hour in which the window was last moved
        self._oldest_minute = 0
        self._last_minute = -1

    def add(self, column: str, reader: str, minute: int, count: int = 1) -> None:
        """Count in one column of a reader's minute."""
        if not self._oldest_minute <= minute <= self._last_minute:
            self._move_window()
            if not self._oldest_minute <= minute <= self._last_minute:
                return
        place = minute % _ROWS * _WIDTH + COLUMNS[column]
        self._hour(reader, minute // _ROWS)[place] += count
        self._hour(ALL, minute // _ROWS)[place] += count

    def row(self, minute: int, reader: str = ALL) -> Row:
        """The counts of a minute."""
        hour = _as_array(self._hours.get(reader, {}).get(minute // _ROWS, b""))
        start = minute % _ROWS * _WIDTH
        return Row(*hour[start : start + _WIDTH]) if hour else Row()

    def rows(self, reader: str = ALL) -> Iterator[tuple[int, Row]]:
        """Every minute in which anything was counted, in order."""
        for hour in sorted(self._hours.get(reader, {})):
            for minute in range(hour * _ROWS, (hour + 1) * _ROWS):
                if any(row := self.row(minute, reader)):
                    yield minute, row

    def latest(self, count: int) -> dict[int, Row]:
        """The rows of so many minutes, up to now, in which anything was counted."""
        now = int(self._wall() // 60)
        return {minute: row for minute in range(now - count + 1, now + 1) if any(row := self.row(minute))}

    def dump(self) -> dict[str, dict[int, bytes]]:
        """All rows, in a form that ``restore`` takes."""
        return {
            reader: {hour: _pack(rows) for hour, rows in hours.items()}
            for reader, hours in self._hours.items()
            if reader != ALL
        }

    def restore(self, dump: Mapping[str, Mapping[int, bytes]]) -> None:
        """Take the rows of a dump for one's own, as far as they are of the last day. Raises ValueError."""
        self._hours.clear()
        self._move_window()
        for reader, hours in dump.items():
            for hour, packed in hours.items():
                if hour * _ROWS >= self._oldest_minute - _ROWS and len(rows := _as_array(packed)) == _ROWS * _WIDTH:
                    self._hours.setdefault(reader, {})[hour] = packed
                    everyone = self._hour(ALL, hour)
                    everyone[:] = array("I", map(int.__add__, everyone, rows))

    def _hour(self, reader: str, hour: int) -> array[int]:
        hours = self._hours.get(reader)
        if hours is None:
            hours = self._hours[reader] = {}
        rows = hours.get(hour)
        if not isinstance(rows, array):
            rows = hours[hour] = _as_array(rows or b"") or array("I", bytes(4 * _ROWS * _WIDTH))
        return rows

    def _move_window(self) -> None:
        minute = int(self._wall() // 60)
        self._oldest_minute, self._last_minute = minute - HOURS * 60 + 1, minute + _AHEAD
        if minute // _ROWS == self._newest:
            return
        self._newest = minute // _ROWS
        for reader, hours in [*self._hours.items()]:
            kept = _tidied(hours.items(), self._newest)
            if kept:
                self._hours[reader] = kept
            else:
                del self._hours[reader]


def _tidied(hours: Iterable[tuple[int, array[int] | bytes]], newest: int) -> dict[int, array[int] | bytes]:
    return {hour: _pack(rows) if hour <= newest - _FRESH else rows for hour, rows in hours if hour >= newest - HOURS}


def _pack(rows: array[int] | bytes) -> bytes:
    return zlib.compress(rows.tobytes(), 1) if isinstance(rows, array) else rows


def _as_array(rows: array[int] | bytes) -> array[int]:
    if isinstance(rows, array):
        return rows
    found = array("I")
    if rows:
        try:
            found.frombytes(zlib.decompress(rows))
        except zlib.error as error:
            raise ValueError(f"no rows: {error}") from error
    return found
