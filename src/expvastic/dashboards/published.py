"""A dashboard of what readers publish now: counters as rates, gauges as lines, texts in a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..datatypes import Container, Kind
from ..pages.memstats import look_up
from .panels import Clause, Control, Dashboard, DataView, Form, Grid, Panel, Series, Split, Unit

PANELS = 150  # at most; a page with more is of no use to anybody
_COLUMNS = 20  # of a table
_ACROSS, _HEIGHT = 3, 10
_NUMBERS = frozenset({Kind.FLOAT, Kind.INTEGER, Kind.BYTE, Kind.KILOBYTE, Kind.MEGABYTE})
_TOTAL = re.compile(r"(total|seconds|sum|count)$", re.IGNORECASE)
_RATE = "_per_second"
_UNITS: Mapping[str, Unit] = {"bytes": "bytes", "ns": "ns", "fraction": "fraction"}


@dataclass(slots=True)
class Variable:
    """One name of one kind of document, as its values came."""

    name: str
    own_name: str  # the page's, without the reader's prefix
    kind: Kind
    values: list[Any] = field(default_factory=list)

    @property
    def is_counter(self) -> bool:
        """Known as one; else a whole number that grew and never fell, or another that did and is named as a total."""
        facts = look_up(self.own_name)
        if facts and facts.kind in ("counter", "gauge"):
            return facts.kind == "counter"
        if self.name.endswith(_RATE) or not all(type(value) in (int, float) for value in self.values):
            return False
        if self.values != sorted(self.values):
            return False
        grew = self.values[0] >= 0 and self.values[0] < self.values[-1]
        return grew and (self.kind is not Kind.FLOAT or bool(_TOTAL.search(self.name)))


@dataclass(frozen=True, slots=True)
class About:
    """What a kind of document is about; ``label`` is the field that tells those of one kind apart, if there is one."""

    service: str
    dataset: str
    label: str = ""


class Published:
    """What was seen; ``see`` takes documents in the order in which they were read."""

    def __init__(self) -> None:
        self._variables: dict[About, dict[str, Variable]] = {}
        self._seen: dict[tuple[About, str], dict[str, list[Any]]] = {}
        self.left_out = 0

    def see(self, container: Container, fields: Mapping[str, Any], tags: Iterable[str], prefix: str) -> None:
        """Take a container and its decoded document.

        ``tags`` are labels that are the same for all of a reader, ``prefix`` is what stands before its pages' names.
        """
        labels = [name for name in fields if name.startswith("labels.") and name[7:] not in tags]
        about = About(fields["service.name"], fields["event.dataset"], labels[0] if labels else "")
        one = self._seen.setdefault((about, "".join(str(fields[label]) for label in labels)), {})
        variables = self._variables.setdefault(about, {})
        for value in container:
            one.setdefault(value.name, []).append(value.value)
            known = variables.setdefault(value.name, Variable(value.name, _without(prefix, value.name), value.kind))
            # Of several that differ in a label the one that changed most tells what it is.
            if len(set(map(str, one[value.name]))) >= len(set(map(str, known.values))):
                known.values = list(one[value.name])

    @property
    def services(self) -> list[str]:
        """Whose documents were seen."""
        return list(dict.fromkeys(about.service for about in self._variables))

    def dashboard(self, name: str, title: str) -> Dashboard:
        """A dashboard of all that was seen, but for the memory of Go programs: the shipped one shows that.

        One of another name does not take its place.
        """
        panels: list[Panel] = []
        row = 0
        for number, (about, variables) in enumerate(self._variables.items()):
            row = self._add(panels, row, number, about, variables.values())
        controls = (Control("service", "service.name", "Service"), Control("host", "host.name", "Host"))
        return Dashboard(_id(name), title, "What the readers publish.", tuple(panels), controls)

    def _add(self, panels: list[Panel], row: int, number: int, about: About, variables: Iterable[Variable]) -> int:
        """Add the panels of one kind of document below a row; returns the next free row."""
        own = [each for each in variables if not each.name.startswith("expvar.memstats.")]
        made = [*_charts(own), *_tables(about, own)]
        room = max(0, PANELS - len(panels))
        self.left_out += len(made) - len(made[:room])
        if not made[:room]:
            return row
        text = f"**{about.service}** ({about.dataset})"
        panels.append(Panel(f"p{number}", "", "text", Grid(0, row, 48, 3), text=text))
        row += 3
        column = 0
        for place, (form, head, series) in enumerate(made[:room]):
            width = 48 if form == "table" else 48 // _ACROSS
            if column + width > 48:
                row, column = row + _HEIGHT, 0
            panels.append(_panel(f"p{number}-{place}", form, head, series, about, Grid(column, row, width, _HEIGHT)))
            column += width
        return row + _HEIGHT


def data_view(name: str, index: str) -> DataView:
    """A data view for the dashboard of a name, apart from the shipped one, which may be of other indices."""
    return DataView(_id(name), f"expvastic: {name}", index)


def _id(name: str) -> str:
    known = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"expvastic-published-{known}"


_Made = tuple[Form, str, tuple[Series, ...]]


def _charts(variables: Iterable[Variable]) -> Iterator[_Made]:
    for each in variables:
        own_name = each.own_name
        facts = look_up(own_name)
        unit: Unit = _UNITS.get(facts.unit, "number") if facts else "bytes" if each.kind is Kind.BYTE else "number"
        if each.is_counter:
            rate = Series("v0", own_name, "max", each.name, unit, per_second=True)
            yield "line", f"{own_name}, per second", (rate,)
        elif each.kind in _NUMBERS:
            yield "line", own_name, (Series("v0", own_name, "max", each.name, unit),)
        elif each.kind is Kind.FLOAT_LIST:
            largest, average = Series("v0", "Largest", "max", each.name), Series("v1", "Average", "average", each.name)
            yield "line", own_name, (largest, average)


def _tables(about: About, variables: Iterable[Variable]) -> Iterator[_Made]:
    texts = [each for each in variables if each.kind in (Kind.STRING, Kind.BOOLEAN)]
    for start in range(0, len(texts), _COLUMNS):
        columns = [_column(place, each) for place, each in enumerate(texts[start : start + _COLUMNS])]
        yield "table", f"{about.service}: texts", tuple(columns)


def _column(place: int, variable: Variable) -> Series:
    unit: Unit = "boolean" if variable.kind is Kind.BOOLEAN else "text"
    return Series(f"v{place}", variable.own_name, "last_value", variable.name, unit)


def _without(prefix: str, name: str) -> str:
    return name.removeprefix(f"{prefix}.") if prefix else name


def _panel(name: str, form: Form, title: str, series: tuple[Series, ...], about: About, grid: Grid) -> Panel:
    where = (Clause("service.name", about.service), Clause("event.dataset", about.dataset))
    by = about.label or ("service.name" if form == "table" else "host.name")
    return Panel(name, title, form, grid, series, Split(by, by.rpartition(".")[2].capitalize()), where)
