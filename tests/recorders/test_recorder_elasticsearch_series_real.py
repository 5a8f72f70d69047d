"""The time-series mode on real nodes: one document per series and millisecond, the rest in the sibling, all once."""

from __future__ import annotations

from typing import Any

import msgspec
import msgspec.structs
import pytest
from fake_cluster import make_recorder

from expvastic.datatypes import Container
from expvastic.recorder import Outcome, Verdict
from expvastic.recorders.elasticsearch import ElasticsearchRecorder
from real_nodes import Node
from samples import START, make_container

STREAM = "metrics-expvastic-default"
PLAIN = f"{STREAM}-plain"
WINDOW = {"start_time": "2026-11-21T00:00:00Z", "end_time": "2026-11-22T00:00:00Z"}
DAY = 86_400_000_000


@pytest.fixture
def node(real_node: Node) -> Node:
    """A node whose time series take one day: a part of the user's own says so."""
    skip_without_series(real_node)
    window = {f"index.time_series.{name}": moment for name, moment in WINDOW.items()}
    # 8.19 refuses a window in a part that does not say what it is for.
    mode = {"index.mode": "time_series", "index.routing_path": ["service.name", "labels.*"]}
    custom = {"template": {"settings": {**mode, **window}}}
    real_node.call("PUT", f"/_component_template/expvastic-{STREAM}@custom", custom)
    return real_node


def skip_without_series(node: Node) -> None:
    if node.product.name not in ("es8", "es9"):
        pytest.skip("there are time series in Elasticsearch 8.7 and newer only")


def recorder_for(node: Node, **settings: Any) -> ElasticsearchRecorder:
    return make_recorder(node.url, mode="time_series", **settings)


async def record(node: Node, *batch: Container) -> list[Verdict]:
    async with recorder_for(node) as recorder:
        return list(await recorder.record(batch))


def outcomes(verdicts: Any) -> list[Outcome]:
    return [verdict.outcome for verdict in verdicts]


def held(node: Node, index: str) -> list[str]:
    """Our ids of the documents in a stream, wherever they are written."""
    hits = node.documents(index) if node.call("GET", f"/_resolve/index/{index}*")["data_streams"] else []
    return sorted(hit["_source"].get("event.id", hit["_id"]) for hit in hits)


def renamed(container: Container, name: str) -> Container:
    return msgspec.structs.replace(container, id=name)


async def test_polls_go_to_the_series_without_an_id_and_come_back_exact(node: Node) -> None:
    numbers = {"expvar.memstats.NumGC": 7, "expvar.memstats.PauseNs": [3, 1, 2], "expvar.x": 2**64 - 1}
    batch = [make_container(0, **numbers), make_container(1, **{"expvar.x": 0.5, "labels.team": "one"})]

    verdicts = await record(node, *batch)

    assert outcomes(verdicts) == [Outcome.RECORDED] * 2
    assert [verdict.destination for verdict in verdicts] == [STREAM] * 2
    first, second = (hit["_source"] for hit in node.documents(STREAM))
    assert first == {"event.id": batch[0].id, **msgspec.json.decode(batch[0].document)}
    assert second["expvar.x"] == 0.5
    [index] = node.call("GET", f"/{STREAM}/_settings").values()
    assert index["settings"]["index"]["mode"] == "time_series"
    caps = node.call("GET", f"/{STREAM}/_field_caps?fields=*")["fields"]
    assert caps["expvar.memstats.NumGC"]["long"]["time_series_metric"] == "counter"
    assert caps["expvar.x"]["double"]["time_series_metric"] == "gauge"
    dimensions = {name for name, about in caps.items() if about.get("keyword", {}).get("time_series_dimension")}
    assert {"service.name", "event.dataset", "labels.team"} <= dimensions


async def test_the_same_batch_again_is_there_already(node: Node) -> None:
    batch = [make_container(number) for number in range(5)]
    late = make_container(9, time=START - 5 * DAY)

    first = await record(node, *batch, late)
    second = await record(node, *batch, late)

    assert outcomes(first) == [Outcome.RECORDED] * 6
    assert outcomes(second) == [Outcome.DUPLICATE] * 6
    assert held(node, STREAM) == sorted(each.id for each in batch)
    assert held(node, PLAIN) == [late.id]


async def test_a_second_document_of_one_series_in_one_millisecond_goes_to_the_sibling(node: Node) -> None:
    first = make_container(0, **{"expvar.x": 1})
    second = renamed(make_container(0, time=START + 1, **{"expvar.y": 1}), "second")
    other = renamed(make_container(0, **{"labels.shard": "b", "expvar.x": 1}), "other")

    together = await record(node, first, second, other)
    again = await record(node, second, first, other)

    assert outcomes(together) == [Outcome.RECORDED] * 3
    assert [verdict.destination for verdict in together] == [STREAM, PLAIN, STREAM]
    assert outcomes(again) == [Outcome.DUPLICATE] * 3
    assert held(node, STREAM) == sorted([first.id, "other"])
    assert held(node, PLAIN) == ["second"]


async def test_what_lies_outside_of_the_time_range_loses_nothing_be_it_late_or_early(node: Node) -> None:
    late, early, good = (
        renamed(make_container(0, time=START + shift), name)
        for shift, name in ((-3 * DAY, "late"), (5 * DAY, "early"), (0, "good"))
    )

    verdicts = await record(node, late, good, early)

    assert outcomes(verdicts) == [Outcome.RECORDED] * 3
    assert [verdict.destination for verdict in verdicts] == [PLAIN, STREAM, PLAIN]
    assert held(node, PLAIN) == ["early", "late"]
    assert held(node, STREAM) == ["good"]


async def test_both_streams_are_counted(node: Node) -> None:
    marked = [make_container(number, **{"agent.id": "me"}) for number in range(3)]
    late = make_container(9, time=START - 5 * DAY, **{"agent.id": "me"})

    async with recorder_for(node) as recorder:
        await recorder.record([*marked, late])
        counts = await recorder.count_by_minute("me", 0, 2**31)

    assert sorted(counts.values()) == [1, 3]


async def test_all_events_of_one_millisecond_are_kept(node: Node) -> None:
    events = [
        renamed(make_container(0, **{"event.dataset": "expvar.gc", "expvar.gc.pause_ns": number}), f"gc-{number}")
        for number in range(4)
    ]

    first = await record(node, *events, make_container(1))
    second = await record(node, *events)

    assert outcomes(first) == [Outcome.RECORDED] * 5
    assert outcomes(second) == [Outcome.DUPLICATE] * 4
    assert held(node, PLAIN) == [event.id for event in events]


async def test_other_refusals_are_the_documents_own_and_go_nowhere_else(node: Node) -> None:
    good = make_container(0, **{"expvar.x": 1})
    bad = make_container(1, **{"expvar.x": "text"})

    verdicts = await record(node, good, bad)

    assert outcomes(verdicts) == [Outcome.RECORDED, Outcome.REFUSED]
    assert verdicts[1].field == "expvar.x"
    assert held(node, PLAIN) == []


async def test_what_was_recorded_by_a_try_without_an_answer_is_found_when_the_range_has_moved_on(node: Node) -> None:
    batch = [make_container(number) for number in range(3)]
    async with recorder_for(node) as recorder:
        await recorder.record(batch[:2])

        assert await recorder.find(batch) == [True, True, False]


async def test_a_data_stream_that_is_none_is_not_written_to_without_ids(real_node: Node) -> None:
    skip_without_series(real_node)
    async with make_recorder(real_node.url) as plain:
        await plain.record([make_container(0)])

    [blocked] = await record(real_node, make_container(1))
    real_node.call("POST", f"/{STREAM}/_rollover")
    [still] = await record(real_node, make_container(1))

    assert (blocked.outcome, blocked.reason) == (Outcome.BLOCKED, "no usable template")
    assert "is no time series" in blocked.detail
    assert still.outcome is Outcome.RECORDED


async def test_an_old_server_is_told_apart_at_once(real_node: Node) -> None:
    if real_node.product.name in ("es8", "es9"):
        pytest.skip("this one has time series")

    [verdict] = await record(real_node, make_container(0))

    assert verdict.outcome is Outcome.BLOCKED
    assert "mode: time_series needs Elasticsearch 8.7 or newer" in verdict.detail
    assert "take mode: data_stream" in verdict.detail
