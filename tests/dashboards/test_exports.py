"""What is written for OpenSearch Dashboards and for Grafana says what the shipped file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from expvastic.dashboards.grafana import grafana_dashboard
from expvastic.dashboards.kibana import to_lines
from expvastic.dashboards.opensearch import opensearch_lines
from expvastic.dashboards.panels import CHARTS, Clause, kuery, lucene
from expvastic.dashboards.parse import parse_objects
from expvastic.dashboards.source import shipped_objects
from program import run

VIEW, BOARDS = parse_objects(shipped_objects())
PANELS = {f"{board.id}-{panel.id}": panel for board in BOARDS for panel in board.panels}
OPENSEARCH = [json.loads(line) for line in opensearch_lines(VIEW, BOARDS).splitlines()]
VISUALISATIONS = {each["id"]: each for each in OPENSEARCH if each["type"] == "visualization"}
GRAFANA = grafana_dashboard("expvastic", BOARDS)


def state(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(VISUALISATIONS[name]["attributes"]["visState"])
    return found


def test_opensearch_is_given_objects_of_its_own_age_only() -> None:
    versions = {each["type"]: each["migrationVersion"] for each in OPENSEARCH}

    assert versions == {
        "index-pattern": {"index-pattern": "7.6.0"},
        "visualization": {"visualization": "7.10.0"},
        "dashboard": {"dashboard": "7.9.3"},
    }
    assert "lens" not in json.dumps(OPENSEARCH).casefold()
    assert not [each for each in OPENSEARCH if {"coreMigrationVersion", "typeMigrationVersion"} & set(each)]


def test_every_reference_of_opensearchs_objects_leads_to_one_before_it() -> None:
    known: set[tuple[str, str]] = set()
    for each in OPENSEARCH:
        assert {(ref["type"], ref["id"]) for ref in each["references"]} <= known
        assert (each["type"], each["id"]) not in known
        known.add((each["type"], each["id"]))


def test_opensearch_has_each_panel_at_its_place_below_the_controls() -> None:
    for board in BOARDS:
        (found,) = [each for each in OPENSEARCH if each["id"] == board.id]
        first, *placed = json.loads(found["attributes"]["panelsJSON"])
        names = {ref["name"]: ref["id"] for ref in found["references"]}

        assert state(names[first["panelRefName"]])["type"] == "input_control_vis"
        assert [names[each["panelRefName"]] for each in placed] == [f"{board.id}-{panel.id}" for panel in board.panels]
        grids = [(each["gridData"]["x"], each["gridData"]["y"] - first["gridData"]["h"]) for each in placed]
        assert grids == [(panel.grid.x, panel.grid.y) for panel in board.panels]


@pytest.mark.parametrize("name", [name for name, panel in PANELS.items() if panel.form in CHARTS])
def test_opensearch_draws_the_same_series(name: str) -> None:
    panel, params = PANELS[name], state(name)["params"]

    assert (params["index_pattern"], params["time_field"]) == (VIEW.title, "@timestamp")
    assert params["filter"]["query"] == kuery(panel.where)
    for series, line in zip(panel.series, params["series"], strict=True):
        first, *further = line["metrics"]
        assert (line["label"], first.get("field", "")) == (series.label, series.field)
        assert line.get("terms_field") == (panel.split.field if panel.split else None)
        assert [each["type"] for each in further] == (["derivative", "positive_only"] if series.per_second else [])
        assert [each["field"] for each in further] == [each["id"] for each in line["metrics"][:-1] if further]


@pytest.mark.parametrize("name", [name for name, panel in PANELS.items() if panel.form in ("table", "metric")])
def test_opensearchs_tables_have_the_same_columns(name: str) -> None:
    panel, found = PANELS[name], state(name)
    metrics = [each for each in found["aggs"] if each["schema"] == "metric"]
    buckets = [each["params"]["field"] for each in found["aggs"] if each["schema"] == "bucket"]

    assert [each["params"].get("field", "") for each in metrics] == [each.field for each in panel.series]
    assert [each["params"]["customLabel"] for each in metrics] == [each.label for each in panel.series]
    assert buckets == ([panel.split.field] if panel.split else [])
    source = json.loads(VISUALISATIONS[name]["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert source["query"]["query"] == kuery(panel.where)


def grafana_panels() -> list[dict[str, Any]]:
    return [each for top in GRAFANA["panels"] for each in (top, *top.get("panels", ())) if each["type"] != "row"]


def test_grafana_has_a_row_per_dashboard_and_each_panel_once() -> None:
    rows = [each for each in GRAFANA["panels"] if each["type"] == "row"]
    numbers = [each["id"] for each in [*rows, *grafana_panels()]]

    assert [row["title"] for row in rows] == [board.title for board in BOARDS]
    assert [row["collapsed"] for row in rows] == [False, True, True]
    assert [each["title"] for each in grafana_panels()] == [panel.title for panel in PANELS.values()]
    assert len(set(numbers)) == len(numbers)
    assert all(each["gridPos"]["x"] + each["gridPos"]["w"] <= 24 for each in grafana_panels())


@pytest.mark.parametrize(
    ("panel", "found"),
    [
        pytest.param(panel, found, id=name)
        for (name, panel), found in zip(PANELS.items(), grafana_panels(), strict=True)
        if panel.form in CHARTS
    ],
)
def test_grafana_draws_the_same_series(panel: Any, found: dict[str, Any]) -> None:
    targets = found["targets"]

    assert len({each["refId"] for each in targets}) == len(targets)
    assert found["fieldConfig"]["defaults"]["min"] == 0
    for series, target in zip(panel.series, targets, strict=True):
        first, *further = target["metrics"]
        assert first.get("field", "") == series.field
        assert target["alias"].endswith(series.label)
        assert [(each["type"], each["field"]) for each in further] == (
            [("derivative", "1")] if series.per_second else []
        )
        assert target["query"].endswith(lucene(panel.where))
        kinds = [each["type"] for each in target["bucketAggs"]]
        assert kinds == (["terms", "date_histogram"] if panel.split else ["date_histogram"])


def test_grafanas_data_source_is_asked_for_at_the_import() -> None:
    (asked,) = GRAFANA["__inputs"]
    used = {each["datasource"]["uid"] for each in grafana_panels() if each["type"] != "text"}

    assert used == {"${" + asked["name"] + "}"}
    assert asked["pluginId"] == "elasticsearch"
    assert {each["name"] for each in GRAFANA["templating"]["list"]} == {"service", "host", "address"}


def test_grafanas_tables_show_the_latest_numbers() -> None:
    table = next(each for each in grafana_panels() if each["title"] == "Ledger since the start")
    *latest, told = table["targets"][0]["metrics"]

    names = ("offered", "recorded", "refused", "shed", "salvaged", "replayed", "quarantined", "waiting", "out")
    assert [each["settings"]["metrics"] for each in latest] == [[f"expvar.{name}"] for name in names]
    assert (told["type"], told["field"]) == ("max", "@timestamp")


def test_what_stands_in_a_value_cannot_leave_it() -> None:
    where = (Clause("service.name", 'a" or \\ *'), Clause("event.dataset", "x", negated=True))

    assert kuery(where) == 'service.name: "a\\" or \\\\ *" and not event.dataset: "x"'
    assert lucene(where) == 'service.name:"a\\" or \\\\ *" AND NOT event.dataset:"x"'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], to_lines(shipped_objects())),
        (["--target", "opensearch"], opensearch_lines(VIEW, BOARDS)),
        (["--target", "grafana"], json.dumps(GRAFANA, indent=1, ensure_ascii=False) + "\n"),
    ],
)
def test_the_command_writes_them_to_standard_output_or_to_a_file(
    arguments: list[str], expected: str, tmp_path: Path
) -> None:
    printed = run("dashboard", "export", *arguments, folder=tmp_path, PYTHONIOENCODING="utf-8")
    written = run("dashboard", "export", *arguments, "-o", "out", folder=tmp_path)

    assert (printed.returncode, written.returncode, written.stdout) == (0, 0, "")
    assert printed.stdout == expected
    assert (tmp_path / "out").read_text(encoding="utf-8") == expected


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = run("dashboard", "export", "-o", "no/where", folder=tmp_path)

    assert (done.returncode, done.stderr) == (1, "expvastic: dashboard: no/where: No such file or directory\n")


def test_an_index_of_ones_own_goes_into_the_data_view(tmp_path: Path) -> None:
    done = run("dashboard", "export", "--index", "mine-*", folder=tmp_path)

    assert json.loads(done.stdout.splitlines()[0])["attributes"]["title"] == "mine-*"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: ACTION"),
        (["erase"], "invalid choice: 'erase'"),
        (["export", "--target", "nagios"], "invalid choice: 'nagios'"),
        (["build"], "required: -c/--config"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    done = run("dashboard", *arguments, folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
