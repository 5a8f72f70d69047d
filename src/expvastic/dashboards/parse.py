"""Kibana's objects, as the shipped file has them, back to dashboards: what ``lens`` and ``kibana`` write, read.

Nothing of a panel is guessed: what these do not write cannot be read, and a test holds that reading the file and
writing it again gives the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .lens import LAYER, RECORDS, TOTAL
from .panels import Clause, Control, Dashboard, DataView, Form, Grid, Panel, Series, Split, Unit

_CLAUSE = re.compile(r'(not )?([\w.@]+): "([^"]*)"')
_FORMS: Mapping[str, Form] = {"lnsDatatable": "table", "lnsMetric": "metric"}
_TYPES: Mapping[str, Unit] = {"boolean": "boolean", "date": "date", "string": "text"}
_UNITS: Mapping[str, Unit] = {"bytes": "bytes", "percent": "fraction", "nanoseconds": "ns", "seconds": "seconds"}


def parse_objects(objects: list[dict[str, Any]]) -> tuple[DataView, list[Dashboard]]:
    """The data view and the dashboards of a file."""
    views = [_data_view(each) for each in objects if each["type"] == "index-pattern"]
    return views[0], [_dashboard(each) for each in objects if each["type"] == "dashboard"]


def _data_view(found: Mapping[str, Any]) -> DataView:
    attributes = found["attributes"]
    fields = attributes["runtimeFieldMap"]
    optional = tuple((name, field["type"]) for name, field in fields.items())
    return DataView(found["id"], attributes["name"], attributes["title"], optional)


def _dashboard(found: Mapping[str, Any]) -> Dashboard:
    attributes = found["attributes"]
    inputs = (each["explicitInput"] for each in attributes["controlGroupInput"]["panelsJSON"].values())
    return Dashboard(
        id=found["id"],
        title=attributes["title"],
        description=attributes["description"],
        panels=tuple(map(parse_panel, attributes["panelsJSON"])),
        controls=tuple(Control(each["id"], each["fieldName"], each["title"]) for each in inputs),
    )


def parse_panel(found: Mapping[str, Any]) -> Panel:
    """One panel of a dashboard."""
    grid = Grid(**{name: found["gridData"][name] for name in "xywh"})
    config = found["embeddableConfig"]
    if found["type"] == "visualization":
        text = config["savedVis"]["params"]["markdown"]
        return Panel(found["panelIndex"], found["title"], "text", grid, text=text)
    attributes = config["attributes"]
    state = attributes["state"]
    columns = state["datasourceStates"]["formBased"]["layers"][LAYER]["columns"]
    shown = state["visualization"]
    form: Form = _FORMS.get(attributes["visualizationType"]) or shown["preferredSeriesType"]
    return Panel(
        id=found["panelIndex"],
        title=found["title"],
        form=form,
        grid=grid,
        series=tuple(_series(each, columns) for each in _metrics(shown)),
        split=_split(columns.get("split")),
        where=_where(state["query"]["query"]),
        interval=columns["time"]["params"]["interval"] if "time" in columns else "auto",
    )


def _metrics(shown: Mapping[str, Any]) -> list[str]:
    """The ids of what is shown, in its order."""
    if "columns" in shown:
        return [each["columnId"] for each in shown["columns"] if each["columnId"] != "split"]
    return [shown["metricAccessor"]] if "metricAccessor" in shown else list(shown["layers"][0]["accessors"])


def _series(name: str, columns: Mapping[str, Any]) -> Series:
    column = columns[name]
    per_second = column["operationType"] == "counter_rate"
    measured = columns[name + TOTAL] if per_second else column
    field = measured["sourceField"]
    return Series(
        id=name,
        label=column["label"],
        operation=measured["operationType"],
        field="" if field == RECORDS else field,
        unit=_unit(column),
        per_second=per_second,
        percentile=measured["params"].get("percentile", 0),
    )


def _unit(column: Mapping[str, Any]) -> Unit:
    if column["dataType"] in _TYPES:
        return _TYPES[column["dataType"]]
    written = column["params"]["format"]
    return _UNITS.get(written["params"].get("fromUnit", written["id"]), "number")


def _split(column: Mapping[str, Any] | None) -> Split | None:
    return None if column is None else Split(column["sourceField"], column["label"], column["params"]["size"])


def _where(query: str) -> tuple[Clause, ...]:
    found = [_CLAUSE.fullmatch(part) for part in query.split(" and ")] if query else []
    return tuple(Clause(each[2], each[3], bool(each[1])) for each in found if each)
