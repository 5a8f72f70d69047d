"""From a flattened page to what is shipped of it: units, selection, labels, names, and what has not changed.

Theory of operation: everything that a user may wish for speaks of the page's own names, so it is done in this order:
units, selection, labels, new names. Only then names are what the index will see: those that are reserved are moved,
and a number that became an object's name is left out. What is unchanged is told last, by the names that are shipped.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

from ..datatypes import Kind
from .classic import CLASSIC, MappingChoice, whole_microseconds
from .dimensions import Dimensions, DimensionSettings, Row
from .flatten import LeaveOut, find_conflicts
from .mapping import FieldMapping, MappingSettings
from .names import SHELTER, is_reserved
from .selection import Selection, SelectionSettings
from .unchanged import Unchanged, UnchangedSettings

_NAMES_KEPT = 20_000
_T = TypeVar("_T")


class ShapingSettings(SelectionSettings, DimensionSettings):
    """What is shipped of a page, and under what names and units."""

    mapping: MappingChoice = MappingSettings.unsaid()
    """What names mean, with the keys of a map file (`gc_types`, `memory_bytes`); or `classic`, for documents like
    those of the Go program of the same name: names at the top level, memory in megabytes, pauses in microseconds."""
    drop_unchanged: UnchangedSettings | None = None
    """Leave out values that have not changed since they were last shipped."""


class Shaping:
    """One reader's wishes, applied page by page.

    ``file`` is what its map file says; ``keys`` how many values a page's own document may have.
    """

    def __init__(
        self, settings: ShapingSettings, file: MappingSettings | None, prefix: str, leave_out: LeaveOut, keys: int
    ) -> None:
        is_classic = settings.mapping == "classic"
        inline = CLASSIC if isinstance(settings.mapping, str) else settings.mapping
        self._prefix = prefix
        self._leave_out = leave_out
        self._keys = keys
        self._mapping = FieldMapping(
            file.over(inline) if file else inline, prefix, whole_microseconds if is_classic else None
        )
        self._selection = Selection(settings)
        self._dimensions = Dimensions(settings.dimension, leave_out, prefix)
        since_last = tuple(prefix + name for name in ("memstats.PausesLost", "memstats.PausesBefore"))
        unchanged = settings.drop_unchanged
        self._unchanged = Unchanged(unchanged.max_age, since_last) if unchanged else None
        self._resolved: dict[str, str | None] = {}

    def __bool__(self) -> bool:
        """Whether anything of a page may become something else."""
        return bool(self._mapping or self._selection or self._dimensions or self._unchanged or not self._prefix)

    def shape(
        self, about: Hashable, values: dict[str, Any], kinds: dict[str, Kind], time: int, *, is_continuous: bool
    ) -> list[Row]:
        """The rows of a page, the poll's own first, then one for each label value; those with nothing in them left out.

        ``about`` tells pages of different things apart; ``time`` is in microseconds.
        """
        if self._mapping:
            self._mapping.apply(values, kinds)
        if self._selection:
            values, kinds = self._select(values, kinds)
        rows = self._take_dimensions(values, kinds) if self._dimensions else []
        if self._selection:
            values, kinds = self._rename(values, kinds)
        if not self._prefix and any(map(is_reserved, values)):
            values, kinds = _sheltered(values), _sheltered(kinds)
        if self._selection or not self._prefix:
            self._part(values, kinds)
        rows.insert(0, Row({}, values, kinds))
        if self._unchanged:
            self._drop_unchanged(self._unchanged, about, rows, time, is_continuous)
        return [row for row in rows if row.values]

    def _take_dimensions(self, values: dict[str, Any], kinds: dict[str, Kind]) -> list[Row]:
        rows = self._dimensions.take(values, kinds)
        for name in [*values][self._keys :]:
            del values[name], kinds[name]
            self._leave_out(name, "too_many_keys")
        return rows

    def _select(self, values: dict[str, Any], kinds: dict[str, Kind]) -> tuple[dict[str, Any], dict[str, Kind]]:
        """The values that are shipped, still under their own names."""
        kept = {name: value for name, value in values.items() if self._resolve(name) is not None}
        return kept, {name: kinds[name] for name in kept}

    def _rename(self, values: dict[str, Any], kinds: dict[str, Kind]) -> tuple[dict[str, Any], dict[str, Kind]]:
        names = {name: self._resolve(name) or name for name in values}
        return {names[name]: value for name, value in values.items()}, {names[name]: kinds[name] for name in values}

    def _resolve(self, name: str) -> str | None:
        """The name to ship a value under, kept; None if it is not."""
        if name not in self._resolved:
            if len(self._resolved) >= _NAMES_KEPT:
                self._resolved.clear()
            own = name.removeprefix(self._prefix)
            new = self._selection.resolve(own)
            if self._selection.is_displaced(own):
                self._leave_out(name, "name_taken")
            self._resolved[name] = None if new is None else self._prefix + new
        return self._resolved[name]

    def _part(self, values: dict[str, Any], kinds: dict[str, Kind]) -> None:
        for name in find_conflicts(values):
            del values[name], kinds[name]
            self._leave_out(name, "also_an_object")

    def _drop_unchanged(
        self, unchanged: Unchanged, about: Hashable, rows: list[Row], time: int, is_continuous: bool
    ) -> None:
        if not is_continuous:
            unchanged.forget()
        for row in rows:
            unchanged.drop((about, tuple(row.labels.items())), row.values, row.kinds, time)


def _sheltered(columns: Mapping[str, _T]) -> dict[str, _T]:
    return {f"{SHELTER}.{name}" if is_reserved(name) else name: value for name, value in columns.items()}
