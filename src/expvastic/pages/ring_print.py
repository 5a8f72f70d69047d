"""What is kept of Go's rings from one page to the next, so that most of them need not be read.

Theory of operation: between two polls a program collects seldom, so the text of its rings is what it was, or differs
in a place or two that are known beforehand: collections are written one place after the other. Of a text that was read
and found to be rings a checksum is kept, and two more, each of what must still be the same if one or two collections
have come. Then only the numbers in those places are new, and only they are read. A checksum is wrong about a changed
text once in 2^32 times, and is asked only after all counters have said that it is the same life.
"""

from __future__ import annotations

from typing import NamedTuple

from isal.isal_zlib import crc32

from .rings import RING, read_ring

BETWEEN = b'],"PauseEnd":['  # stands between durations and ends, as Go prints them
_LARGEST = 2**63 - 1
_DIGITS = 19  # of the largest
_NEVER = -1  # no checksum

Pauses = tuple[list[int], list[int]]
"""Durations and ends, oldest first."""


class RingPrint(NamedTuple):
    """Of a text of rings, both of them: checksum and length, and what stays when one or two collections come.

    ``start`` is where the duration of the next collection will stand. For one and for two collections there is a
    checksum of everything but their places, and the length of what lies between durations and ends.
    """

    whole: int
    length: int
    start: int
    but_one: int
    to_ends: int
    but_two: int
    to_later_ends: int

    def holds(self, text: bytes) -> bool:
        """Whether these are the same rings."""
        return len(text) == self.length and crc32(text) == self.whole

    def advance(self, text: bytes, new: int, collections: int) -> tuple[Pauses, RingPrint] | None:
        """The pauses of so many new collections and the next print; None if that takes reading the rings."""
        if new == 1:
            checksum, between = self.but_one, self.to_ends
        elif new == 2:
            checksum, between = self.but_two, self.to_later_ends
        else:
            return None
        start, stop = self.start, _after(text, self.start, new)
        ends = stop + between
        last = _after(text, ends, new)
        if checksum == _NEVER or not start < stop < ends < last or _checksum(text, start, stop, ends, last) != checksum:
            return None
        durations, later = _numbers(text[start:stop]), _numbers(text[ends:last])
        if len(durations) != new or len(later) != new:
            return None
        return (durations, later), _print(text, stop + 1, last + 1, collections % RING)


def read_rings(text: bytes, collections: int) -> tuple[list[int], list[int], RingPrint] | None:
    """Durations, ends and print of a text; None if it holds something else."""
    middle = text.find(BETWEEN)
    durations, ends = read_ring(text[: middle + 1]), read_ring(text[middle + len(BETWEEN) - 1 :])
    if not durations or not ends:
        return None
    place = collections % RING
    start, later = _start_of(place, text, 1), _start_of(place, text, middle + len(BETWEEN))
    return durations.numbers, ends.numbers, _print(text, start, later, place)


def _print(text: bytes, start: int, ends: int, place: int) -> RingPrint:
    """The print of rings whose next place is told: its number, and where it stands in either."""
    one, two = _without(text, start, ends, place, 1), _without(text, start, ends, place, 2)
    return RingPrint(crc32(text), len(text), start, *one, *two)


def _without(text: bytes, start: int, ends: int, place: int, new: int) -> tuple[int, int]:
    """The checksum of all but some places, and how far it is from the durations to the ends."""
    if place + new >= RING:
        return _NEVER, 0
    stop, last = _after(text, start, new), _after(text, ends, new)
    return _checksum(text, start, stop, ends, last), ends - stop


def _checksum(text: bytes, start: int, stop: int, ends: int, last: int) -> int:
    return crc32(text[last:], crc32(text[stop:ends], crc32(text[:start])))


def _after(text: bytes, start: int, count: int) -> int:
    """The place of the comma behind so many items."""
    for _ in range(count):
        start = text.find(b",", start) + 1
    return start - 1


def _start_of(place: int, text: bytes, start: int) -> int:
    for _ in range(place):
        start = text.find(b",", start) + 1
    return start


def _numbers(text: bytes) -> list[int]:
    """The whole numbers that a text lists; none if one of them is something else."""
    items = text.split(b",")
    if all(item.isdigit() and len(item) <= _DIGITS and (item[0] != 48 or len(item) == 1) for item in items):
        return [number for number in map(int, items) if number <= _LARGEST]
    return []
