"""The shape of a page, and the short way to flatten the pages that have it.

Theory of operation: a service's pages have the same names in the same order every time. A page that has been flattened
the general way tells its shape: at each level the keys, where there is a level below, and where a value is left out,
and why. Another page of this shape is gone over level by level: keys are compared at once, values are taken at once.
What comes out is a column of values; the types in it tell their kinds. If anything is not as the shape says, the page
is of another shape, and goes the general way.

Shapes hold no values, and are shared by all readers in the process whose settings mean the same.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from ..datatypes import Kind, ListOf, Scalar
from .strict import NOT_FINITE, Content

_LARGEST = sys.float_info.max
_PATTERNS_KEPT = 64
_KINDS: dict[type, int] = {
    int: Kind.INTEGER,
    float: Kind.FLOAT,
    str: Kind.STRING,
    bool: Kind.BOOLEAN,
    list: Kind.FLOAT_LIST,  # or of strings: each is looked at
}
_SCALARS = {int, float, str, bool}
_NUMBERS = {int, float}


class OtherShape(Exception):
    """The page is not of this shape."""


class Level(msgspec.Struct, frozen=True):
    """The keys of an object; ``steps`` are the places of what is no value: a level below, or why it is left out."""

    keys: list[str]
    steps: tuple[tuple[int, Level | str], ...]


class _Pattern(NamedTuple):
    """What the types in a column say: kinds, and where lists are."""

    kinds: bytes
    lists: tuple[int, ...]


class Columns(msgspec.Struct, frozen=True):
    """A flattened page."""

    shape: Shape
    values: Sequence[Scalar | ListOf]
    kinds: bytes

    def as_dicts(self) -> tuple[dict[str, Any], dict[str, Kind]]:
        """The values and kinds by name, as the flattener has them."""
        names = self.shape.names
        return dict(zip(names, self.values, strict=True)), dict(zip(names, map(Kind, self.kinds), strict=True))


class Shape(msgspec.Struct, weakref=True, eq=False):
    """One shape: names, what is left out and why, and how a page of it becomes columns."""

    root: Level
    names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    dropped: int | None
    """The place of the one value that is not asked for, if there is one; its name is not among the names."""
    gc_names: Collection[str]
    list_limit: int
    text_limit: int
    _patterns: dict[tuple[type, ...], _Pattern] = {}
    _last: tuple[tuple[type, ...], _Pattern] = ((), _Pattern(b"", ()))
    _pauses: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self._pauses = frozenset(place for place, name in enumerate(self.names) if name in self.gc_names)

    def columns(self, content: Content) -> Columns:
        """The columns of a strict page; raises OtherShape."""
        values: list[Any] = []
        try:
            _fill(self.root, content.page, values)
            if not content.bound:
                self._check_bounds(values)
            if self.dropped is not None:
                self._check_shipped(values.pop(self.dropped))
            types = tuple(map(type, values))
            last_types, pattern = self._last
            if types != last_types:
                pattern = self._find_pattern(types)
        except (KeyError, AttributeError, TypeError):  # a level that is no object, a value that is none
            raise OtherShape from None
        if content.marked and NOT_FINITE in values:
            raise OtherShape
        return Columns(self, values, self._look_at_lists(pattern, values) if pattern.lists else pattern.kinds)

    def _find_pattern(self, types: tuple[type, ...]) -> _Pattern:
        pattern = self._patterns.get(types) or self._make_pattern(types)
        self._last = (types, pattern)
        return pattern

    def _make_pattern(self, types: tuple[type, ...]) -> _Pattern:
        kinds = bytes([_KINDS[type_] for type_ in types])
        lists = tuple(place for place, type_ in enumerate(types) if type_ is list)
        pattern = _Pattern(kinds, lists)
        if len(self._patterns) < _PATTERNS_KEPT:
            self._patterns[types] = pattern
        return pattern

    def _look_at_lists(self, pattern: _Pattern, values: Sequence[Any]) -> bytes:
        kinds = bytearray(pattern.kinds)
        for place in pattern.lists:
            kind = _kind_of_list(values[place], self.list_limit, self.text_limit)
            kinds[place] = Kind.GC_LIST if kind is Kind.FLOAT_LIST and place in self._pauses else kind
        return bytes(kinds)

    def _check_shipped(self, value: object) -> None:
        if type(value) is list:
            _kind_of_list(value, self.list_limit, self.text_limit)
        elif type(value) not in _SCALARS or value == NOT_FINITE:
            raise OtherShape

    def _check_bounds(self, values: Sequence[Any]) -> None:
        for value in values:
            if type(value) is int:
                if not -_LARGEST <= value <= _LARGEST:
                    raise OtherShape
            elif type(value) is str and len(value) > self.text_limit:
                raise OtherShape


def _fill(level: Level, members: Any, values: list[Any]) -> None:
    """Add the values of an object, in its order."""
    if [*members] != level.keys:
        raise OtherShape
    if not level.steps:
        values += members.values()
        return
    found = [*members.values()]
    start = 0
    for place, step in level.steps:
        if start != place:
            values += found[start:place]
        start = place + 1
        if type(step) is Level:
            _fill(step, found[place], values)
        elif why_left_out(found[place]) != step:
            raise OtherShape
    values += found[start:]


def why_left_out(value: object) -> str:
    """Why a value of a strict page is not shipped, whatever the limits are; empty if it might be."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "" if value else "empty_object"
    if isinstance(value, list):
        types = set(map(type, value))
        if not types:
            return "empty_array"
        if types == {dict}:
            return "array_of_objects"
        return "" if types <= _NUMBERS or types == {str} else "mixed_array"
    return "not_finite" if value == NOT_FINITE else ""


def _kind_of_list(items: Sequence[Any], list_limit: int, text_limit: int) -> Kind:
    types = set(map(type, items))
    if not types or len(items) > list_limit:
        raise OtherShape
    if types == {str}:
        if max(map(len, items)) > text_limit:
            raise OtherShape
        return Kind.STRING_LIST
    if not types <= _NUMBERS or not -_LARGEST <= min(items) <= max(items) <= _LARGEST:
        raise OtherShape
    return Kind.FLOAT_LIST
