"""A dashboard is made of what readers publish now."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from expvastic.dashboards.panels import Panel
from expvastic.dashboards.parse import parse_objects
from go_app import GoApp
from panel_queries import drawn, search_body
from program import run, spell
from real_nodes import Node
from saved_objects import nested
from scripted_http import HANG, Answer, Request, ScriptedServer
from shipping import INDEX, ship


def configuration(**endpoints: Mapping[str, Any]) -> str:
    recorders = {"screen": {"type": "console"}}
    readers = {name: {"type": "http", "interval": "1s", **settings} for name, settings in endpoints.items()}
    return spell(
        {
            "readers": readers,
            "recorders": recorders,
            "routes": {"main": {"readers": list(readers), "recorders": ["screen"]}},
        }
    )


async def build(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "my.yml").write_text(text, encoding="utf-8")
    command = partial(run, "dashboard", "build", "-c", "my.yml", "--every", "10ms", *arguments, folder=folder)
    return await anyio.to_thread.run_sync(command)


def panels_of(output: str) -> list[Panel]:
    view, (board,) = parse_objects([nested(json.loads(line)) for line in output.splitlines()])
    assert (view.id, view.title) == ("expvastic-published-my", "metrics-expvastic*,expvastic*")
    return [panel for panel in board.panels if panel.form != "text"]


def pages(*bodies: dict[str, object]) -> Callable[[Request], Answer]:
    """One page after the other, each connection by itself; the last repeats."""
    waiting = list(bodies)
    return lambda request: Answer(waiting.pop(0) if len(waiting) > 1 else waiting[0])


FIRST: dict[str, object] = {
    "hits": 5,
    "queue": {"length": 7, "limit": 10},
    "load": 0.25,
    "busy_seconds": 1.5,
    "version": "1.2",
    "ready": True,
    "sizes": [1, 2],
    "nothing": None,
}
THEN = {**FIRST, "hits": 9, "queue": {"length": 3, "limit": 10}, "load": 0.5, "busy_seconds": 1.75}


async def test_counters_are_rates_gauges_lines_and_texts_stand_in_a_table(tmp_path: Path) -> None:
    async with ScriptedServer(pages(FIRST, THEN)) as server:
        done = await build(tmp_path, configuration(shop={"endpoint": server.url}))

    assert (done.returncode, done.stderr) == (0, "")
    panels = panels_of(done.stdout)
    charts = {panel.series[0].field: panel.series[0].per_second for panel in panels if panel.form == "line"}
    assert charts == {
        "json.hits": True,
        "json.queue.length": False,
        "json.queue.limit": False,
        "json.load": False,
        "json.busy_seconds": True,
        "json.sizes": False,
    }
    (table,) = [panel for panel in panels if panel.form == "table"]
    assert [(each.field, each.unit, each.operation) for each in table.series] == [
        ("json.version", "text", "last_value"),
        ("json.ready", "boolean", "last_value"),
    ]
    assert {clause.value for panel in panels for clause in panel.where} == {"shop", "http"}


async def test_what_fell_between_two_polls_is_a_gauge_however_often_it_grew(tmp_path: Path) -> None:
    counts: list[dict[str, object]] = [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 3}]
    async with ScriptedServer(pages(*counts)) as server:
        done = await build(tmp_path, configuration(shop={"endpoint": server.url}), "--polls", "3")

    panels = panels_of(done.stdout)
    assert {panel.title: panel.series[0].per_second for panel in panels} == {"a": False, "b, per second": True}


async def test_names_and_units_are_those_that_are_shipped(tmp_path: Path) -> None:
    settings = {
        "prefix": "shop",
        "rename": {"hits": "visits"},
        "exclude": ["secret*"],
        "mapping": {"memory_bytes": {"used": "b"}},
    }
    page: dict[str, object] = {"hits": 1, "used": 4096, "secret_sauce": 7}
    async with ScriptedServer(pages(page, {**page, "hits": 2})) as server:
        done = await build(tmp_path, configuration(shop={"endpoint": server.url, **settings}))

    fields = {panel.series[0].field: panel.series[0].unit for panel in panels_of(done.stdout)}
    assert fields == {"shop.visits": "number", "shop.used": "bytes"}


async def test_the_dashboard_can_be_for_others(tmp_path: Path) -> None:
    async with ScriptedServer(pages({"hits": 1, "name": "x"})) as server:
        text = configuration(shop={"endpoint": server.url})
        grafana = await build(tmp_path, text, "--target", "grafana")
        opensearch = await build(tmp_path, text, "--target", "opensearch", "-o", "out", "--index", "mine-*")

    assert json.loads(grafana.stdout)["title"] == "Published by shop"
    assert (opensearch.returncode, opensearch.stdout) == (0, "")
    assert '"title":"mine-*"' in (tmp_path / "out").read_text(encoding="utf-8").splitlines()[0]


async def test_a_reader_that_fails_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    async with ScriptedServer(pages({"hits": 1})) as server, ScriptedServer(Answer("<html>")) as broken:
        text = configuration(shop={"endpoint": server.url}, sick={"endpoint": broken.url})
        done = await build(tmp_path, text)
        nothing = await build(tmp_path, configuration(sick={"endpoint": broken.url}))

    assert done.returncode == nothing.returncode == 1
    assert [panel.title for panel in panels_of(done.stdout)] == ["hits"]
    assert done.stderr.startswith("expvastic: reader sick: ")
    assert nothing.stderr.startswith("expvastic: dashboard build: reader sick: ")
    assert (nothing.stdout, done.stderr.count("\n"), nothing.stderr.count("\n")) == ("", 1, 1)


async def test_a_value_that_changes_its_kind_is_no_counter(tmp_path: Path) -> None:
    async with ScriptedServer(pages({"a": 1, "b": 1}, {"a": "two", "b": 2.5})) as server:
        done = await build(tmp_path, configuration(shop={"endpoint": server.url}))

    assert [panel.title for panel in panels_of(done.stdout)] == ["a", "b, per second"]


async def test_gos_memory_under_another_name_is_known_for_what_it_is(tmp_path: Path) -> None:
    page: dict[str, object] = {"memstats": {"HeapAlloc": 1, "NumGC": 5, "PauseTotalNs": 7, "GCCPUFraction": 0.1}}
    async with ScriptedServer(pages(page)) as server:
        done = await build(tmp_path, configuration(shop={"endpoint": server.url}))

    shown = {panel.series[0].field: panel.series[0] for panel in panels_of(done.stdout)}
    assert {field: (each.unit, each.per_second) for field, each in shown.items()} == {
        "json.memstats.HeapAlloc": ("bytes", False),
        "json.memstats.NumGC": ("number", True),
        "json.memstats.PauseTotalNs": ("ns", True),
        "json.memstats.GCCPUFraction": ("fraction", False),
    }


async def test_readers_have_a_heading_each_until_there_is_no_room(tmp_path: Path) -> None:
    full = pages({f"n{number}": number for number in range(160)})
    async with ScriptedServer(full) as first, ScriptedServer(pages({"hits": 1})) as second:
        text = configuration(one={"endpoint": first.url}, two={"endpoint": second.url})
        done = await build(tmp_path, text)

    _, (board,) = parse_objects([nested(json.loads(line)) for line in done.stdout.splitlines()])
    assert board.id == "expvastic-published-my"
    assert board.title == "Published by one, two"
    assert [panel.text for panel in board.panels if panel.form == "text"] == ["**one** (http)"]
    assert len(board.panels) == 151
    assert "11 panels are left out" in done.stderr


async def test_a_reader_that_does_not_answer_in_time_is_told(tmp_path: Path) -> None:
    async with ScriptedServer(HANG) as server:
        done = await build(tmp_path, configuration(slow={"endpoint": server.url, "timeout": "50ms"}))

    assert done.returncode == 1
    assert done.stderr.endswith(f"reader slow: {server.url}: no complete answer within 0.05 s\n")


async def test_a_page_with_too_much_on_it_is_cut_and_that_is_said(tmp_path: Path) -> None:
    async with ScriptedServer(pages({f"n{number}": number for number in range(170)})) as server:
        done = await build(tmp_path, configuration(shop={"endpoint": server.url}))

    assert done.returncode == 0
    assert len(panels_of(done.stdout)) == 150
    assert "20 panels are left out" in done.stderr


@pytest.mark.parametrize(
    ("text", "arguments", "code", "complaint"),
    [
        (configuration(own={"type": "self"}), [], 1, "polls nothing but expvastic itself"),
        (configuration(shop={"endpoint": "h:1"}), ["--polls", "1"], 2, "dashboard build --polls: must be 2 or more"),
        (configuration(shop={"endpoint": "h:1"}), ["--every", "soon"], 2, "dashboard build --every: "),
        ("{}", [], 2, "my.yml readers: is missing"),
    ],
)
async def test_what_cannot_be_built_is_said(
    text: str, arguments: list[str], code: int, complaint: str, tmp_path: Path
) -> None:
    done = await build(tmp_path, text, *arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in done.stderr


def test_a_built_dashboard_shows_what_is_shipped(real_node: Node, go_app: Callable[[], GoApp], tmp_path: Path) -> None:
    app = go_app()
    ship(real_node, app, tmp_path, seconds=3)
    readers = {"shop": {"type": "expvar", "endpoint": app.url}}
    (tmp_path / "my.yml").write_text(configuration(**readers), encoding="utf-8")

    done = run("dashboard", "build", "-c", "my.yml", "--every", "50ms", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    lines = [nested(json.loads(line)) for line in done.stdout.splitlines()]
    view, (board,) = parse_objects(lines)
    panels = [panel for panel in board.panels if panel.form != "text"]
    rates = {each.field for panel in panels for each in panel.series if each.per_second}
    assert {"expvar.counter", "expvar.requests", "expvar.hits.total"} <= rates
    assert not {"expvar.int64_max", "expvar.goroutines", "expvar.ratio"} & rates
    for panel in panels:
        answer = real_node.call("POST", f"/{INDEX}/_search", search_body(panel, view, runtime=False))
        shown = drawn(panel, answer)
        assert shown.lines or shown.rows, panel.title
