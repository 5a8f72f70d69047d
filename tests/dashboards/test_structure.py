"""The shipped file is what Kibana takes: checked here, because Kibana says so only when somebody looks at a panel."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from expvastic.clients.failures import REASONS
from expvastic.dashboards import source
from expvastic.dashboards.kibana import dashboard_object, data_view_object, to_lines
from expvastic.dashboards.panels import CHARTS
from expvastic.dashboards.parse import parse_objects
from expvastic.dashboards.source import shipped_objects
from expvastic.errors import ExpvasticError
from expvastic.pages.memstats import FIELDS
from expvastic.recorders.elasticsearch.template import Features, build_mappings
from house import PACKAGE, ROOT
from saved_objects import nested

OBJECTS = shipped_objects()
LINES = [json.loads(line) for line in to_lines(OBJECTS).splitlines()]
VIEW, BOARDS = parse_objects(OBJECTS)
DASHBOARDS = [each for each in LINES if each["type"] == "dashboard"]

OBJECT_KEYS = {"type", "id", "coreMigrationVersion", "typeMigrationVersion", "managed", "attributes", "references"}
ATTRIBUTES = {
    "index-pattern": {"title", "name", "timeFieldName", "allowNoIndex", "runtimeFieldMap"},
    "dashboard": {
        *("title", "description", "version", "timeRestore", "timeFrom", "timeTo", "refreshInterval"),
        *("kibanaSavedObjectMeta", "optionsJSON", "controlGroupInput", "panelsJSON"),
    },
}
VERSIONS = {"index-pattern": "8.0.0", "dashboard": "8.9.0"}
OPERATIONS = {
    "date_histogram": ("date", True),
    "terms": ("string", True),
    **dict.fromkeys(("average", "max", "percentile", "count", "unique_count", "counter_rate"), ("number", False)),
}


def panels() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for dashboard in DASHBOARDS:
        for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
            yield dashboard, panel


LENS = [
    pytest.param(dashboard, panel, id=f"{dashboard['id']}-{panel['panelIndex']}")
    for dashboard, panel in panels()
    if panel["type"] == "lens"
]


def layer_of(panel: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    state = panel["embeddableConfig"]["attributes"]["state"]
    ((name, layer),) = state["datasourceStates"]["formBased"]["layers"].items()
    return name, layer, state["visualization"]


def test_there_are_a_data_view_and_three_dashboards() -> None:
    assert VIEW.title == "metrics-expvastic*,expvastic*"
    assert [board.title for board in BOARDS] == ["Go runtime", "expvastic", "Service overview"]


@pytest.mark.parametrize("found", LINES, ids=lambda found: found["id"])
def test_an_object_has_the_keys_and_versions_that_every_kibana_from_8_9_takes(found: dict[str, Any]) -> None:
    kind = found["type"]

    assert set(found) == OBJECT_KEYS
    assert set(found["attributes"]) == ATTRIBUTES[kind]
    assert (found["coreMigrationVersion"], found["typeMigrationVersion"]) == ("8.8.0", VERSIONS[kind])


# What Kibana's published schemas say of these members; a member that they do not know is refused as a whole.
MEMBERS: dict[str, Any] = {
    "index-pattern": {"title": str, "name": str, "timeFieldName": str, "allowNoIndex": bool, "runtimeFieldMap": str},
    "dashboard": {
        **dict.fromkeys(("title", "description", "timeFrom", "timeTo", "optionsJSON", "panelsJSON"), str),
        "version": int,
        "timeRestore": bool,
        "refreshInterval": {"pause": bool, "value": int},
        "kibanaSavedObjectMeta": {"searchSourceJSON": str},
        "controlGroupInput": dict.fromkeys(
            ("panelsJSON", "controlStyle", "chainingSystem", "ignoreParentSettingsJSON"), str
        ),
    },
    "panel": {
        **dict.fromkeys(("type", "panelIndex", "title"), str),
        "gridData": {**dict.fromkeys("xywh", int), "i": str},
        "embeddableConfig": dict,
    },
    "control": {"order": int, "width": str, "grow": bool, "type": str, "explicitInput": dict},
    "reference": {"name": str, "type": str, "id": str},
}


def kinds(value: Any, wanted: Any) -> Any:
    """The types in a value, as deep as the wanted ones are told."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        return {name: kinds(inner, wanted.get(name)) for name, inner in value.items()}
    return type(value)


@pytest.mark.parametrize("found", LINES, ids=lambda found: found["id"])
def test_members_are_of_the_types_that_kibana_takes(found: dict[str, Any]) -> None:
    wanted = MEMBERS[found["type"]]
    shown = [panel for dashboard, panel in panels() if dashboard is found]
    controls = json.loads(found["attributes"].get("controlGroupInput", {}).get("panelsJSON", "{}")).values()

    assert kinds(found["attributes"], wanted) == wanted
    for name, members in (("panel", shown), ("control", controls), ("reference", found["references"])):
        assert [member for member in members if kinds(member, MEMBERS[name]) != MEMBERS[name]] == []


@pytest.mark.parametrize("found", DASHBOARDS, ids=lambda found: found["id"])
def test_members_that_kibana_keeps_as_text_are_text_with_json_in_it(found: dict[str, Any]) -> None:
    attributes = found["attributes"]
    controls = attributes["controlGroupInput"]

    assert isinstance(json.loads(attributes["panelsJSON"]), list)
    texts = [attributes["optionsJSON"], attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]]
    texts += [controls["ignoreParentSettingsJSON"], controls["panelsJSON"]]
    assert all(isinstance(json.loads(text), dict) for text in texts)
    assert isinstance(json.loads(LINES[0]["attributes"]["runtimeFieldMap"]), dict)


def test_no_two_objects_have_one_id() -> None:
    assert len({(each["type"], each["id"]) for each in LINES}) == len(LINES)


@pytest.mark.parametrize("found", DASHBOARDS, ids=lambda found: found["id"])
def test_every_reference_is_used_and_leads_to_the_data_view_in_the_file(found: dict[str, Any]) -> None:
    shown = [panel for dashboard, panel in panels() if dashboard is found and panel["type"] == "lens"]
    wanted = {f"{panel['panelIndex']}:{ref['name']}" for panel in shown for ref in references(panel)}
    wanted |= {
        f"controlGroup_{name}:optionsListDataView"
        for name in json.loads(found["attributes"]["controlGroupInput"]["panelsJSON"])
    }

    assert sorted(each["name"] for each in found["references"]) == sorted(wanted)
    assert {(each["type"], each["id"]) for each in found["references"]} == {("index-pattern", VIEW.id)}


def references(panel: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = panel["embeddableConfig"]["attributes"]["references"]
    return found


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_a_layer_is_complete(dashboard: dict[str, Any], panel: dict[str, Any]) -> None:
    name, layer, _ = layer_of(panel)
    columns, order = layer["columns"], layer["columnOrder"]
    buckets = [columns[column]["isBucketed"] for column in order]

    assert [ref["name"] for ref in references(panel)] == [f"indexpattern-datasource-layer-{name}"]
    assert {ref["id"] for ref in references(panel)} == {VIEW.id}
    assert sorted(order) == sorted(columns)
    assert buckets == sorted(buckets, reverse=True)
    for column in columns.values():
        assert set(column.get("references", ())) <= set(columns)
        ordered = column["params"].get("orderBy", {})
        assert ordered.get("columnId", order[0]) in columns
        assert columns[ordered.get("columnId", order[0])].get("references") is None


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_columns_are_of_known_operations_and_of_the_types_that_go_with_them(
    dashboard: dict[str, Any], panel: dict[str, Any]
) -> None:
    _, layer, _ = layer_of(panel)

    for column in layer["columns"].values():
        kind = column["dataType"], column["isBucketed"]
        if column["operationType"] == "last_value":
            assert kind in {(each, False) for each in ("number", "string", "boolean", "date")}
            assert column["filter"]["query"] == f'"{column["sourceField"]}": *'
        else:
            assert kind == OPERATIONS[column["operationType"]]
        is_rate = column["operationType"] == "counter_rate"
        assert ("sourceField" in column) != is_rate
        assert column.get("timeScale") == ("s" if is_rate else None)


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_what_is_shown_is_in_the_layer_and_all_that_is_measured_is_shown(
    dashboard: dict[str, Any], panel: dict[str, Any]
) -> None:
    name, layer, shown = layer_of(panel)
    kind = panel["embeddableConfig"]["attributes"]["visualizationType"]
    parts = shown["layers"] if kind == "lnsXY" else [shown]
    (part,) = parts
    used = {
        "lnsXY": lambda: [part["xAccessor"], *part["accessors"], *filter(None, [part.get("splitAccessor")])],
        "lnsMetric": lambda: [part["metricAccessor"], *filter(None, [part.get("breakdownByAccessor")])],
        "lnsDatatable": lambda: [column["columnId"] for column in part["columns"]],
    }[kind]()
    helpers = {each for column in layer["columns"].values() for each in column.get("references", ())}

    assert part["layerId"] == name
    assert sorted(used) == sorted(set(layer["columns"]) - helpers)


@pytest.mark.parametrize("found", DASHBOARDS, ids=lambda found: found["id"])
def test_panels_are_on_the_grid_and_on_no_other_panel(found: dict[str, Any]) -> None:
    shown = [panel for dashboard, panel in panels() if dashboard is found]
    taken: set[tuple[int, int]] = set()
    for panel in shown:
        grid = panel["gridData"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert grid["i"] == panel["panelIndex"]
        assert grid["x"] + grid["w"] <= 48
        assert not cells & taken
        taken |= cells

    assert len({panel["panelIndex"] for panel in shown}) == len(shown)


def test_a_memstats_field_that_is_shown_is_one_of_gos_and_a_counter_is_shown_as_a_rate() -> None:
    series = [each for board in BOARDS for panel in board.panels for each in panel.series]
    go = [each for each in series if each.field.startswith("expvar.memstats.")]

    kinds = {(each.field, FIELDS[each.field.rpartition(".")[2]].kind, each.per_second) for each in go}
    assert {kind for _, kind, per_second in kinds if per_second} == {"counter"}
    assert {kind for _, kind, per_second in kinds if not per_second} == {"gauge", "ring"}


def test_only_numbers_are_measured_and_split_are_words() -> None:
    mappings: Any = build_mappings(Features())
    known = mappings["properties"]

    for board in BOARDS:
        for panel in board.panels:
            words = [panel.split.field] if panel.split else []
            words += [each.field for each in panel.where] + [each.field for each in panel.series if each.unit == "text"]
            assert {known[field]["type"] for field in words if field in known} <= {"keyword"}
            numbers = [each for each in panel.series if each.operation in ("average", "max", "percentile")]
            assert not [each.field for each in numbers if known.get(each.field, {}).get("type") == "keyword"]


def test_no_reason_for_a_failed_poll_is_forgotten() -> None:
    (panel,) = [panel for board in BOARDS for panel in board.panels if panel.id == "failures"]
    text = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    written = re.findall(r'(?:InvalidPayload|ReadError)\(\s*"(\w+)"', text)

    assert {series.id for series in panel.series} == {*REASONS, *written, "timeout"}


def test_every_chart_is_drawn_over_time_and_every_table_has_rows() -> None:
    for board in BOARDS:
        for panel in board.panels:
            assert panel.form in {*CHARTS, "metric", "table", "text"}
            assert panel.form != "table" or panel.split


def test_a_line_is_one_object_and_says_what_the_file_says() -> None:
    text = to_lines(OBJECTS)

    assert text.endswith("}\n")
    assert "\n\n" not in text
    assert len(text.splitlines()) == len(OBJECTS)
    assert [nested(line) for line in LINES] == OBJECTS


def test_the_file_is_what_is_made_of_it_when_it_is_read_and_written_again() -> None:
    """So that the exports for others, which are made of what was read, miss nothing of it."""
    assert [data_view_object(VIEW), *(dashboard_object(board, VIEW.id) for board in BOARDS)] == OBJECTS


def test_a_panel_that_was_changed_by_hand_is_read_as_changed() -> None:
    panel = BOARDS[0].panels[1]
    board = dataclasses.replace(BOARDS[0], panels=(dataclasses.replace(panel, title="Mine"),))

    _, (again,) = parse_objects([data_view_object(VIEW), dashboard_object(board, VIEW.id)])

    assert again.panels[0].title == "Mine"


def test_the_file_can_be_reviewed_line_by_line() -> None:
    """One line per column of a panel, so that a change is seen where it is."""
    lines = (ROOT / "bin" / "dashboard.json").read_text(encoding="utf-8").splitlines()
    columns = [line for line in lines if '"operationType": ' in line]

    assert len(columns) == sum(len(layer_of(panel.values[1])[1]["columns"]) for panel in LENS)
    assert not [line for line in columns if not re.fullmatch(r' *"\w+": \{.*\},?', line)]


def test_a_wheel_has_the_file_where_it_is_looked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    installed = {(ROOT / source, PACKAGE / Path(place).relative_to("expvastic")) for source, place in included.items()}
    assert installed == {(source.PLACES[1], source.PLACES[0])}


def test_an_installation_without_the_file_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(source, "PLACES", (tmp_path / "none",))
    with pytest.raises(ExpvasticError, match=r"none is missing; install expvastic again"):
        shipped_objects()
    (tmp_path / "bad").write_text('{"objects"')
    monkeypatch.setattr(source, "PLACES", (tmp_path / "bad",))
    with pytest.raises(ExpvasticError, match=r"bad is no file of dashboards"):
        shipped_objects()
