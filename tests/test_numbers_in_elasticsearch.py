"""A real Go program's numbers, after the way through expvastic and a real node: exact in what is stored, and within
the precision of the mapped type in what is computed from it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from go_app import GoApp
from program import Program, spell
from real_nodes import Node

INDEX = "metrics-expvastic-default"
MEMSTATS = "expvar.memstats."
FIELDS = (
    *("expvar.int64_max", "expvar.int64_min", "expvar.uint64_max", "expvar.serial", "expvar.ratio", "expvar.hits.load"),
    *(
        MEMSTATS + name
        for name in ("Alloc", "TotalAlloc", "Mallocs", "NumGC", "LastGC", "PauseTotalNs", "GCCPUFraction")
    ),
    *(MEMSTATS + "PauseEnd", MEMSTATS + "PauseNs", "expvar.gc.end_ns", "expvar.gc.pause_ns", "event.duration"),
)
# Relative to what is exact: a double keeps a number to half of its last bit. A long is exact, but answers are doubles.
PRECISION = {"double": Fraction(1, 2**53), "long": Fraction(1, 2**53)}


@pytest.fixture
def polled(real_node: Node, go_app: Callable[[], GoApp], tmp_path: Path) -> tuple[Node, GoApp]:
    """A node with some dozen polls of a program that collects garbage meanwhile."""
    app = go_app()
    recorder = {"type": "elasticsearch", "endpoint": real_node.url, "batch": {"wait": "200ms"}}
    reader = {"type": "expvar", "endpoint": app.url, "interval": "50ms", "gc_events": True}
    routes = {"all": {"readers": ["my_app"], "recorders": ["es"]}}
    text = spell({"readers": {"my_app": reader}, "recorders": {"es": recorder}, "routes": routes})
    with Program(tmp_path, text) as program:
        for count in (3, 11, 1, 20):
            seen = len(app.served())
            program.wait_until(lambda seen=seen: len(app.served()) > seen + 4, "some polls")  # type: ignore[misc]
            app.gc(count)
        seen = len(app.served())
        program.wait_until(lambda: len(app.served()) > seen + 4, "some polls more")
        assert program.stop() == 0
    app.stop()
    return real_node, app


def integers(page: dict[str, Any], above: str = "expvar") -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in page.items():
        if isinstance(value, dict):
            found |= integers(value, f"{above}.{key}")
        elif type(value) is int:
            found[f"{above}.{key}"] = value
    return found


def field_types(node: Node) -> dict[str, str]:
    """The type of every field, by dotted name."""
    [index] = node.call("GET", f"/{INDEX}/_mapping").values()
    found: dict[str, str] = {}
    waiting = [("", index["mappings"]["properties"])]
    while waiting:
        above, properties = waiting.pop()
        for name, about in properties.items():
            if "properties" in about:
                waiting.append((f"{above}{name}.", about["properties"]))
            else:
                found[above + name] = about["type"]
    return found


def stored(sources: list[dict[str, Any]], name: str) -> list[Fraction]:
    """Every number that documents have under a name, exactly."""
    lists = [source[name] if isinstance(source[name], list) else [source[name]] for source in sources if name in source]
    return [Fraction(number) for numbers in lists for number in numbers]


def pairs(poll: dict[str, Any]) -> list[tuple[int, int]]:
    """The ends and lengths of a poll's pauses."""
    return list(zip(poll.get(MEMSTATS + "PauseEnd", []), poll.get(MEMSTATS + "PauseNs", []), strict=True))


def aggregate(node: Node) -> dict[str, Fraction]:
    """max, avg and sum of every field, under ``KIND FIELD``."""
    asked = {f"{kind} {name}": {kind: {"field": name}} for kind in ("max", "avg", "sum") for name in FIELDS}
    answer = node.call("POST", f"/{INDEX}/_search?size=0", {"aggs": asked})["aggregations"]
    return {name: Fraction(found["value"]) for name, found in answer.items()}


def test_every_integer_of_the_page_is_exact_in_the_source(polled: tuple[Node, GoApp]) -> None:
    node, app = polled
    sources = [hit["_source"] for hit in node.documents(INDEX)]
    polls = [source for source in sources if source["event.dataset"] == "expvar"]
    served = {page.serial: page.page for page in app.served()}

    assert len(polls) >= 20
    for poll in polls:
        said = integers(served[poll["expvar.serial"]])
        assert {name: poll.get(name) for name in said} == said
        assert {type(poll[name]) for name in said} == {int}
        extremes = [poll[f"expvar.{name}"] for name in ("int64_min", "int64_max", "uint64_max")]
        assert extremes == [-(2**63), 2**63 - 1, 2**64 - 1]
    pauses = [pair for poll in polls for pair in pairs(poll)]
    happened = {(found.end, found.duration) for found in app.collections()}
    assert len(pauses) >= 3 + 11 + 1 + 20
    assert set(pauses) <= happened, "nanoseconds since the epoch, to the last digit"


def test_aggregations_agree_within_the_precision_of_the_mapped_type(polled: tuple[Node, GoApp]) -> None:
    node, _ = polled
    sources = [hit["_source"] for hit in node.documents(INDEX)]

    types, computed = field_types(node), aggregate(node)
    for name in FIELDS:
        numbers, step = stored(sources, name), PRECISION[types[name]]
        total, size = sum(numbers, Fraction(0)), sum((abs(number) for number in numbers), Fraction(0))
        assert abs(computed[f"max {name}"] - max(numbers)) <= step * abs(max(numbers)), name
        # Each number is rounded when it is stored, their sum once more, the mean once more again.
        assert abs(computed[f"sum {name}"] - total) <= 2 * step * size, name
        assert abs(computed[f"avg {name}"] - total / len(numbers)) <= 3 * step * size / len(numbers), name
