"""What waits, by number: the fresh, in order, and what was given back, by the time before which it is not tried."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """Records whose numbers follow one another, as long as the settled are left out; all are alike in the rest."""

    first: int
    end: int
    tries: int = 0
    in_doubt: bool = False


class Group:
    """Spans that may be tried from the same time on, in order."""

    def __init__(self, not_before: float) -> None:
        self.not_before = not_before
        self.spans: list[Span] = []

    @property
    def oldest(self) -> int:
        """The number of the oldest record."""
        return self.spans[0].first

    def add(self, span: Span, may_join: Callable[[int, int], bool]) -> None:
        """Put a span in its place; joined to its neighbours if nothing but settled records is between them."""
        spans = self.spans
        place = bisect_right(spans, span.first, key=_first)
        start, stop = place, place
        if place and spans[place - 1][2:] == span[2:] and may_join(spans[place - 1].end, span.first):
            start, span = place - 1, span._replace(first=spans[place - 1].first)
        if place < len(spans) and spans[place][2:] == span[2:] and may_join(span.end, spans[place].first):
            stop, span = place + 1, span._replace(end=spans[place].end)
        spans[start:stop] = [span]

    def advance(self, number: int) -> None:
        """The first span's records before that number are taken."""
        if number >= self.spans[0].end:
            del self.spans[0]
        else:
            self.spans[0] = self.spans[0]._replace(first=number)

    def cut(self, first: int, end: int) -> None:
        """Take a range out."""
        kept: list[Span] = []
        for span in self.spans:
            if end <= span.first or span.end <= first:
                kept.append(span)
                continue
            if span.first < first:
                kept.append(span._replace(end=first))
            if end < span.end:
                kept.append(span._replace(first=end))
        self.spans[:] = kept


class Line:
    """All that waits. Fresh is what this process has not handed out, and no other before it."""

    def __init__(self) -> None:
        self.fresh = Group(0.0)
        self.back: dict[float, Group] = {}
        self.was_cut = False
        """Whether some of it went without being handed out, since somebody last set this."""

    def append(self, first: int, end: int) -> None:
        """Fresh records, newer than all others."""
        spans = self.fresh.spans
        if spans and spans[-1].end == first:
            spans[-1] = _new(Span, (spans[-1].first, end, 0, False))
        else:
            spans.append(Span(first, end))

    def give_back(self, not_before: float, span: Span, may_join: Callable[[int, int], bool]) -> None:
        """Take records back in."""
        group = self.back.get(not_before)
        if group is None:
            group = self.back[not_before] = Group(not_before)
        group.add(span, may_join)

    def due(self, now: float) -> list[Group]:
        """What may be tried, in the order in which it is to be: the fresh last."""
        groups = sorted((group for group in self.back.values() if group.not_before <= now), key=_age)
        return [*groups, self.fresh] if self.fresh.spans else groups

    @property
    def oldest(self) -> float:
        """The number of the oldest record that waits; ``inf`` if none does."""
        return min((group.oldest for group in self.groups()), default=math.inf)

    def groups(self) -> list[Group]:
        """All that is not empty."""
        return [group for group in (*self.back.values(), self.fresh) if group.spans]

    def cut(self, first: int, end: int) -> None:
        """Nothing in a range waits any more."""
        for group in self.groups():
            group.cut(first, end)
        self.tidy()
        self.was_cut = True

    def tidy(self) -> None:
        """Forget groups that are empty."""
        for not_before in [time for time, group in self.back.items() if not group.spans]:
            del self.back[not_before]

    def tried(self) -> Iterator[Span]:
        """What was handed out before."""
        for group in self.back.values():
            yield from group.spans

    def cut_newest(self, first: int) -> None:
        """The last fresh span's records from that number on are taken."""
        spans = self.fresh.spans
        if first <= spans[-1].first:
            del spans[-1]
        else:
            spans[-1] = spans[-1]._replace(end=first)


def _first(span: Span) -> int:
    return span.first


_new = tuple.__new__


def _age(group: Group) -> int:
    return group.oldest
