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
_ZERO = ord("0")

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
        start = self.start
        stop = _after(text, start, new)
        ends = stop + between
        last = _after(text, ends, new)
        if checksum == _NEVER or not start < stop < ends < last:
            return None
        if crc32(text[last:], crc32(text[stop:ends], crc32(text[:start]))) != checksum:
            return None
        durations, later = _numbers(text[start:stop]), _numbers(text[ends:last])
        if len(durations) != new or len(later) != new:
            return None
        return (durations, later), _print(text, stop + 1, last + 1, collections % RING)


def read_rings(text: bytes, collections: int) -> tuple[list[int], list[int], RingPrint] | None:
    """Durations, ends and print of a text; None if it holds something else."""
    middle = text.find(BETWEEN)
    durations, ends = text[: middle + 1], text[middle + len(BETWEEN) - 1 :]
    read, read_ends = read_ring(durations), read_ring(ends)
    if not read or not read_ends:
        return None
    place = collections % RING
    later = len(text) - len(ends) + _start_of(place, ends)
    return read.numbers, read_ends.numbers, _print(text, _start_of(place, durations), later, place)


def _print(text: bytes, start: int, ends: int, place: int) -> RingPrint:
    """The print of rings whose next place is told: its number, and where it stands in either."""
    head = crc32(text[:start])
    one = two = _NEVER
    stop, last = text.find(b",", start), text.find(b",", ends)
    second, later = text.find(b",", stop + 1), text.find(b",", last + 1)
    if place < RING - 1:
        one = crc32(text[last:], crc32(text[stop:ends], head))
    if place < RING - 2:
        two = crc32(text[later:], crc32(text[second:ends], head))
    return RingPrint(crc32(text), len(text), start, one, ends - stop, two, ends - second)


def _after(text: bytes, start: int, count: int) -> int:
    """The place of the comma behind so many items."""
    place = text.find(b",", start)
    return place if count == 1 else text.find(b",", place + 1)


def _start_of(place: int, ring: bytes) -> int:
    """Where the item of that place begins."""
    return len(ring) - len(ring.split(b",", place)[-1]) if place else 1


def _numbers(text: bytes) -> list[int]:
    """The whole numbers that a text lists; none if one of them is something else."""
    numbers: list[int] = []
    for item in text.split(b","):
        if not item.isdigit() or len(item) > _DIGITS or (item[0] == _ZERO and len(item) > 1):
            return []
        if (number := int(item)) > _LARGEST:
            return []
        numbers.append(number)
    return numbers
