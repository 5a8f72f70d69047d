"""``expvastic check --connect`` tells what a destination would not take of what was polled."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from expvastic.cli.preflight import inspect_all
from expvastic.config import from_values
from expvastic.datatypes import Container
from recorders.fake_cluster import FakeCluster, error
from samples import make_container
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"
MAPPING = {"properties": {"expvar": {"properties": {"count": {"type": "long"}}}}}


async def preflight(cluster: FakeCluster, batch: Sequence[Container], capsys: pytest.CaptureFixture[str]) -> list[str]:
    async with ScriptedServer(cluster) as server:
        recorders = {"es": {"type": "elasticsearch", "endpoint": server.url}, "out": {"type": "console"}}
        routes = {"all": {"readers": ["own"], "recorders": list(recorders)}}
        values = {"readers": {"own": {"type": "self"}}, "recorders": recorders, "routes": routes}
        config = from_values(values, "test")
        await inspect_all(config.recorders, {"es": batch, "out": batch})
        return capsys.readouterr().out.replace(server.url, "URL").splitlines()


def with_mapping(answer: Answer | None = None) -> FakeCluster:
    cluster = FakeCluster()
    cluster.faults[f"GET /{STREAM}/_mapping"] = [answer or Answer({".ds-a-000001": {"mappings": MAPPING}})]
    cluster.faults[f"GET /{STREAM}/_settings"] = [Answer({".ds-a-000001": {"settings": {}}})]
    return cluster


async def test_a_table_says_what_would_be_cut_off_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(), [make_container(**{"expvar.count": 1.5})], capsys)

    assert lines[0] == "recorder es: would not take 1 document as polled:"
    assert lines[1].split() == ["FIELD", "WHAT", "WOULD", "BECOME", "OF", "IT", "WHAT", "TO", "DO"]
    assert lines[2].split("  ")[1:3] == [
        "expvar.count",
        "is mapped as long, and holds fractions: cut off without notice",
    ]
    assert lines[2].endswith("and begin a new index")
    assert len(lines) == 3


async def test_what_is_taken_as_it_is_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(), [make_container(1), make_container(2)], capsys)

    assert lines == ["recorder es: takes 2 documents as polled"]


async def test_many_findings_are_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    names = {f"expvar.count.x{number}": 1 for number in range(60)}
    lines = await preflight(with_mapping(), [make_container(**names)], capsys)

    assert len(lines) == 53
    assert lines[-1] == "  and 10 more"


async def test_what_may_not_be_asked_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(error(403, "security_exception", "no")), [make_container()], capsys)

    assert len(lines) == 1
    assert lines[0].startswith(
        "recorder es: types not compared: URL: looking at the mapping of metrics-expvastic-default"
    )


async def test_without_anything_polled_there_is_nothing_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert await preflight(FakeCluster(), [], capsys) == []


async def test_names_from_a_page_are_harmless_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(), [make_container(**{"expvar.count.\x1b[31m": 1})], capsys)

    assert "\x1b" not in "".join(lines)
