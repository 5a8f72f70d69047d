"""What people and clusters do to a destination: nothing is lost, and one line says whose fault it is and what to do."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.error import HTTPError

import pytest
from fake_cluster import FakeCluster, error, item, make_recorder
from structlog.testing import capture_logs

from expvastic.recorder import Outcome, Verdict
from real_nodes import Node
from samples import START, make_container, make_containers
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"
TEMPLATE = f"expvastic-{STREAM}"
PLAIN = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}
DAY = 86_400_000_000  # microseconds
BLOCK = "blocked by: [FORBIDDEN/6/cluster read-only (api)];"


async def record(url: str, *batch: Any, **settings: Any) -> list[Verdict]:
    async with make_recorder(url, **settings) as recorder:
        return list(await recorder.record(batch or make_containers(1)))


async def record_fake(cluster: FakeCluster, **settings: Any) -> Verdict:
    async with ScriptedServer(cluster) as server:
        [verdict] = await record(server.url, **settings)
    return verdict


def assert_each_is_there_once(node: Node, count: int, index: str = STREAM) -> None:
    wanted = {container.id: 1 for container in make_containers(count)}
    assert Counter(hit["_id"] for hit in node.documents(index)) == wanted


# -- on a scripted cluster --


async def test_a_cluster_that_is_read_only_is_not_a_matter_of_credentials() -> None:
    cluster = FakeCluster()
    cluster.faults[f"PUT /_component_template/{TEMPLATE}@settings"] = [error(403, "cluster_block_exception", BLOCK)]

    verdict = await record_fake(cluster)

    assert verdict.outcome is Outcome.BLOCKED
    assert verdict.detail.endswith("cluster read-only (api)]; let the cluster be written to")
    assert "credentials" not in verdict.detail


async def test_a_part_of_the_users_own_that_does_not_fit_is_named() -> None:
    cluster = FakeCluster()
    words = f"template after composition with component templates [{TEMPLATE}@mappings, {TEMPLATE}@custom] is invalid"
    cluster.faults[f"PUT /_index_template/{TEMPLATE}"] = [error(400, "illegal_argument_exception", words)]

    verdict = await record_fake(cluster)

    assert verdict.detail.endswith("is invalid; mend the @custom part, which somebody added to it")


async def test_a_name_that_no_stream_can_have_is_not_blamed_on_documents() -> None:
    cluster = FakeCluster()
    words = "data_stream [.mine] must not start with '.'"
    cluster.faults["POST /_bulk"] = [
        Answer({"errors": True, "items": [item(400, "illegal_argument_exception", words)]})
    ]

    verdict = await record_fake(cluster, index_name=".mine")

    assert (verdict.outcome, verdict.detail) == (Outcome.BLOCKED, words)


async def test_a_template_for_other_names_under_our_name_does_not_count_as_ours() -> None:
    """The one of app-_ has the name of that of app-%{+yyyy}."""
    cluster = FakeCluster()
    await record_fake(cluster, index_name="app-_")

    await record_fake(cluster, index_name="app-%{+yyyy}", mode="data_stream")

    assert cluster.templates["expvastic-app-_"]["index_patterns"] == ["app-*"]


async def test_ten_thousand_streams_are_asked_for_by_their_names_alone() -> None:
    cluster = FakeCluster()

    await record_fake(cluster, index_name="app-%{service.name}")

    assert "GET /_resolve/index/app-%2A?filter_path=*.name" in cluster.asked


@pytest.mark.parametrize("mode", ["data_stream", "time_series"])
def test_a_name_that_is_too_long_for_a_stream_is_a_complaint(mode: str) -> None:
    with pytest.raises(ValueError, match="must not be longer than"):
        make_recorder("http://a", index_name="x" * 245, mode=mode)


# -- on real nodes --


async def test_a_stream_that_is_deleted_while_it_is_written_to_begins_anew_as_one(real_node: Node) -> None:
    async with make_recorder(real_node.url) as recorder:
        await recorder.record(make_containers(5, first=100))
        real_node.call("DELETE", f"/_data_stream/{STREAM}")
        verdicts = await recorder.record(make_containers(5))

    assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}
    assert [found["name"] for found in real_node.call("GET", f"/_resolve/index/{STREAM}")["data_streams"]] == [STREAM]
    assert_each_is_there_once(real_node, 5)
    caps = real_node.call("GET", f"/{STREAM}/_field_caps?fields=expvar.count")["fields"]
    assert list(caps["expvar.count"]) == ["double"]


async def test_a_template_in_use_cannot_be_deleted_under_us(real_node: Node) -> None:
    await record(real_node.url)

    with pytest.raises(HTTPError) as raised:
        real_node.call("DELETE", f"/_index_template/{TEMPLATE}")

    with raised.value as answer:
        assert answer.code == 400


async def test_an_index_that_becomes_an_alias_while_it_is_written_to_loses_nothing(real_node: Node) -> None:
    real_node.call("PUT", "/old", PLAIN)
    real_node.call("PUT", "/new", PLAIN)
    swap = [{"remove_index": {"index": "old"}}, {"add": {"index": "new", "alias": "old", "is_write_index": True}}]

    async with make_recorder(real_node.url, index_name="old") as recorder:
        await recorder.record(make_containers(3, first=100))
        real_node.call("POST", "/_aliases", {"actions": swap})
        verdicts = await recorder.record(make_containers(5))
        [about] = await recorder.describe()

    assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}
    assert_each_is_there_once(real_node, 5, "new")
    assert "there is an alias of that name; it gets no template" in about


async def test_an_alias_that_cannot_be_written_to_is_the_destinations_fault(real_node: Node) -> None:
    for name in ("one", "two"):
        real_node.call("PUT", f"/{name}", {**PLAIN, "aliases": {"both": {}}})

    [verdict] = await record(real_node.url, index_name="both")

    assert (verdict.outcome, verdict.reason) == (Outcome.BLOCKED, "400 illegal_argument_exception")
    assert "no write index is defined for alias [both]" in verdict.detail


async def test_a_cluster_that_is_read_only_at_the_first_contact_says_so_and_gets_everything_later(
    real_node: Node,
) -> None:
    block = "/_cluster/settings"
    real_node.call("PUT", block, {"persistent": {"cluster.blocks.read_only": True}})
    try:
        async with make_recorder(real_node.url) as recorder:
            verdicts = await recorder.record(make_containers(3))
            real_node.call("PUT", block, {"persistent": {"cluster.blocks.read_only": None}})
            later = await recorder.record(make_containers(3))
    finally:
        real_node.call("PUT", block, {"persistent": {"cluster.blocks.read_only": None}})

    assert {verdict.outcome for verdict in verdicts} == {Outcome.BLOCKED}
    assert verdicts[0].detail.endswith("let the cluster be written to")
    assert {verdict.outcome for verdict in later} == {Outcome.RECORDED}
    assert_each_is_there_once(real_node, 3)


async def test_a_part_of_the_users_own_that_does_not_fit_costs_no_document(real_node: Node) -> None:
    if real_node.product.name not in ("es8", "es9"):
        pytest.skip("this server knows no parts that need not be there")
    part = f"/_component_template/{TEMPLATE}@custom"
    real_node.call("PUT", part, {"template": {"mappings": {"properties": {"@timestamp": {"type": "keyword"}}}}})

    async with make_recorder(real_node.url) as recorder:
        [before] = await recorder.record(make_containers(1))
        real_node.call("PUT", part, {"template": {}})
        [after] = await recorder.record(make_containers(1))

    assert (before.outcome, after.outcome) == (Outcome.BLOCKED, Outcome.RECORDED)
    assert before.detail.endswith("mend the @custom part, which somebody added to it")


async def test_two_recorders_that_disagree_about_a_name_do_not_replace_each_others_template_for_ever(
    real_node: Node,
) -> None:
    async with make_recorder(real_node.url, index_name="day-%{+yyyy.MM.dd}", mode="data_stream") as streams:
        await streams.record([])
        await streams._settlement.settle(streams._entered_cluster(), streams.product)
        async with make_recorder(real_node.url, index_name="day-%{+yyyy.MM.dd}", mode="index") as indices:
            await indices.record(make_containers(1))
        streams._settlement._looked = -1e9
        with capture_logs() as said:
            [verdict] = await streams.record(make_containers(1, first=1))

    assert verdict.outcome is Outcome.RECORDED
    [told] = [entry["detail"] for entry in said]
    assert told.startswith("index template expvastic-day-_ was replaced by one of another mode or index_name; is there")
    shown = real_node.call("GET", "/_index_template/expvastic-day-_")["index_templates"][0]["index_template"]
    assert "data_stream" not in shown


async def test_a_name_may_become_a_stream_an_index_and_a_stream_again(real_node: Node) -> None:
    verdicts = []
    for number, mode in enumerate(("data_stream", "index", "data_stream", "index")):
        container = make_container(number, time=START + number * 400 * DAY)
        verdicts += await record(real_node.url, container, index_name="day-%{+yyyy.MM}", mode=mode)
        real_node.call("DELETE", "/_data_stream/*")

    assert [(verdict.outcome, verdict.detail) for verdict in verdicts] == [(Outcome.RECORDED, "")] * 4
    assert len(real_node.call("GET", "/_resolve/index/day-*")["indices"]) == 2


async def test_streams_that_are_there_are_not_left_without_their_template(real_node: Node) -> None:
    await record(real_node.url, index_name="day-%{+yyyy.MM}", mode="data_stream")

    [verdict] = await record(real_node.url, index_name="day-%{+yyyy.MM}", mode="index")

    assert verdict.outcome is Outcome.BLOCKED
    assert verdict.detail.endswith(
        "; there are data streams of such names: write mode: data_stream, or change the index name"
    )


async def test_a_stream_that_forbids_to_be_made_is_the_destinations_fault(real_node: Node) -> None:
    if real_node.product.name.startswith("os"):
        pytest.skip("OpenSearch has no such word")
    theirs = {"index_patterns": [STREAM], "priority": 9_000, "data_stream": {}, "allow_auto_create": False}
    real_node.call("PUT", "/_index_template/theirs", theirs)

    [verdict] = await record(real_node.url)

    assert (verdict.outcome, verdict.reason) == (Outcome.BLOCKED, "404 index_not_found_exception")


async def test_the_name_of_a_backing_index_is_the_destinations_fault(real_node: Node) -> None:
    [verdict] = await record(real_node.url, index_name=".ds-mine", mode="data_stream")

    assert verdict.outcome is Outcome.BLOCKED
    assert "must not start with" in verdict.detail


async def test_documents_are_found_though_the_stream_rolled_over_after_each_batch(real_node: Node) -> None:
    async with make_recorder(real_node.url) as recorder:
        for start in range(0, 15, 5):
            verdicts = await recorder.record(make_containers(5, first=start))
            assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}
            real_node.call("POST", f"/{STREAM}/_rollover")
        found = await recorder.find(make_containers(16))

    assert found == [True] * 15 + [False]
    assert_each_is_there_once(real_node, 15)


async def test_one_document_is_not_written_twice_by_two_that_have_it(real_node: Node) -> None:
    batch = make_containers(10)
    async with make_recorder(real_node.url) as one, make_recorder(real_node.url) as other:
        first = await one.record(batch)
        second = await other.record([*batch[:5], make_container(99)])

    outcomes = [verdict.outcome for verdict in (*first, *second)]
    assert outcomes == [Outcome.RECORDED] * 10 + [Outcome.DUPLICATE] * 5 + [Outcome.RECORDED]
