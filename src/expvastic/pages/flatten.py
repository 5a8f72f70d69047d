"""From a nested object to flat, dotted names with typed values.

Theory of operation: one walk over the object assigns into two dicts, name to value and name to kind, so that a name
which a page spells in two ways (``{"a.b": 1, "a": {"b": 2}}``) has one value, the last. Dotted names are made, and
judged, once and kept from page to page: a service's pages have the same names every time, and equal names that are one
object make comparing two pages' names a comparison of pointers.

A page may well have a number ``a`` beside ``a.b``. No index can hold both, so the number is left out, whichever of the
two came first. That is looked for when a page has other names than the one before.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import Field

from ..datatypes import Kind
from ..settings import SettingsModel

NAME_LIMIT = 512  # characters of a dotted name
_LARGEST = sys.float_info.max
_NAMES_KEPT = 20_000  # names of one reader; above it the memory is started afresh

LeaveOut = Callable[[str, str], None]  # (name, reason): a value is not shipped


class Limits(SettingsModel):
    """How much of a page is shipped; the rest is left out and counted."""

    keys: Annotated[int, Field(ge=1)] = 2_000
    """Values of a page. An index holds so many different names, unless told otherwise."""
    depth: Annotated[int, Field(ge=1, le=100)] = 20
    """Parts of a dotted name, the prefix's included."""
    string: Annotated[int, Field(ge=1, le=32_766)] = 1_024
    """Characters of a text; longer ones are cut."""
    list: Annotated[int, Field(ge=1)] = 1_024
    """Items of a list."""


class Flattener:
    """Flattens one reader's pages; keeps their names, nothing else."""

    def __init__(self, prefix: str, leave_out: LeaveOut, limits: Limits | None = None) -> None:
        self._prefix = prefix
        self._leave_out = leave_out
        limits = limits or Limits()
        self._keys, self._depth, self._string, self._list_limit = limits.keys, limits.depth, limits.string, limits.list
        self._names: dict[str, dict[str, str]] = {}
        self._names_kept = 0
        self._shape: tuple[str, ...] = ()
        self._conflicts: Collection[str] = ()

    def flatten(self, page: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, Kind]]:
        """The values and kinds of a page by dotted name; what cannot be shipped is left out and reported."""
        values: dict[str, Any] = {}
        kinds: dict[str, Kind] = {}
        self._walk(page, self._prefix, values, kinds)
        if len(values) > self._keys:
            self._drop("too_many_keys", [*values][self._keys :], values, kinds)
        shape = tuple(values)
        if shape != self._shape:
            self._shape, self._conflicts = shape, find_conflicts(values)
        if self._conflicts:
            self._drop("also_an_object", self._conflicts, values, kinds)
        return values, kinds

    def forget(self) -> None:
        """Give back the memory of names."""
        self._names.clear()
        self._names_kept = 0
        self._shape, self._conflicts = (), ()

    def _walk(self, level: Mapping[str, object], above: str, values: dict[str, Any], kinds: dict[str, Kind]) -> None:
        names = self._names_below(above)
        for key, value in level.items():
            name = names.get(key) or self._name(names, above, key)
            if not name:
                self._leave_out(_printable(above, key), "unusable_name")
                continue
            kind = _SCALARS.get(type(value))
            if kind is Kind.STRING:
                if not _is_text(value):  # type: ignore[arg-type]  # its type was looked up
                    self._leave_out(name, "not_unicode")
                    continue
                value = value[: self._string]  # type: ignore[index]
            elif kind is Kind.INTEGER or kind is Kind.FLOAT:
                if not -_LARGEST <= value <= _LARGEST:  # type: ignore[operator]
                    self._leave_out(name, "not_finite")
                    continue
            elif kind is None:
                if isinstance(value, Mapping):
                    self._descend(value, name, values, kinds)
                    continue
                kind, value = self._list(name, value)
                if kind is None:
                    continue
            values[name] = value
            kinds[name] = kind

    def _descend(self, value: Mapping[str, object], name: str, values: dict[str, Any], kinds: dict[str, Kind]) -> None:
        if not value:
            self._leave_out(name, "empty_object")
        elif name.count(".") + 2 > self._depth:
            self._leave_out(name, "too_deep")
        else:
            self._walk(value, name, values, kinds)

    def _list(self, name: str, value: object) -> tuple[Kind | None, Any]:
        """A list's kind and value; no kind if it (or whatever else it is) cannot be shipped."""
        if not isinstance(value, list | tuple):
            self._leave_out(name, "null" if value is None else "unknown_type")
            return None, None
        types = set(map(type, value))
        if not types or not (types <= _NUMBERS or types == {str}):
            self._leave_out(name, _why_not(types))
        elif len(value) > self._list_limit:
            self._leave_out(name, "too_long")
        elif types == {str}:
            if all(map(_is_text, value)):
                return Kind.STRING_LIST, [item[: self._string] for item in value]
            self._leave_out(name, "not_unicode")
        elif all(-_LARGEST <= number <= _LARGEST for number in value):
            return Kind.FLOAT_LIST, list(value)
        else:
            self._leave_out(name, "not_finite")
        return None, None

    def _drop(self, reason: str, names: Collection[str], values: dict[str, Any], kinds: dict[str, Kind]) -> None:
        for name in names:
            del values[name], kinds[name]
            self._leave_out(name, reason)

    def _names_below(self, above: str) -> dict[str, str]:
        if self._names_kept > _NAMES_KEPT:
            self._names.clear()
            self._names_kept = 0
        names = self._names.get(above)
        if names is None:
            names = self._names[above] = {}
        return names

    def _name(self, names: dict[str, str], above: str, key: str) -> str:
        """The dotted name, kept; empty, and not kept, if no index would take it."""
        name = make_name(above, key, self._depth)
        if name:
            names[key] = name
            self._names_kept += 1
        return name


def make_name(above: str, key: str, depth: int) -> str:
    """The dotted name; empty if no index would take it, or if it has more parts than ``depth``."""
    name = f"{above}.{key}" if above else key
    if len(name) > NAME_LIMIT or name.count(".") >= depth or not _is_text(key):
        return ""
    return sys.intern(name) if all(map(str.strip, key.split("."))) else ""  # a thousand readers may have the same


_SCALARS: dict[type, Kind] = {int: Kind.INTEGER, float: Kind.FLOAT, str: Kind.STRING, bool: Kind.BOOLEAN}
_NUMBERS = {int, float}


def find_conflicts(names: Collection[str]) -> list[str]:
    """Those of the names that are objects as well, because others go on below them."""
    parents: set[str] = set()
    for name in names:
        parent = name.rpartition(".")[0]
        while parent and parent not in parents:
            parents.add(parent)
            parent = parent.rpartition(".")[0]
    return [name for name in names if name in parents]


def _is_text(value: str) -> bool:
    """Whether it can be encoded: lone surrogates are how a decoder keeps what is no Unicode."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(above: str, key: str) -> str:
    name = f"{above}.{key}" if above else key
    return name[:NAME_LIMIT].encode("utf-8", "backslashreplace").decode()


def _why_not(types: set[type]) -> str:
    if not types:
        return "empty_array"
    return "array_of_objects" if types == {dict} else "mixed_array"
