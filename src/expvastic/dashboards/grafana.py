"""A dashboard for Grafana, over its Elasticsearch data source; chosen at the import, as are the indices with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .panels import CHARTS, TIME, Control, Dashboard, Operation, Panel, Series, Unit, lucene

_SOURCE = {"type": "elasticsearch", "uid": "${DS_EXPVASTIC}"}
_INPUT = {
    "name": "DS_EXPVASTIC",
    "label": "expvastic",
    "description": "An Elasticsearch data source for metrics-expvastic*,expvastic* with the time field @timestamp",
    "type": "datasource",
    "pluginId": "elasticsearch",
    "pluginName": "Elasticsearch",
}
_SCHEMA = 39
_WIDTH = 24  # columns of Grafana's grid; ours has twice as many
_TYPES: Mapping[Operation, str] = {
    "average": "avg",
    "unique_count": "cardinality",
    "percentile": "percentiles",
    "last_value": "top_metrics",
}
_UNITS: Mapping[Unit, str] = {"bytes": "bytes", "fraction": "percentunit", "ns": "ns", "seconds": "s"}
_RATES: Mapping[Unit, str] = {"bytes": "binBps", "number": "cps", "fraction": "percentunit"}
_VISUALS = {"metric": "stat", "table": "table", "text": "text"}


def grafana_dashboard(title: str, dashboards: Iterable[Dashboard]) -> dict[str, Any]:
    """All of them as one that Grafana imports: a row each, closed but for the first."""
    dashboards = list(dashboards)
    controls = {control.id: control for board in dashboards for control in board.controls}
    return {
        "__inputs": [_INPUT],
        "__requires": [{"type": "datasource", "id": "elasticsearch", "name": "Elasticsearch", "version": "1.0.0"}],
        "uid": "expvastic",
        "title": title,
        "description": " ".join(board.description for board in dashboards),
        "tags": ["expvastic"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_variable(control) for control in controls.values()]},
        "annotations": {"list": []},
        "panels": _rows(dashboards),
    }


def _rows(dashboards: list[Dashboard]) -> list[dict[str, Any]]:
    """Grafana keeps the panels of an open row beside it, and those of a closed one within."""
    found: list[dict[str, Any]] = []
    number = top = 0
    for board in dashboards:
        number += 1
        is_open = board is dashboards[0]
        head = {"id": number, "type": "row", "title": board.title, "collapsed": not is_open}
        shown = [_panel(number + place, top + 1, each, board.controls) for place, each in enumerate(board.panels, 1)]
        found.append({**head, "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1}, "panels": [] if is_open else shown})
        found += shown if is_open else []
        number += len(shown)
        top += 1 + (max((each.grid.y + each.grid.h for each in board.panels), default=0) if is_open else 0)
    return found


def _variable(control: Control) -> dict[str, Any]:
    return {
        "name": control.id,
        "label": control.title,
        "type": "query",
        "datasource": _SOURCE,
        "query": f'{{"find": "terms", "field": "{control.field}"}}',
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": "*",
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def _panel(number: int, top: int, panel: Panel, controls: Iterable[Control]) -> dict[str, Any]:
    grid = panel.grid
    place = {"x": grid.x * _WIDTH // 48, "y": top + grid.y, "w": grid.w * _WIDTH // 48, "h": grid.h}
    head: dict[str, Any] = {"id": number, "title": panel.title, "gridPos": place}
    if panel.form == "text":
        return {**head, "type": "text", "options": {"mode": "markdown", "content": panel.text}}
    kind = _VISUALS.get(panel.form, "timeseries")
    defaults, overrides = _defaults(panel), _overrides(panel)
    return {
        **head,
        "type": kind,
        "datasource": _SOURCE,
        "interval": "10s" if panel.interval == "auto" else panel.interval,
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": _options(panel),
        "targets": _targets(panel, controls),
        "transformations": _columns(panel) if panel.form == "table" else [],
    }


def _targets(panel: Panel, controls: Iterable[Control]) -> list[dict[str, Any]]:
    """One query for a table or number; for a chart one per series, so that each can be named."""
    if panel.form in CHARTS:
        return [_target(place, (each,), panel, controls) for place, each in enumerate(panel.series)]
    if shown := _numbers(panel):
        return [_target(0, shown, panel, controls)]
    raw = {"id": "1", "type": "raw_data", "settings": {"size": "100"}}
    return [{**_target(0, (), panel, controls), "metrics": [raw], "bucketAggs": []}]


def _numbers(panel: Panel) -> tuple[Series, ...]:
    """What of a table Grafana can show: its latest values are numbers. A table without any is shown as documents."""
    return tuple(each for each in panel.series if each.unit not in ("boolean", "text"))


def _target(place: int, group: tuple[Series, ...], panel: Panel, controls: Iterable[Control]) -> dict[str, Any]:
    metrics: list[dict[str, Any]] = []
    for series in group:
        metrics += _metrics(series, str(len(metrics) + 1))
    name = "{{" + panel.split.field + "}} " if panel.split else ""
    return {
        "refId": _reference(place),
        "datasource": _SOURCE,
        "query": " AND ".join([*(f"{each.field}:${each.id}" for each in controls), *_conditions(panel)]),
        "timeField": TIME,
        "alias": (name + group[0].label) if panel.form in CHARTS else "",
        "metrics": metrics,
        "bucketAggs": _buckets(panel),
    }


def _conditions(panel: Panel) -> list[str]:
    return [lucene(panel.where)] if panel.where else []


def _reference(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"A{chr(ord('A') + place - 26)}"


def _metrics(series: Series, name: str) -> list[dict[str, Any]]:
    if series.operation == "count":
        return [{"id": name, "type": "count"}]
    kind = _TYPES.get(series.operation, series.operation)
    if series.operation == "last_value" and series.unit == "date":
        return [{"id": name, "type": "max", "field": series.field}]
    if series.operation == "last_value":
        latest = {"metrics": [series.field], "order": "desc", "orderBy": TIME}
        return [{"id": name, "type": kind, "settings": latest}]
    settings = {"percents": [str(series.percentile)]} if series.operation == "percentile" else {}
    measured = {"id": name, "type": kind, "field": series.field, "settings": settings}
    if not series.per_second:
        return [measured]
    growth = {"id": str(int(name) + 1), "type": "derivative", "field": name, "pipelineAgg": name}
    return [{**measured, "hide": True}, {**growth, "settings": {"unit": "1s"}}]


def _buckets(panel: Panel) -> list[dict[str, Any]]:
    buckets: list[dict[str, Any]] = []
    if panel.split:
        settings = {"size": str(panel.split.size), "order": "asc", "orderBy": "_term", "min_doc_count": "1"}
        buckets.append({"id": "split", "type": "terms", "field": panel.split.field, "settings": settings})
    if panel.form != "table":
        every = "auto" if panel.form in CHARTS else "1y"
        settings = {"interval": every, "min_doc_count": "0", "trimEdges": "0"}
        buckets.append({"id": "time", "type": "date_histogram", "field": TIME, "settings": settings})
    return buckets


def _defaults(panel: Panel) -> dict[str, Any]:
    """Nothing that is drawn is below zero: the growth of a counter that began anew would be, and is cut off."""
    first = panel.series[0]
    unit = _UNITS.get(first.unit, "short")
    if panel.form not in CHARTS:
        return {} if panel.form == "table" else {"unit": unit, "decimals": 0}
    if first.per_second:
        unit = _RATES.get(first.unit, unit)
    stacking = {"mode": "none" if panel.form == "line" else "normal"}
    drawn = {"drawStyle": "bars" if panel.form == "bar_stacked" else "line", "spanNulls": True, "showPoints": "never"}
    return {"unit": unit, "min": 0, "custom": {**drawn, "fillOpacity": 10, "stacking": stacking}}


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    """Units of a table's columns, which have their labels by then."""
    units = {"date": "dateTimeAsIso", **_UNITS}
    return [
        {
            "matcher": {"id": "byName", "options": each.label},
            "properties": [{"id": "unit", "value": units[each.unit]}],
        }
        for each in panel.series
        if panel.form == "table" and each.unit in units
    ]


def _columns(panel: Panel) -> list[dict[str, Any]]:
    """Labels for columns, which Grafana names for what they measure."""
    named = {panel.split.field: panel.split.label} if panel.split else {}
    named |= {_column_name(each): each.label for each in panel.series}
    return [{"id": "organize", "options": {"renameByName": named, "indexByName": {}, "excludeByName": {}}}]


def _column_name(series: Series) -> str:
    if series.operation == "count":
        return "Count"
    if series.operation == "last_value" and series.unit != "date":
        return f"Top Metrics {series.field}"
    return f"{'Max' if series.unit == 'date' else series.operation.capitalize()} {series.field}"


def _options(panel: Panel) -> dict[str, Any]:
    if panel.form == "metric":
        return {"reduceOptions": {"calcs": ["lastNotNull"], "values": False}, "colorMode": "none", "graphMode": "none"}
    if panel.form == "table":
        return {"showHeader": True}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
