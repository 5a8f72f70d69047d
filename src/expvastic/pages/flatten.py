"""From a nested object to flat, dotted names with typed values.

Theory of operation: one walk over the object assigns into two dicts, name to value and name to kind, so that a name
which a page spells in two ways (``{"a.b": 1, "a": {"b": 2}}``) has one value, the last. Dotted names are made once and
kept from page to page: a service's pages have the same names every time, and equal names that are one object make
comparing two pages' names a comparison of pointers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..datatypes import Kind

STRING_LIMIT = 1024  # characters; longer strings are cut
_LARGEST = sys.float_info.max
_NAMES_KEPT = 20_000  # names of one reader; above it the memory is started afresh

LeaveOut = Callable[[str, str], None]  # (name, reason): a value is not shipped


class Flattener:
    """Flattens one reader's pages; keeps their names, nothing else."""

    def __init__(self, prefix: str, leave_out: LeaveOut) -> None:
        self._prefix = prefix
        self._leave_out = leave_out
        self._names: dict[str, dict[str, str]] = {}
        self._names_kept = 0

    def flatten(self, page: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Kind]]:
        """The values and kinds of a page by dotted name; what cannot be shipped is left out and reported."""
        values: dict[str, Any] = {}
        kinds: dict[str, Kind] = {}
        self._walk(page, self._prefix, values, kinds)
        return values, kinds

    def _walk(self, level: Mapping[str, object], above: str, values: dict[str, Any], kinds: dict[str, Kind]) -> None:
        names = self._names_below(above)
        for key, value in level.items():
            name = names.get(key) or self._name(names, above, key)
            scalar = _SCALARS.get(type(value))
            if scalar is not None:
                kind = scalar
                if kind is Kind.STRING:
                    value = value[:STRING_LIMIT]  # type: ignore[index]  # its type was looked up
                elif kind is not Kind.BOOLEAN and not -_LARGEST <= value <= _LARGEST:  # type: ignore[operator]
                    self._leave_out(name, "not_finite")
                    continue
            elif isinstance(value, Mapping):
                if value:
                    self._walk(value, name, values, kinds)
                else:
                    self._leave_out(name, "empty_object")
                continue
            else:
                listed, value = self._list(name, value)
                if listed is None:
                    continue
                kind = listed
            values[name] = value
            kinds[name] = kind

    def _list(self, name: str, value: object) -> tuple[Kind | None, Any]:
        """A list's kind and value; no kind if it (or whatever else it is) cannot be shipped."""
        if not isinstance(value, list | tuple):
            self._leave_out(name, "null" if value is None else "unknown_type")
            return None, None
        types = set(map(type, value))
        if types and types <= _NUMBERS:
            if all(-_LARGEST <= number <= _LARGEST for number in value):
                return Kind.FLOAT_LIST, list(value)
            self._leave_out(name, "not_finite")
        elif types == {str}:
            return Kind.STRING_LIST, [item[:STRING_LIMIT] for item in value]
        else:
            self._leave_out(name, _why_not(types))
        return None, None

    def _names_below(self, above: str) -> dict[str, str]:
        if self._names_kept > _NAMES_KEPT:
            self._names.clear()
            self._names_kept = 0
        names = self._names.get(above)
        if names is None:
            names = self._names[above] = {}
        return names

    def _name(self, names: dict[str, str], above: str, key: str) -> str:
        name = names[key] = f"{above}.{key}" if above else key
        self._names_kept += 1
        return name


_SCALARS: dict[type, Kind] = {int: Kind.INTEGER, float: Kind.FLOAT, str: Kind.STRING, bool: Kind.BOOLEAN}
_NUMBERS = {int, float}


def _why_not(types: set[type]) -> str:
    if not types:
        return "empty_array"
    return "array_of_objects" if types == {dict} else "mixed_array"
