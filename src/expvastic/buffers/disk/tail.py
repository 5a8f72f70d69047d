"""The newest records as they were put, so that reading just behind writing asks nothing of the disk."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...datatypes import Container

WEIGHT = 4 * 2**20  # bytes of containers


class Block(NamedTuple):
    """One put."""

    first: int
    containers: Sequence[Container]
    put_at: float
    weight: int


class Tail:
    """Numbers from ``first`` on, without a gap."""

    def __init__(self, limit: int = WEIGHT) -> None:
        self._limit = limit
        self._blocks: deque[Block] = deque()
        self._weight = 0

    @property
    def first(self) -> float:
        """The number of the oldest record; ``inf`` if there is none."""
        return self._blocks[0].first if self._blocks else float("inf")

    def add(self, first: int, containers: Sequence[Container], put_at: float) -> None:
        """A put; the oldest ones go when it grows too heavy."""
        weight = containers[0].weight if len(containers) == 1 else sum([each.weight for each in containers])
        self._blocks.append(_new(Block, (first, containers, put_at, weight)))
        self._weight += weight
        while self._weight > self._limit:
            self._weight -= self._blocks.popleft().weight

    def forget(self, number: float) -> None:
        """Nothing before that number will be asked for any more."""
        blocks = self._blocks
        while blocks and blocks[0].first + len(blocks[0].containers) <= number:
            self._weight -= blocks.popleft().weight

    def put_at(self, number: int) -> float:
        """When a record that is here was put."""
        return self._blocks[bisect_right(self._blocks, number, key=_first) - 1].put_at

    def read(self, first: int, end: int) -> Iterator[tuple[int, Container, float]]:
        """Number, container and time of the put of each record in a range; ``first`` must be here."""
        begin = bisect_right(self._blocks, first, key=_first) - 1
        for place in range(begin, len(self._blocks)):
            block = self._blocks[place]
            skipped = max(0, first - block.first)
            for number, container in enumerate(block.containers[skipped:], block.first + skipped):
                if number >= end:
                    return
                yield number, container, block.put_at

    def read_back(self, first: int, end: int) -> Iterator[tuple[int, Container, float]]:
        """The same from the newest to the oldest, as far as it is here; the last before ``end`` must be here."""
        place = bisect_right(self._blocks, end - 1, key=_first) - 1
        while place >= 0:
            block = self._blocks[place]
            for number in range(min(end, block.first + len(block.containers)) - 1, block.first - 1, -1):
                if number < first:
                    return
                yield number, block.containers[number - block.first], block.put_at
            place -= 1


def _first(block: Block) -> int:
    return block.first


_new = tuple.__new__
