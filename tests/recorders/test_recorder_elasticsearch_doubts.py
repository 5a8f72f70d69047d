"""What is said, once, of a destination that is not as configured though it can be written to."""

from __future__ import annotations

from typing import Any

import pytest
from fake_cluster import FakeCluster, error, make_recorder
from structlog.testing import capture_logs

from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, ElasticsearchSettings
from real_nodes import Node
from samples import make_container
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"
EVENT = "destination is not as configured"
SIMULATE = f"POST /_index_template/_simulate_index/{STREAM}"


def rival(priority: int = 9_999, pattern: str = "metrics-*") -> dict[str, Any]:
    return {"index_patterns": [pattern], "priority": priority, "data_stream": {}}


async def details(cluster: FakeCluster, times: int = 1, **settings: Any) -> list[str]:
    """What is said by so many recorders that follow one another."""
    async with ScriptedServer(cluster) as server:
        known = ElasticsearchSettings.model_validate({"endpoint": server.url, **settings})
        with capture_logs() as said:
            for number in range(times):
                async with ElasticsearchRecorder(known) as recorder:
                    [verdict] = await recorder.record([make_container(number)])
                    assert verdict.outcome is Outcome.RECORDED
    return [str(entry["detail"]) for entry in said if entry["event"] == EVENT]


async def test_a_template_of_somebody_else_that_stands_above_ours_is_named_once() -> None:
    cluster = FakeCluster()
    cluster.templates |= {"theirs": rival(), "lower": rival(200), "others": rival(99_999, "logs-*")}

    [said] = await details(cluster, times=3)

    assert said.startswith("index template theirs stands above ours")


async def test_one_that_stands_below_ours_is_nothing_to_speak_of() -> None:
    cluster = FakeCluster()
    cluster.templates["lower"] = rival(200)

    assert await details(cluster) == []


@pytest.mark.parametrize("answer", [error(403, "security_exception"), error(405, "no"), Answer("<html>"), Answer([])])
async def test_where_it_may_not_be_asked_nothing_is_said(answer: Answer) -> None:
    cluster = FakeCluster()
    cluster.templates["theirs"] = rival()
    cluster.faults[SIMULATE] = [answer]

    assert await details(cluster) == []


async def test_where_only_the_list_may_not_be_asked_it_has_no_name() -> None:
    cluster = FakeCluster()
    cluster.templates["theirs"] = rival()
    cluster.faults["GET /_index_template"] = [error(403, "security_exception")]

    [said] = await details(cluster)

    assert "which has a higher priority stands above ours" in said


async def test_a_retention_that_nobody_sees_to_is_said() -> None:
    cluster = FakeCluster("opensearch")

    [said] = await details(cluster, times=2, retention="30d")

    assert said.startswith(
        "retention has no effect on OpenSearch 3.8.0; see to it with a policy of its own for metrics"
    )


async def test_a_retention_that_the_stream_keeps_is_not() -> None:
    assert await details(FakeCluster(), retention="30d") == []


async def test_a_real_node_tells_whose_template_counts(real_node: Node) -> None:
    theirs = {"index_patterns": ["metrics-*-*"], "priority": 5_000, "data_stream": {}}
    real_node.call("PUT", "/_index_template/theirs", theirs)
    real_node.call("PUT", "/_index_template/lower", {**theirs, "priority": 200})

    with capture_logs() as said:
        async with make_recorder(real_node.url) as recorder:
            await recorder.record([make_container()])

    assert [entry["detail"].split(";")[0] for entry in said if entry["event"] == EVENT] == [
        "index template theirs stands above ours and decides about types"
    ]
