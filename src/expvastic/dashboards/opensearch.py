"""Dashboards for OpenSearch Dashboards, which has no Lens: its visual builder (TSVB), tables and controls.

It takes objects of the Kibana from which it was forked, 7.10, and none that are newer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .panels import CHARTS, TIME, Clause, Control, Dashboard, DataView, Operation, Panel, Series, Unit, kuery

_VERSIONS = {"index-pattern": "7.6.0", "visualization": "7.10.0", "dashboard": "7.9.3"}
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
_CONTROLS_HEIGHT = 5
_COLOURS = (
    "#54B399",
    "#6092C0",
    "#D36086",
    "#9170B8",
    "#CA8EAE",
    "#D6BF57",
    "#B9A888",
    "#DA8B45",
    "#AA6556",
    "#E7664C",
)
_TYPES: Mapping[Operation, str] = {"average": "avg", "unique_count": "cardinality", "last_value": "top_hits"}
_FORMATTERS: Mapping[Unit, str] = {
    "bytes": "bytes",
    "fraction": "percent",
    "ns": "ns,humanize,",
    "seconds": "s,humanize,",
}
_DURATION = {"outputFormat": "humanize", "outputPrecision": 1}
_FIELD_FORMATS: Mapping[Unit, Mapping[str, Any]] = {
    "bytes": {"id": "bytes"},
    "fraction": {"id": "percent"},
    "ns": {"id": "duration", "params": {"inputFormat": "nanoseconds", **_DURATION}},
    "seconds": {"id": "duration", "params": {"inputFormat": "seconds", **_DURATION}},
}


def opensearch_lines(view: DataView, dashboards: Iterable[Dashboard]) -> str:
    """Everything as NDJSON for the import of OpenSearch Dashboards."""
    dashboards = list(dashboards)
    objects = [_index_pattern(view, dashboards)]
    for dashboard in dashboards:
        objects += _objects(dashboard, view)
    return "".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) + "\n" for each in objects)


def _index_pattern(view: DataView, dashboards: list[Dashboard]) -> dict[str, Any]:
    """Tables format their numbers as the index pattern says of the field."""
    series = [each for board in dashboards for panel in board.panels if panel.form == "table" for each in panel.series]
    formats = {each.field: _FIELD_FORMATS[each.unit] for each in series if each.unit in _FIELD_FORMATS}
    attributes = {"title": view.title, "timeFieldName": TIME, "fieldFormatMap": json.dumps(formats)}
    return _object("index-pattern", view.id, attributes, {})


def _objects(dashboard: Dashboard, view: DataView) -> Iterator[dict[str, Any]]:
    """The visualisations of a dashboard, and then itself."""
    shown = [_controls(dashboard, view), *(_visualisation(panel, dashboard, view) for panel in dashboard.panels)]
    yield from shown
    places = [{"x": 0, "y": 0, "w": 48, "h": _CONTROLS_HEIGHT}]
    for panel in dashboard.panels:
        grid = panel.grid
        places.append({"x": grid.x, "y": grid.y + _CONTROLS_HEIGHT, "w": grid.w, "h": grid.h})
    panels = [_placed(index, place, each) for index, (place, each) in enumerate(zip(places, shown, strict=True))]
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "hits": 0,
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-1h",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 10_000},
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
        "panelsJSON": json.dumps(panels, ensure_ascii=False),
        "kibanaSavedObjectMeta": _search_source(()),
    }
    references = {f"panel_{index}": ("visualization", str(each["id"])) for index, each in enumerate(shown)}
    yield _object("dashboard", dashboard.id, attributes, references)


def _placed(index: int, place: Mapping[str, int], shown: Mapping[str, Any]) -> dict[str, Any]:
    is_titled = shown["attributes"]["title"] != ""
    return {
        "version": "7.10.0",
        "panelIndex": str(index),
        "gridData": {**place, "i": str(index)},
        "embeddableConfig": {} if is_titled else {"hidePanelTitles": True},
        "panelRefName": f"panel_{index}",
    }


def _visualisation(panel: Panel, dashboard: Dashboard, view: DataView) -> dict[str, Any]:
    name = f"{dashboard.id}-{panel.id}"
    if panel.form in CHARTS:
        return _vis(name, panel.title, "metrics", _builder(panel, view))
    if panel.form == "text":
        return _vis(name, panel.title, "markdown", {"fontSize": 12, "openLinksInNewTab": False, "markdown": panel.text})
    aggregations = [_aggregation(str(place), series) for place, series in enumerate(panel.series, 1)]
    if panel.split:
        order = {"order": "asc", "orderBy": "_key", "otherBucket": False, "missingBucket": False}
        named = {"field": panel.split.field, "size": panel.split.size, "customLabel": panel.split.label}
        aggregations.append(
            {"id": "0", "enabled": True, "type": "terms", "schema": "bucket", "params": {**named, **order}}
        )
    params = _METRIC if panel.form == "metric" else {"perPage": 20, "showPartialRows": False, "showTotal": False}
    return _vis(name, panel.title, panel.form, params, aggregations, panel.where, view)


def _vis(
    name: str,
    title: str,
    kind: str,
    params: Mapping[str, Any],
    aggregations: Iterable[Mapping[str, Any]] = (),
    where: tuple[Clause, ...] = (),
    view: DataView | None = None,
    references: Mapping[str, tuple[str, str]] | None = None,
) -> dict[str, Any]:
    state = {"title": title, "type": kind, "params": params, "aggs": list(aggregations)}
    attributes = {
        "title": title,
        "description": "",
        "version": 1,
        "visState": json.dumps(state, ensure_ascii=False),
        "uiStateJSON": "{}",
        "kibanaSavedObjectMeta": _search_source(where, indexed=view is not None),
    }
    indices = {} if view is None else {_INDEX: ("index-pattern", view.id)}
    return _object("visualization", name, attributes, {**indices, **(references or {})})


def _builder(panel: Panel, view: DataView) -> dict[str, Any]:
    return {
        "id": panel.id,
        "type": "timeseries",
        "index_pattern": view.title,
        "default_index_pattern": view.title,
        "time_field": TIME,
        "default_timefield": TIME,
        "interval": "" if panel.interval == "auto" else f">={panel.interval}",
        "axis_position": "left",
        "axis_formatter": "number",
        "axis_scale": "normal",
        "show_legend": 1,
        "show_grid": 1,
        "tooltip_mode": "show_all",
        "isModelInvalid": False,
        "filter": {"query": kuery(panel.where), "language": "kuery"},
        "series": [_line(place, series, panel) for place, series in enumerate(panel.series)],
    }


def _line(place: int, series: Series, panel: Panel) -> dict[str, Any]:
    split: dict[str, Any] = {"split_mode": "everything"}
    if panel.split:
        split = {"split_mode": "terms", "terms_field": panel.split.field, "terms_size": str(panel.split.size)}
        split |= {"terms_order_by": "_key", "terms_direction": "asc"}
    is_bar, is_stacked = panel.form == "bar_stacked", panel.form != "line"
    return {
        "id": series.id,
        "label": series.label,
        "color": _COLOURS[place % len(_COLOURS)],
        "metrics": _measures(series),
        "formatter": _FORMATTERS.get(series.unit, "number"),
        "value_template": "{{value}}/s" if series.per_second and series.unit != "fraction" else "{{value}}",
        "chart_type": "bar" if is_bar else "line",
        "stacked": "stacked" if is_stacked else "none",
        "line_width": 1,
        "point_size": 1,
        "fill": 0.5 if is_stacked else 0,
        "separate_axis": 0,
        "axis_position": "right",
        **split,
    }


def _measures(series: Series) -> list[dict[str, Any]]:
    """The last of them is drawn: a rate is made of a maximum, and what of its growth is not below zero."""
    name = f"{series.id}-metric"
    if series.operation == "count":
        return [{"id": name, "type": "count"}]
    measured = {"id": name, "type": _TYPES.get(series.operation, series.operation), "field": series.field}
    if series.operation == "percentile":
        line = {"id": f"{name}-line", "mode": "line", "value": str(series.percentile), "shade": 0.2}
        return [{**measured, "percentiles": [line]}]
    if not series.per_second:
        return [measured]
    growth = {"id": f"{name}-growth", "type": "derivative", "field": name, "unit": "1s"}
    return [measured, growth, {"id": f"{name}-rate", "type": "positive_only", "field": growth["id"], "unit": ""}]


def _aggregation(name: str, series: Series) -> dict[str, Any]:
    params: dict[str, Any] = {"customLabel": series.label}
    if series.operation != "count":
        params["field"] = series.field
    kind = _TYPES.get(series.operation, series.operation)
    if series.operation == "last_value" and series.unit == "date":
        kind = "max"
    elif series.operation == "last_value":
        params |= {"aggregate": "concat", "size": 1, "sortField": TIME, "sortOrder": "desc"}
    return {"id": name, "enabled": True, "type": kind, "schema": "metric", "params": params}


def _controls(dashboard: Dashboard, view: DataView) -> dict[str, Any]:
    controls = [_control(place, each) for place, each in enumerate(dashboard.controls)]
    params = {"controls": controls, "updateFiltersOnChange": True, "useTimeFilter": True, "pinFilters": False}
    references = {each["indexPatternRefName"]: ("index-pattern", view.id) for each in controls}
    return _vis(f"{dashboard.id}-controls", "", "input_control_vis", params, references=references)


def _control(place: int, control: Control) -> dict[str, Any]:
    options = {"type": "terms", "multiselect": True, "dynamicOptions": True, "size": 100, "order": "desc"}
    named = {"id": control.id, "fieldName": control.field, "label": control.title, "parent": "", "type": "list"}
    return {**named, "options": options, "indexPatternRefName": f"control_{place}_index_pattern"}


def _search_source(where: tuple[Clause, ...], *, indexed: bool = False) -> dict[str, str]:
    source: dict[str, Any] = {"query": {"query": kuery(where), "language": "kuery"}, "filter": []}
    return {"searchSourceJSON": json.dumps({**source, "indexRefName": _INDEX} if indexed else source)}


def _object(
    kind: str, name: str, attributes: Mapping[str, Any], references: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    found = [{"name": at, "type": type_, "id": id_} for at, (type_, id_) in references.items()]
    version = {kind: _VERSIONS[kind]}
    return {"type": kind, "id": name, "migrationVersion": version, "attributes": attributes, "references": found}


_METRIC: Mapping[str, Any] = {
    "addTooltip": True,
    "addLegend": False,
    "type": "metric",
    "metric": {
        "percentageMode": False,
        "useRanges": False,
        "colorSchema": "Green to Red",
        "metricColorMode": "None",
        "colorsRange": [{"from": 0, "to": 10_000}],
        "labels": {"show": True},
        "invertColors": False,
        "style": {"bgFill": "#000", "bgColor": False, "labelColor": False, "subText": "", "fontSize": 60},
    },
}
