"""Which moulds one reader's pages fit: found among all readers', or made of a page whose like was seen before.

Theory of operation: a reader tries its few moulds on each page, the one that took the last page first. A page that none
takes goes another way, and has its names then; a mould that another reader with the same rules has made for pages of
these names is tried from the next page on. If there is none, or it refused the page because of its values, one is made,
of the second page of these names; a reader's first pages count as seen where another has seen their like. Making one
takes time, so it is done ever more seldom. Pages of ever other names are not seen twice, and a reader whose moulds have
long taken nothing has none until names come again.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from typing import Any

import msgspec

from .golang import NO_PAUSES, Runtime
from .mould import REFUSAL, Mould
from .moulding import Rules, make_mould
from .ring_print import Pauses
from .sightings import Sightings
from .strict import Content
from .tally import Form

_VALUES_KEPT = 20_000  # of all moulds of the process: each takes about a kilobyte
_MOULDS_KEPT = 4  # of one reader
_SEEN_KEPT = 16
_FIRST = 2  # pages of a reader: what others have seen helps with these
_MISSES = 8  # pages in a row that no mould took
_MOST_BETWEEN = 1_024  # pages between two moulds that are made
_encode = msgspec.json.Encoder().encode

Taken = tuple[bytes, Form, Pauses]
"""The encoded values of a page, their form, and the new pauses among them."""

_sightings = Sightings()
_all: weakref.WeakValueDictionary[tuple[Rules, tuple[str, ...]], Mould] = weakref.WeakValueDictionary()


class KnownMoulds:
    """The moulds of one reader's pages; ``runtime`` is what is known of its target's life, if it has Go's."""

    __slots__ = (
        "_is_other_life",
        "_made_at",
        "_misses",
        "_moulds",
        "_others",
        "_rules",
        "_runtime",
        "_seen",
        "_wait",
        "taken",
    )

    def __init__(self, rules: Rules, runtime: Runtime | None) -> None:
        self._rules = rules
        self._runtime = runtime
        self._moulds: tuple[Mould, ...] = ()
        self._is_other_life = False
        self._misses = 0
        self._seen: tuple[int, ...] = ()
        self._wait = 0  # pages between two moulds that are made
        self._made_at = 0  # so many pages had been when the last one was
        self._others = 0
        self.taken = 0
        """Pages that a mould took."""

    def take(self, body: bytes) -> Taken | None:
        """What a page becomes that a mould takes; of others nothing is remembered."""
        for mould in self._moulds:
            excerpt = mould.excerpt(body)
            if excerpt is None:
                continue
            text, rings = excerpt
            try:
                page = mould.decode(text)
            except REFUSAL:
                continue
            pauses = NO_PAUSES
            if rings and self._runtime:
                counters, cmdline = mould.facts(page)
                going_on = self._runtime.go_on(counters, cmdline, rings, self._rules.limits[3])
                if going_on is None:
                    self._is_other_life = True
                    return None
                pauses = going_on
            if self._misses or mould is not self._moulds[0]:
                self._prefer(mould)
            self.taken += 1
            members, form = mould.tell(page, pauses)
            return members, form, pauses
        return None

    def learn(self, content: Content, names: tuple[str, ...], values: Sequence[Any], kinds: bytes) -> bool:
        """Look at a strict page that went another way, and became these values; whether a mould might take the next."""
        if self._is_other_life:  # which has nothing to do with its shape
            self._is_other_life = False
            return False
        self._misses += 1
        self._others += 1
        if self._runtime:
            names, values, kinds = _without_news(self._rules.gc_names, names, values, kinds)
        was_seen = hash(names) in self._seen
        if not was_seen:
            self._seen = (hash(names), *self._seen)[:_SEEN_KEPT]
            was_seen = self._others <= _FIRST and _sightings.see((self._rules, hash(names)))
        if self._misses > _MISSES:
            self._moulds = ()
            if not was_seen:
                return False
        known = _all.get((self._rules, names))
        if known is None or known in self._moulds:
            known = self._make(content, (names, values, kinds), known) if was_seen else None
        if known is None:
            return False
        others = (mould for mould in self._moulds if (mould.names, mould.left_out) != (names, known.left_out))
        self._moulds = (known, *others)[:_MOULDS_KEPT]
        return True

    def _prefer(self, mould: Mould) -> None:
        self._misses = 0
        self._moulds = (mould, *(other for other in self._moulds if other is not mould))

    def _make(self, content: Content, made: _Made, before: Mould | None) -> Mould | None:
        """A mould for all readers, if it is time."""
        pages = self.taken + self._others - self._made_at
        if pages <= self._wait:
            return None
        self._wait = 1 if pages > 2 * _MOST_BETWEEN else min(max(2 * self._wait, 1), _MOST_BETWEEN)
        self._made_at += pages
        if sum(len(mould.names) for mould in _all.values()) + len(made[0]) > _VALUES_KEPT:
            return None
        mould = make_mould(content, self._rules, before)
        if mould is None or mould is before or not _agrees(mould, content, made):
            return None
        _all[self._rules, made[0]] = mould
        return mould


_Made = tuple[tuple[str, ...], Sequence[Any], bytes]  # what a page became the other way: names, values, kinds


def _agrees(mould: Mould, content: Content, made: _Made) -> bool:
    """Whether both ways lead to the same; else the page has something that no mould can tell."""
    names, values, kinds = made
    excerpt = mould.excerpt(content.body)
    if excerpt is None or mould.names != names:
        return False
    try:
        members, form = mould.tell(mould.decode(excerpt[0]), NO_PAUSES)
    except REFUSAL:
        return False
    return (members, form.kinds) == (_encode(dict(zip(names, values, strict=True))), kinds)


def _without_news(gc_names: tuple[str, ...], names: tuple[str, ...], values: Sequence[Any], kinds: bytes) -> _Made:
    """The same without what pages of Go's have only now and then."""
    news = _news(gc_names)
    if news.isdisjoint(names):
        return names, values, kinds
    places = [place for place, name in enumerate(names) if name not in news]
    return (
        tuple(names[place] for place in places),
        [values[place] for place in places],
        bytes(map(kinds.__getitem__, places)),
    )


@functools.lru_cache(maxsize=64)
def _news(gc_names: tuple[str, ...]) -> frozenset[str]:
    above = gc_names[0].removesuffix("PauseNs")
    return frozenset(above + name for name in ("PauseNs", "PauseEnd", "PausesBefore", "PausesLost"))
