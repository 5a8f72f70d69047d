"""Every panel asks a real server for what it shows, and gets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from expvastic.dashboards.panels import CHARTS, Panel
from expvastic.dashboards.parse import parse_objects
from expvastic.dashboards.source import shipped_objects
from go_app import GoApp
from panel_queries import ALL, Drawn, drawn, search_body
from real_nodes import Node
from shipping import INDEX, ship

VIEW, DASHBOARDS = parse_objects(shipped_objects())
PANELS = [(board.title, panel) for board in DASHBOARDS for panel in board.panels if panel.form != "text"]
# Reasons for which no poll fails here; no reader has an error but the one whose target is not there.
MAY_BE_MISSING = {series.id for _, panel in PANELS if panel.id == "failures" for series in panel.series} - {"connect"}
MAY_BE_MISSING |= {"last_error"}
# Nothing goes wrong here: nothing is refused, doubled, given back; whether something waits is chance.
ALWAYS_FLAT = {"buffers", "duplicates", "lag", "lookups", "refused", "retried", "waiting"}
ALWAYS_FLAT |= {"quarantine", "replayed", "salvaged"}
START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
MAPPINGS = {
    "dynamic_templates": [
        {"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}},
        {"integers": {"match_mapping_type": "long", "mapping": {"type": "double"}}},
    ]
}


def show(node: Node, panel: Panel, *, seconds: int = 1) -> Drawn:
    body = search_body(panel, VIEW, seconds=seconds, runtime=not node.product.name.startswith("os"))
    return drawn(panel, node.call("POST", f"/{INDEX}/_search", body), seconds=seconds)


def complaints(panel: Panel, shown: Drawn) -> list[str]:
    """What of a panel is empty, negative or not a number."""
    if panel.form not in CHARTS:
        found = {series.id for row in shown.rows.values() for series in panel.series if row[series.id] is not None}
        return [each.id for each in panel.series if each.id not in found | MAY_BE_MISSING]
    drawn_series = {series for _, series in shown.lines}
    missing = [f"{each.id} missing" for each in panel.series if each.id not in drawn_series | MAY_BE_MISSING]
    values = [value for line in shown.lines.values() for _, value in line]
    negative = [f"negative {value}" for value in values if value < 0]
    flat = ["all zero"] if values and not any(values) and panel.id not in ALWAYS_FLAT else []
    return missing + negative + flat


@pytest.mark.slow
def test_every_panel_shows_what_was_shipped(real_node: Node, go_app: Callable[[], GoApp], tmp_path: Path) -> None:
    ship(real_node, go_app(), tmp_path, seconds=6)

    wrong = {
        f"{board}: {panel.title}": found
        for board, panel in PANELS
        if (found := complaints(panel, show(real_node, panel)))
    }

    assert wrong == {}
    fields = real_node.call("GET", f"/{INDEX}/_field_caps?fields=*")["fields"]
    assert [name for name in _fields() if name not in fields and name not in dict(VIEW.optional)] == []


def write(node: Node, *documents: dict[str, Any]) -> None:
    """Documents, one per second from START unless they have a time of their own."""
    node.call("PUT", f"/{INDEX}", {"mappings": MAPPINGS})
    lines: list[dict[str, Any]] = []
    for second, document in enumerate(documents):
        time = (START + timedelta(seconds=second)).isoformat()
        lines += [{"create": {"_index": INDEX}}, {"@timestamp": time, **document}]
    assert not node.bulk(*lines)["errors"]


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def sample(service: str, second: int, **numbers: Any) -> dict[str, Any]:
    named = {f"expvar.memstats.{name}": value for name, value in numbers.items()}
    return {"@timestamp": at(second).isoformat(), "service.name": service, "event.dataset": "expvar", **named}


def panel_of(board: str, name: str) -> Panel:
    return next(panel for title, panel in PANELS if (title, panel.id) == (board, name))


def test_a_rate_is_the_growth_of_each_services_own_counter(real_node: Node) -> None:
    write(
        real_node,
        *(sample("a", second, TotalAlloc=1000 + 250 * second) for second in range(0, 40, 10)),
        *(sample("b", second, TotalAlloc=9_000_000 + 7 * second) for second in range(0, 40, 10)),
    )

    shown = show(real_node, panel_of("Go runtime", "allocation"), seconds=10)

    assert shown.lines == {
        ("a", "totalalloc"): [(at(10), 250.0), (at(20), 250.0), (at(30), 250.0)],
        ("b", "totalalloc"): [(at(10), 7.0), (at(20), 7.0), (at(30), 7.0)],
    }


def test_a_counter_that_begins_anew_makes_no_negative_rate(real_node: Node) -> None:
    write(real_node, *(sample("a", 10 * place, NumGC=count) for place, count in enumerate([100, 130, 20, 50])))

    shown = show(real_node, panel_of("Go runtime", "collections"), seconds=10)

    assert shown.lines["a", "numgc"] == [(at(10), 3.0), (at(20), 2.0), (at(30), 3.0)]


def test_pauses_are_told_one_by_one(real_node: Node) -> None:
    write(real_node, sample("a", 0, PauseNs=[100, 300]), sample("a", 1, PauseNs=[200]), sample("a", 2, HeapAlloc=1))

    shown = show(real_node, panel_of("Go runtime", "pauses"), seconds=10)

    points = {series: line[0][1] for (_, series), line in shown.lines.items()}
    assert points == {"longest": 300, "average": 200, "p50": 200, "p95": pytest.approx(300, rel=0.05)}


def test_a_table_has_the_latest_value_of_each_service_even_if_later_documents_have_none(real_node: Node) -> None:
    write(
        real_node,
        *(sample("a", 0, HeapAlloc=5, NextGC=8), sample("a", 1, HeapAlloc=6, NextGC=9), sample("a", 2, HeapAlloc=7)),
        sample("b", 1, HeapAlloc=1),
    )

    rows = show(real_node, panel_of("Service overview", "last-values")).rows

    assert {name: (row["heapalloc"], row["nextgc"]) for name, row in rows.items()} == {"a": (7, 9), "b": (1, None)}
    assert rows["a"]["timestamp"] == at(2).isoformat()


def test_samples_are_counted_without_the_events_of_collections(real_node: Node) -> None:
    event = {**sample("a", 1), "event.dataset": "expvar.gc"}
    write(real_node, sample("a", 0), event, sample("a", 1), sample("a", 11))

    assert show(real_node, panel_of("Service overview", "samples")).rows[ALL] == {"samples": 3}
    lines = show(real_node, panel_of("Service overview", "availability"), seconds=10).lines
    assert lines == {("a", "samples"): [(at(0), 2), (at(10), 1)]}


def told(recorder: str, second: int, **numbers: float) -> dict[str, Any]:
    """What expvastic tells of a recorder."""
    about = {"event.dataset": "expvastic.recorder", "labels.recorder": recorder}
    named = {f"expvar.{name}": value for name, value in numbers.items()}
    return {"@timestamp": at(second).isoformat(), **about, **named}


def test_what_was_salvaged_and_replayed_is_a_rate_and_what_is_in_quarantine_a_number(real_node: Node) -> None:
    write(
        real_node,
        told("es", 0, salvaged=7, failure_store=1, replayed=0, quarantined=3, lag_seconds=0.0),
        told("es", 10, salvaged=57, failure_store=1, replayed=0, quarantined=23, lag_seconds=9.5),
        told("es", 20, salvaged=57, failure_store=31, replayed=20, quarantined=3, lag_seconds=19.5),
        told("file", 10, salvaged=0, failure_store=0, replayed=0, quarantined=0, lag_seconds=0.0),
    )

    def lines(name: str) -> dict[tuple[str, str], list[float]]:
        shown = show(real_node, panel_of("expvastic", name), seconds=10).lines
        return {series: [value for _, value in line] for series, line in shown.items() if series[0] == "es"}

    assert lines("salvaged") == {("es", "salvaged"): [5.0, 0.0], ("es", "failure_store"): [0.0, 3.0]}
    assert lines("replayed") == {("es", "replayed"): [0.0, 2.0]}
    assert lines("quarantine") == {("es", "quarantined"): [3, 23, 3]}
    assert lines("lag") == {("es", "lag_seconds"): [0.0, 9.5, 19.5]}
    rows = show(real_node, panel_of("expvastic", "ledgers")).rows
    assert {name: rows["es"][name] for name in ("salvaged", "replayed", "quarantined")} == {
        "salvaged": 57,
        "replayed": 20,
        "quarantined": 3,
    }


def test_the_ledger_is_told_per_recorder(real_node: Node) -> None:
    reader = {"event.dataset": "expvastic.reader", "labels.recorder": "es", "expvar.offered": 10**6}
    write(
        real_node,
        *(told("es", 0, offered=100, recorded=90, refused=0, shed=0), told("file", 0, offered=5, recorded=5)),
        *(told("es", 10, offered=200, recorded=150, refused=10, shed=20), told("file", 10, offered=25, recorded=25)),
        {**reader, "@timestamp": at(10).isoformat()},
    )

    lines = show(real_node, panel_of("expvastic", "ledger"), seconds=10).lines

    assert {key: line[0][1] for key, line in lines.items()} == {
        ("es", "offered"): 10.0,
        ("es", "recorded"): 6.0,
        ("es", "refused"): 1.0,
        ("es", "shed"): 2.0,
        ("file", "offered"): 2.0,
        ("file", "recorded"): 2.0,
    }


def _fields() -> set[str]:
    fields = {series.field for _, panel in PANELS for series in panel.series if series.field}
    fields |= {panel.split.field for _, panel in PANELS if panel.split}
    fields |= {clause.field for _, panel in PANELS for clause in panel.where}
    return fields | {control.field for board in DASHBOARDS for control in board.controls}
