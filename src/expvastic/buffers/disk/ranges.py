"""Ranges of numbers, each from its first to before its end: made, merged, cut. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

Range = tuple[int, int]


def runs(numbers: Sequence[int]) -> list[Range]:
    """Rising numbers as ranges."""
    if numbers and numbers[-1] - numbers[0] == len(numbers) - 1:
        return [(numbers[0], numbers[-1] + 1)]
    found: list[Range] = []
    first = end = -1
    for number in numbers:
        if number != end:
            if end >= 0:
                found.append((first, end))
            first = number
        end = number + 1
    if end >= 0:
        found.append((first, end))
    return found


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers in as few ranges as can be, in order."""
    found: list[Range] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif first < end:
            found.append((first, end))
    return found


def within(ranges: Sequence[Range], bounds: Sequence[Range]) -> list[Range]:
    """What of some ranges lies in others; both merged."""
    found: list[Range] = []
    place = 0
    for first, end in ranges:
        while place < len(bounds) and bounds[place][1] <= first:
            place += 1
        for low, high in _from(bounds, place, end):
            found.append((max(first, low), min(end, high)))
    return found


def without(ranges: Sequence[Range], cuts: Sequence[Range]) -> list[Range]:
    """What of some ranges does not lie in others; both merged."""
    found: list[Range] = []
    place = 0
    for start, end in ranges:
        first = start
        while place < len(cuts) and cuts[place][1] <= first:
            place += 1
        for low, high in _from(cuts, place, end):
            if first < low:
                found.append((first, low))
            first = high
        if first < end:
            found.append((first, end))
    return found


def _from(bounds: Sequence[Range], place: int, end: int) -> Iterator[Range]:
    while place < len(bounds) and bounds[place][0] < end:
        yield bounds[place]
        place += 1
