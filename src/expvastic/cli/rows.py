"""One page as rows for people or programs: what each value is, and what of it would not be shipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ..datatypes import Kind, Reading
from ..logs import visible
from ..pages.decode import decode
from ..pages.flatten import Flattener
from ..pages.golang import Runtime
from ..pages.mapping import FieldMapping, MappingSettings
from ..pages.masking import mask
from ..pages.memstats import is_counter, look_up
from ..pages.rates import SUFFIX, Rates

_HEAD = ("NAME", "KIND", "UNIT", "ROLE", "VALUE", "PER SECOND")


@dataclass(frozen=True, slots=True)
class Row:
    """One value of a page by its own dotted name; ``left_out`` is why it would not be shipped."""

    name: str
    kind: str = ""
    unit: str = ""
    role: str = ""  # counter or gauge, where that is known
    value: Any = None
    rate: float | None = None
    left_out: str = ""


class PageRows:
    """The rows of one target's pages, poll after poll."""

    def __init__(self, mapping: MappingSettings | None = None) -> None:
        self._mapping = FieldMapping(mapping or MappingSettings())
        self._left_out: list[tuple[str, str]] = []
        self._flattener = Flattener("", lambda name, reason: self._left_out.append((name, reason)))
        self._runtime = Runtime(ship_history=True)
        self._rates: Rates | None = None

    def rows(self, reading: Reading) -> list[Row]:
        """The rows of a reading, what is left out last. Raises InvalidPayload."""
        self._left_out.clear()
        found: list[Row] = []
        for page in reading.pages:
            content, seen = self._runtime.read(decode(page.body))
            values, kinds = self._flattener.flatten(content)
            if isinstance(values.get("cmdline"), list):
                values["cmdline"] = mask(values["cmdline"])
            units = {name: unit.name for name in values if (unit := self._mapping.unit_of(name))}
            rates = self._derive(values, reading.time, is_continuous=seen is None or seen.life.value == "same")
            self._mapping.apply(values, kinds)
            for name, value in values.items():
                found.append(_row(name, kinds[name], value, rates.get(name + SUFFIX), units.get(name)))
            if seen and seen.has_no_goal:
                self._left_out.append(("memstats.NextGC", "no_next_gc"))
        return found + [Row(name, left_out=reason) for name, reason in self._left_out]

    def _derive(self, values: dict[str, Any], time: int, *, is_continuous: bool) -> dict[str, float]:
        """The rates of all numbers; those that never fall are worth a look."""
        if self._rates is None:
            numbers = {name for name, value in values.items() if type(value) in (int, float)}
            self._rates = Rates(numbers, is_counter)
        return self._rates.derive(values, time, is_continuous=is_continuous)


def changed(before: Sequence[Row], now: Sequence[Row]) -> list[Row]:
    """The rows of now whose value is another than before."""
    known = {row.name: (row.value, row.left_out) for row in before}
    return [row for row in now if known.get(row.name) != (row.value, row.left_out)]


def spell_json(row: Row) -> str:
    """A row as one JSON object, without what it has not."""
    told = {"name": row.name, "kind": row.kind, "unit": row.unit, "role": row.role, "value": row.value}
    told |= {"per_second": row.rate, "left_out": row.left_out}
    return msgspec.json.encode({key: value for key, value in told.items() if value not in ("", None)}).decode()


def spell_table(rows: Sequence[Row], width: int, changes: frozenset[str] = frozenset()) -> Iterator[str]:
    """Rows in columns, cut to a width; names in ``changes`` are marked."""
    cells = [_HEAD, *(_cells(row, row.name in changes) for row in rows)]
    if not any(row.rate is not None for row in rows):
        cells = [line[:-1] for line in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths[0] = min(widths[0], width // 2)
    widths[4] = min(widths[4], max(8, width - sum(widths[:4]) - 20))
    for line in cells:
        text = "  ".join(f"{cell[:space]:{space}}" for cell, space in zip(line, widths, strict=True)).rstrip()
        yield text if len(text) <= width else text[: width - 1] + "…"


def _row(name: str, kind: Kind, value: Any, rate: float | None, unit: str | None) -> Row:
    facts = look_up(name)
    word = "gc_list" if facts and facts.kind == "ring" else Kind(kind).name.lower()
    role = facts.kind if facts and facts.kind in ("counter", "gauge") and kind is not Kind.BOOLEAN else ""
    return Row(name, word, unit or (facts.unit if facts else ""), role, value, rate)


def _cells(row: Row, is_marked: bool) -> tuple[str, ...]:
    name = ("*" if is_marked else "") + visible(row.name)
    if row.left_out:
        return name, "left out", "", "", row.left_out, ""
    value = row.value if isinstance(row.value, str) else msgspec.json.encode(row.value).decode()
    return name, row.kind, row.unit, row.role, visible(value), "" if row.rate is None else f"{row.rate:.6g}"
