"""Values that are as they were need not be shipped again, up to an age."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any

from ..datatypes import Kind
from ..settings import Duration, SettingsModel

_CELLS_KEPT = 100_000  # numbers, items of lists, pieces of texts
_PIECE = 64  # characters of a text that count like a number

_Shipped = tuple[Any, Kind, int]  # value, kind, when (microseconds)


class UnchangedSettings(SettingsModel):
    """Leave out values that have not changed since they were last shipped."""

    max_age: Duration = 600.0
    """Ship a value at least so often, changed or not."""


class Unchanged:
    """What one reader shipped last, value by value.

    Lists of garbage collections are never left out, nor are the names in ``always``: they tell what happened since
    the last poll, and the same thing may happen twice. What exceeds the memory's bound is shipped every time.
    """

    def __init__(self, max_age: float, always: Collection[str] = (), *, cells: int = _CELLS_KEPT) -> None:
        self._max_age = round(max_age * 1e6)
        self._always = frozenset(always)
        self._limit = cells
        self._shipped: dict[Hashable, dict[str, _Shipped]] = {}
        self._cells = 0
        self._next_tidying: int | None = None

    def drop(self, about: Hashable, values: dict[str, Any], kinds: dict[str, Kind], time: int) -> int:
        """Drop from a document's values, in place, those shipped before, and return how many; keep in mind the rest.

        ``about`` tells documents of different things apart, as their dataset and labels do. ``time`` is that of the
        document in microseconds. If no value is left, there is nothing to ship.
        """
        known = self._shipped.get(about, {})
        unchanged = [name for name, kind in kinds.items() if self._is_known(known.get(name), name, values, kind, time)]
        for name in unchanged:
            del values[name], kinds[name]
        for name, kind in kinds.items():
            if name not in self._always and kind is not Kind.GC_LIST:
                self._remember(about, name, (values[name], kind, time))
        return len(unchanged)

    def forget(self) -> None:
        """Ship everything next time, as for a target that was restarted."""
        self._shipped.clear()
        self._cells = 0

    def _is_known(self, shipped: _Shipped | None, name: str, values: dict[str, Any], kind: Kind, time: int) -> bool:
        if shipped is None:
            return False
        value, old_kind, when = shipped
        # A document from before the last one comes of a clock set back: its age says nothing.
        return bool(kind is old_kind and 0 <= time - when < self._max_age and values[name] == value)

    def _remember(self, about: Hashable, name: str, shipped: _Shipped) -> None:
        old = self._shipped.get(about, {}).pop(name, None)
        self._cells -= _cells(old) if old else 0
        size = _cells(shipped)
        if self._cells + size > self._limit:
            self._tidy(shipped[2])
        if self._cells + size <= self._limit:
            self._shipped.setdefault(about, {})[name] = shipped
            self._cells += size

    def _tidy(self, time: int) -> None:
        """Forget what is too old to matter. Once per age is enough; in between the newcomers go without a place."""
        if self._next_tidying is not None and 0 <= self._next_tidying - time < self._max_age:
            return
        self._next_tidying = time + self._max_age
        for about, known in [*self._shipped.items()]:
            kept = {name: shipped for name, shipped in known.items() if 0 <= time - shipped[2] < self._max_age}
            if kept:
                self._shipped[about] = kept
            else:
                del self._shipped[about]
        self._cells = sum(_cells(shipped) for known in self._shipped.values() for shipped in known.values())


def _cells(shipped: _Shipped) -> int:
    value = shipped[0]
    if type(value) is str:
        return 1 + len(value) // _PIECE
    if type(value) is list:
        return 1 + sum(1 + len(item) // _PIECE if type(item) is str else 1 for item in value)
    return 1
