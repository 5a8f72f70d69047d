"""Which shapes one reader's pages have: learned when seen twice, forgotten when they do not come again.

What one reader has learned, others with the same rules find by the quick key. A reader's first pages count as seen
where another has seen their like.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from ..datatypes import Kind
from .flatten import find_conflicts, make_name
from .moulding import Rules
from .shapes import Columns, Level, OtherShape, Shape, why_left_out
from .sightings import Sightings
from .strict import Content

_COLUMNS_KEPT = 50_000  # of all shapes of the process; what is above goes the general way
_SHAPES_KEPT = 8  # of one reader
_SEEN_KEPT = 16
_FIRST = 2  # pages of a reader: what others have seen helps with these
_MISSES = 8  # so often running a shape may be expected, and another come
_FEWEST_BETWEEN, _MOST_BETWEEN = 2, 1_024  # pages between two shapes that are learned: building one takes time

# The numbers of keys of a page and of its memstats, and whether it is marked: quickly told, and nearly always enough.
_Key = tuple[int, int, bool]


_all: weakref.WeakValueDictionary[tuple[Rules, object, int | None], Shape] = weakref.WeakValueDictionary()
_sightings = Sightings()
_latest: weakref.WeakValueDictionary[tuple[Rules, _Key], Shape] = weakref.WeakValueDictionary()


class KnownShapes:
    """The shapes that one reader's pages have."""

    __slots__ = ("_misses", "_pages", "_rules", "_seen", "_shapes", "_wait")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._shapes: dict[_Key, Shape] = {}
        self._misses: dict[_Key, int] = {}
        self._seen: tuple[int, ...] = ()
        self._pages = 0  # since a shape was learned
        self._wait = 0

    def columns(self, content: Content) -> Columns | None:
        """The page's columns, if it has a shape that is known."""
        self._pages += 1
        key = _key(content)
        shape = self._shapes.get(key) or self._find(key)
        if shape is None:
            return None
        try:
            columns = shape.columns(content)
        except OtherShape:
            self._miss(key)
            return None
        if key not in self._shapes:
            self._keep(key, shape)
        if key in self._misses:
            del self._misses[key]
        return columns

    def learn(self, content: Content, values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> bool:
        """Keep in mind the shape of a page that became these values; whether it is known from now on."""
        names = hash(tuple(values))
        if names not in self._seen:
            self._seen = (names, *self._seen)[:_SEEN_KEPT]
            if self._wait or self._pages > _FIRST or not _sightings.see((self._rules, names)):
                return False
        if self._pages <= self._wait:
            return False
        is_rare = self._pages > 2 * _MOST_BETWEEN
        self._wait = _FEWEST_BETWEEN if is_rare else min(max(2 * self._wait, _FEWEST_BETWEEN), _MOST_BETWEEN)
        self._pages = 0
        shape = _find_or_build(content.page, self._rules)
        if shape is None or not _agrees(shape, content, values, kinds):
            return False
        key = _key(content)
        self._keep(key, shape)
        _latest[self._rules, key] = shape
        self._misses.pop(key, None)
        return True

    def _keep(self, key: _Key, shape: Shape) -> None:
        if len(self._shapes) >= _SHAPES_KEPT:
            self._shapes.clear()
        self._shapes[key] = shape

    def _find(self, key: _Key) -> Shape | None:
        """One that another reader has learned, unless those of this key do not come again."""
        return _latest.get((self._rules, key)) if self._misses.get(key, 0) < _MISSES else None

    def _miss(self, key: _Key) -> None:
        if len(self._misses) > _SEEN_KEPT:
            self._misses.clear()
        misses = self._misses[key] = self._misses.get(key, 0) + 1
        if misses >= _MISSES:
            self._shapes.pop(key, None)


def _key(content: Content) -> _Key:
    memstats = content.page.get("memstats")
    return len(content.page), len(memstats) if isinstance(memstats, dict) else 0, content.marked


def _agrees(shape: Shape, content: Content, values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> bool:
    """Whether both ways lead to the same; else the page has something that no shape can tell."""
    try:
        columns = shape.columns(content)
    except OtherShape:
        return False
    return (shape.names, columns.values, columns.kinds) == (tuple(values), [*values.values()], bytes(kinds.values()))


def _find_or_build(page: Mapping[str, object], rules: Rules) -> Shape | None:
    builder = _Builder(rules)
    root = builder.level(page, rules.prefix)
    key = (rules, _frozen(root), builder.dropped)
    if (known := _all.get(key)) is not None:
        return known
    names, left_out = builder.names, builder.left_out
    if builder.dropped is not None:
        left_out.append((names.pop(builder.dropped), "not_asked_for"))
    if not builder.can_be_told or not names or len(set(names)) < len(names) or find_conflicts(names):
        return None
    if len(names) >= rules.limits[0] or sum(len(shape.names) for shape in _all.values()) + len(names) > _COLUMNS_KEPT:
        return None
    shape = Shape(
        root, tuple(names), tuple(left_out), builder.dropped, rules.gc_names, rules.limits[3], rules.limits[2]
    )
    _all[key] = shape
    return shape


class _Builder:
    """One walk over a page, in the flattener's order."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.names: list[str] = []
        self.left_out: list[tuple[str, str]] = []
        self.dropped: int | None = None
        self.can_be_told = True

    def level(self, members: Mapping[str, object], above: str) -> Level:
        steps: list[tuple[int, Level | str]] = []
        for place, (key, value) in enumerate(members.items()):
            if (step := self._step(key, value, above)) is not None:
                steps.append((place, step))
        return Level([*members], tuple(steps))

    def _step(self, key: str, value: object, above: str) -> Level | str | None:
        name = make_name(above, key, self._rules.limits[1])
        is_cmdline = above == self._rules.prefix and key.partition(".")[0] == "cmdline"
        if not name or (is_cmdline and (key != "cmdline" or isinstance(value, dict))):
            self.can_be_told = False
            return None
        reason = why_left_out(value)
        if reason:
            self.left_out.append((name, reason))
            return reason
        if isinstance(value, dict):
            if name.count(".") + 2 > self._rules.limits[1]:
                self.can_be_told = False
                return None
            return self.level(value, name)
        if is_cmdline and not self._rules.cmdline:
            self.dropped = len(self.names)
        self.names.append(name)
        return None


def _frozen(level: Level | str) -> object:
    """The same as something that can be a key."""
    if isinstance(level, str):
        return level
    return (tuple(level.keys), tuple((place, _frozen(step)) for place, step in level.steps))
