"""What a dashboard shows, whoever draws it: panels, their series, and which documents they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Operation = Literal["average", "count", "last_value", "max", "min", "percentile", "sum", "unique_count"]
Unit = Literal["boolean", "bytes", "date", "fraction", "ns", "number", "seconds", "text"]
Form = Literal["area_stacked", "bar_stacked", "line", "metric", "table", "text"]

CHARTS = frozenset[Form]({"area_stacked", "bar_stacked", "line"})
COLUMNS = 48  # of the grid, as Kibana counts
TIME = "@timestamp"


@dataclass(frozen=True, slots=True)
class Series:
    """One number per point in time, row or panel.

    With ``per_second`` it is the growth of a counter's maximum, which a counter that begins anew does not make
    negative. ``field`` is empty for a count of documents, ``percentile`` 0 unless it is one.
    """

    id: str
    label: str
    operation: Operation
    field: str = ""
    unit: Unit = "number"
    per_second: bool = False
    percentile: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """One series, or row, per value of a field."""

    field: str
    label: str
    size: int = 20


@dataclass(frozen=True, slots=True)
class Clause:
    """Documents whose field is a value, or are anything but that."""

    field: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """Place and size, in columns and rows."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; a ``text`` has Markdown in the place of series. ``interval`` is the least time between points."""

    id: str
    title: str
    form: Form
    grid: Grid
    series: tuple[Series, ...] = ()
    split: Split | None = None
    where: tuple[Clause, ...] = ()
    interval: str = "auto"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """A list of a field's values, to choose from."""

    id: str
    field: str
    title: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels on one page."""

    id: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class DataView:
    """The indices that all panels read. ``optional`` are fields that need not be there, and their types."""

    id: str
    name: str
    title: str
    optional: tuple[tuple[str, str], ...] = ()


def kuery(where: tuple[Clause, ...]) -> str:
    """Clauses in Kibana's query language."""
    return " and ".join(f"{'not ' if each.negated else ''}{each.field}: {_quoted(each.value)}" for each in where)


def lucene(where: tuple[Clause, ...]) -> str:
    """Clauses in Lucene's."""
    return " AND ".join(f"{'NOT ' if each.negated else ''}{each.field}:{_quoted(each.value)}" for each in where)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
