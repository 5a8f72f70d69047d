"""Dashboards as Kibana's saved objects, and those as the lines that Kibana imports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .lens import LAYER_REFERENCE, panel_object
from .panels import TIME, Control, Dashboard, DataView

MINIMUM = (8, 9)  # the oldest Kibana that takes these versions
_CORE, _DASHBOARD, _DATA_VIEW = "8.8.0", "8.9.0", "8.0.0"

# Members that Kibana keeps as text in which JSON stands; a path of names each.
_TEXTS = (
    *(("panelsJSON",), ("optionsJSON",), ("runtimeFieldMap",), ("kibanaSavedObjectMeta", "searchSourceJSON")),
    *(("controlGroupInput", "panelsJSON"), ("controlGroupInput", "ignoreParentSettingsJSON")),
)


def data_view_object(view: DataView) -> dict[str, Any]:
    """The data view. A field that need not be there is read from the document: Lens refuses those it does not know."""
    attributes = {"title": view.title, "name": view.name, "timeFieldName": TIME, "allowNoIndex": True}
    optional = {name: {"type": kind} for name, kind in view.optional}
    return _object("index-pattern", view.id, _DATA_VIEW, {**attributes, "runtimeFieldMap": optional}, [])


def dashboard_object(dashboard: Dashboard, data_view: str) -> dict[str, Any]:
    """A dashboard with its panels and controls by value."""
    attributes = {
        "title": dashboard.title,
        "description": dashboard.description,
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-1h",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 10_000},
        "kibanaSavedObjectMeta": {"searchSourceJSON": {"query": {"language": "kuery", "query": ""}, "filter": []}},
        "optionsJSON": {
            "useMargins": True,
            "syncColors": False,
            "syncCursor": True,
            "syncTooltips": False,
            "hidePanelTitles": False,
        },
        "controlGroupInput": _controls(dashboard.controls),
        "panelsJSON": [panel_object(panel, data_view) for panel in dashboard.panels],
    }
    charts = [panel.id for panel in dashboard.panels if panel.form != "text"]
    names = [f"{panel}:{LAYER_REFERENCE}" for panel in charts]
    names += [f"controlGroup_{control.id}:optionsListDataView" for control in dashboard.controls]
    references = [{"type": "index-pattern", "id": data_view, "name": name} for name in names]
    return _object("dashboard", dashboard.id, _DASHBOARD, attributes, references)


def to_lines(objects: Iterable[Mapping[str, Any]]) -> str:
    """The objects as NDJSON for Kibana's import: one per line, nested members as text."""
    return "".join(_compact(_stringified(each)) + "\n" for each in objects)


def _stringified(found: Mapping[str, Any]) -> dict[str, Any]:
    attributes = dict(found["attributes"])
    for first, *rest in _TEXTS:
        if first in attributes:
            inner = attributes[first]
            attributes[first] = {**inner, rest[0]: _compact(inner[rest[0]])} if rest else _compact(inner)
    return {**found, "attributes": attributes}


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _object(
    kind: str, name: str, version: str, attributes: Mapping[str, Any], references: list[dict[str, str]]
) -> dict[str, Any]:
    head = {"type": kind, "id": name, "coreMigrationVersion": _CORE, "typeMigrationVersion": version, "managed": False}
    return {**head, "attributes": attributes, "references": references}


def _controls(controls: tuple[Control, ...]) -> dict[str, Any]:
    ignore = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "ignoreParentSettingsJSON": ignore,
        "panelsJSON": {each.id: _control(order, each) for order, each in enumerate(controls)},
    }


def _control(order: int, control: Control) -> dict[str, Any]:
    chosen = {"id": control.id, "fieldName": control.field, "title": control.title}
    return {
        "order": order,
        "width": "medium",
        "grow": True,
        "type": "optionsListControl",
        "explicitInput": {**chosen, "selectedOptions": [], "enhancements": {}},
    }
