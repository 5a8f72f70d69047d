"""Ranges of numbers, against sets of numbers."""

from __future__ import annotations

import random

from expvastic.buffers.disk.ranges import Range, merged, runs, within, without


def numbers(ranges: list[Range]) -> list[int]:
    return [number for first, end in ranges for number in range(first, end)]


def draw_ranges(draw: random.Random) -> list[Range]:
    firsts = [draw.randrange(40) for _ in range(draw.randrange(6))]
    return [(first, first + draw.randrange(8)) for first in firsts]


def test_numbers_in_order_are_as_few_ranges_as_can_be() -> None:
    assert runs([]) == []
    assert runs([0]) == [(0, 1)]
    assert runs([0, 1, 2, 5, 7, 8]) == [(0, 3), (5, 6), (7, 9)]


def test_ranges_are_merged_cut_and_met_like_sets() -> None:
    draw = random.Random(5)
    for _ in range(2_000):
        one, other = merged(draw_ranges(draw)), merged(draw_ranges(draw))
        left, right = set(numbers(one)), set(numbers(other))

        assert numbers(merged([*one, *other])) == sorted(left | right)
        assert numbers(within(one, other)) == sorted(left & right)
        assert numbers(without(one, other)) == sorted(left - right)
