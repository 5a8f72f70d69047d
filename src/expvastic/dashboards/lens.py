"""A panel as Kibana keeps it: Lens and Markdown by value, members nested that Kibana wants as text.

Versions are those that every Kibana from 8.9 takes and brings up to date itself. Only operations and keys are used
that stand in real exports; there are no formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .panels import TIME, Panel, Series, Split, Unit, kuery

LAYER = "layer"
LAYER_REFERENCE = f"indexpattern-datasource-layer-{LAYER}"
RECORDS = "___records___"
TOTAL = "_total"  # behind a rate's id: the counter of which it is the growth
VISUALISATIONS = {"table": "lnsDatatable", "metric": "lnsMetric"}

_FORMATS: Mapping[Unit, Mapping[str, Any]] = {
    "bytes": {"id": "bytes", "params": {"decimals": 1}},
    "fraction": {"id": "percent", "params": {"decimals": 2}},
    "ns": {"id": "duration", "params": {"decimals": 1, "fromUnit": "nanoseconds", "toUnit": "humanizePrecise"}},
    "seconds": {"id": "duration", "params": {"decimals": 1, "fromUnit": "seconds", "toUnit": "humanizePrecise"}},
}
_TYPES: Mapping[Unit, str] = {"boolean": "boolean", "date": "date", "text": "string"}


def panel_object(panel: Panel, data_view: str) -> dict[str, Any]:
    """An element of a dashboard's ``panelsJSON``."""
    place = panel.grid
    grid = {"x": place.x, "y": place.y, "w": place.w, "h": place.h, "i": panel.id}
    head = {"panelIndex": panel.id, "gridData": grid, "title": panel.title}
    if panel.form == "text":
        return {"type": "visualization", **head, "embeddableConfig": _markdown(panel.text)}
    config = {"enhancements": {}, "hidePanelTitles": False, "attributes": _attributes(panel, data_view)}
    return {"type": "lens", **head, "embeddableConfig": config}


def _attributes(panel: Panel, data_view: str) -> dict[str, Any]:
    columns = _columns(panel)
    layer = {"columnOrder": list(columns), "columns": columns, "incompleteColumns": {}}
    return {
        "title": "",
        "type": "lens",
        "visualizationType": VISUALISATIONS.get(panel.form, "lnsXY"),
        "references": [{"type": "index-pattern", "id": data_view, "name": LAYER_REFERENCE}],
        "state": {
            "query": {"language": "kuery", "query": kuery(panel.where)},
            "filters": [],
            "adHocDataViews": {},
            "internalReferences": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "visualization": _visualisation(panel),
        },
    }


def _columns(panel: Panel) -> dict[str, Any]:
    """By id, in Kibana's order: buckets, then what is measured, then what is made of that."""
    columns: dict[str, Any] = {}
    if panel.split:
        columns["split"] = _split(panel.split, panel.series)
    if panel.form not in VISUALISATIONS:
        columns["time"] = _time(panel.interval)
    for series in panel.series:
        columns[series.id + TOTAL if series.per_second else series.id] = _measured(series)
    for series in panel.series:
        if series.per_second:
            columns[series.id] = _rate(series)
    return columns


def _time(interval: str) -> dict[str, Any]:
    return {
        "operationType": "date_histogram",
        "sourceField": TIME,
        "label": TIME,
        "dataType": "date",
        "isBucketed": True,
        "scale": "interval",
        "params": {"interval": interval, "includeEmptyRows": True, "dropPartials": False},
    }


def _split(split: Split, series: tuple[Series, ...]) -> dict[str, Any]:
    """The largest values first; by name where that cannot be said, as of rates and of tables' latest values."""
    first = series[0]
    is_measured = not first.per_second and first.operation != "last_value"
    order = {"type": "column", "columnId": first.id} if is_measured else {"type": "alphabetical", "fallback": False}
    return {
        "operationType": "terms",
        "sourceField": split.field,
        "label": split.label,
        "customLabel": True,
        "dataType": "string",
        "isBucketed": True,
        "scale": "ordinal",
        "params": {
            "size": split.size,
            "orderBy": order,
            "orderDirection": "desc" if is_measured else "asc",
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
        },
    }


def _measured(series: Series) -> dict[str, Any]:
    label = f"{series.label}, total" if series.per_second else series.label
    column = {
        "operationType": series.operation,
        "sourceField": series.field or RECORDS,
        "label": label,
        "customLabel": True,
        "dataType": _TYPES.get(series.unit, "number"),
        "isBucketed": False,
        "scale": "ordinal" if series.unit in ("boolean", "text") else "ratio",
    }
    if series.operation == "last_value":
        column["filter"] = {"language": "kuery", "query": f'"{series.field}": *'}
        return {**column, "params": {"sortField": TIME, "showArrayValues": False, **_format(series)}}
    percentile = {"percentile": series.percentile} if series.operation == "percentile" else {}
    return {**column, "params": {**percentile, "emptyAsNull": True, **_format(series)}}


def _rate(series: Series) -> dict[str, Any]:
    return {
        "operationType": "counter_rate",
        "references": [series.id + TOTAL],
        "timeScale": "s",
        "label": series.label,
        "customLabel": True,
        "dataType": "number",
        "isBucketed": False,
        "scale": "ratio",
        "params": _format(series),
    }


def _format(series: Series) -> dict[str, Any]:
    if series.unit in _TYPES:
        return {}
    decimals = 2 if series.per_second or series.operation == "average" else 0
    return {"format": _FORMATS.get(series.unit, {"id": "number", "params": {"decimals": decimals}})}


def _visualisation(panel: Panel) -> dict[str, Any]:
    layer = {"layerId": LAYER, "layerType": "data"}
    metrics = [series.id for series in panel.series]
    if panel.form == "table":
        columns = ["split", *metrics] if panel.split else metrics
        return {**layer, "columns": [{"columnId": column, "isTransposed": False} for column in columns]}
    if panel.form == "metric":
        return {**layer, "metricAccessor": metrics[0], **({"breakdownByAccessor": "split"} if panel.split else {})}
    chart = {**layer, "seriesType": panel.form, "position": "top", "showGridlines": False, "xAccessor": "time"}
    split = {"splitAccessor": "split"} if panel.split else {}
    return {
        "preferredSeriesType": panel.form,
        "legend": {"isVisible": True, "position": "bottom"},
        "valueLabels": "hide",
        "fittingFunction": "Linear" if panel.form == "line" else "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
        "layers": [{**chart, "accessors": metrics, **split}],
    }


def _markdown(text: str) -> dict[str, Any]:
    params = {"fontSize": 12, "openLinksInNewTab": False, "markdown": text}
    data: dict[str, Any] = {"aggs": [], "searchSource": {}}
    saved = {"type": "markdown", "title": "", "description": "", "params": params, "uiState": {}, "data": data}
    return {"enhancements": {}, "hidePanelTitles": True, "savedVis": saved}
