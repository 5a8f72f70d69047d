"""Real nodes in trouble: none of it is blamed on a document, and all is recorded once when the trouble is over."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import pytest
from fake_cluster import make_recorder, record_patiently

from expvastic.datatypes import Container
from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchRecorder
from node_jars import PRODUCTS
from real_nodes import Node
from samples import make_container, make_containers

STREAM = "metrics-expvastic-default"
PLAIN = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}
WRITTEN = {Outcome.RECORDED, Outcome.DUPLICATE}
EVERY_NODE = pytest.mark.parametrize("name", PRODUCTS)
StartNode = Callable[[str, Mapping[str, str]], Node]


def padded(count: int, size: int, first: int = 0) -> list[Container]:
    return [make_container(number, **{"expvar.text": "x" * size}) for number in range(first, first + count)]


def make_impatient(node: Node, **settings: Any) -> ElasticsearchRecorder:
    """A recorder whose bulks wait a second, not a minute, for a shard or a master that is not there."""
    recorder = make_recorder(node.url, manage_template=False, **settings)
    recorder._sender._target += "&timeout=1s"
    return recorder


def meanings(verdicts: Any) -> set[tuple[Outcome, str, bool]]:
    return {(verdict.outcome, verdict.reason, verdict.in_doubt) for verdict in verdicts}


async def record_after(recorder: ElasticsearchRecorder, batch: list[Container]) -> list[Outcome]:
    """The outcomes of a batch when the trouble is over; a node may need a moment for that."""
    outcomes: list[Outcome] = []
    for _ in range(100):
        with suppress(RecordError):
            outcomes = [verdict.outcome for verdict in await recorder.record(batch)]
        if outcomes and set(outcomes) <= WRITTEN:
            break
        assert Outcome.REFUSED not in outcomes
        await anyio.sleep(0.1)
    return outcomes


def assert_each_is_there_once(node: Node, batch: list[Container], index: str = STREAM) -> None:
    assert Counter(hit["_id"] for hit in node.documents(index)) == Counter(container.id for container in batch)


@contextmanager
def switched(node: Node, path: str, settings: Mapping[str, object]) -> Iterator[None]:
    """Settings that are taken back at the end."""

    def put(values: Mapping[str, object]) -> None:
        node.call("PUT", path, {"persistent": values} if path.startswith("/_cluster") else values)

    put(settings)
    try:
        yield
    finally:
        put(dict.fromkeys(settings))


# -- of whole requests --


@EVERY_NODE
async def test_a_node_that_takes_a_megabyte_gets_smaller_bulks(start_node: StartNode, name: str) -> None:
    node = start_node(name, {"http.max_content_length": "1mb"})
    batches = {compress: padded(30, 100_000, first=30 * compress) for compress in (False, True)}

    outcomes = []
    for compress, batch in batches.items():
        async with make_recorder(node.url, compress=compress) as recorder:
            outcomes += await record_patiently(recorder, batch, tries=10)

    assert set(outcomes) <= WRITTEN
    assert_each_is_there_once(node, batches[False] + batches[True])


@EVERY_NODE
async def test_a_node_without_memory_for_a_bulk_has_written_nothing_of_it_and_gets_smaller_ones(
    start_node: StartNode, name: str
) -> None:
    node = start_node(name, {"indexing_pressure.memory.limit": "64kb"})
    first, batch = make_containers(1), padded(100, 2_000, first=1)

    async with make_recorder(node.url) as recorder:
        await recorder.record(first)
        with pytest.raises(RecordError, match=r"429 (es_)?rejected_execution_exception") as raised:
            await recorder.record(batch)
        assert_each_is_there_once(node, first)
        outcomes = await record_patiently(recorder, batch, tries=10)

    assert (raised.value.in_doubt, raised.value.retry_after) == (False, None)
    assert outcomes == [Outcome.RECORDED] * 100
    assert_each_is_there_once(node, first + batch)


@EVERY_NODE
async def test_a_node_without_a_master_has_written_nothing_and_writes_when_it_has_one(
    start_node: StartNode, name: str
) -> None:
    alone = {"discovery.initial_state_timeout": "0s", "discovery.seed_hosts": "127.0.0.1:1"}
    kind = "multi-node" if name in ("es8", "es9") else "zen"
    node = start_node(name, {**alone, "discovery.type": kind})
    batch = make_containers(5)

    async with make_impatient(node, index_name="plain") as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.record(batch)
        node.stop()
        node.settings = {"http.port": node.settings["http.port"]}
        node.start()
        outcomes = await record_after(recorder, batch)

    assert "503 cluster_block_exception: blocked by: [SERVICE_UNAVAILABLE" in str(raised.value)
    assert not raised.value.in_doubt
    assert outcomes == [Outcome.RECORDED] * 5
    assert_each_is_there_once(node, batch, "plain")


async def test_a_cluster_that_is_read_only_has_written_nothing_and_is_entered_again(real_node: Node) -> None:
    batch = make_containers(5)

    with switched(real_node, "/_cluster/settings", {"cluster.blocks.read_only": True}):
        async with make_recorder(real_node.url, manage_template=False) as recorder:
            with pytest.raises(RecorderLost, match="403 cluster_block_exception") as raised:
                await recorder.record(batch)
    async with make_recorder(real_node.url) as recorder:
        outcomes = await record_after(recorder, batch)

    assert not raised.value.in_doubt
    assert outcomes == [Outcome.RECORDED] * 5
    assert_each_is_there_once(real_node, batch)


# -- of single documents --


@pytest.mark.parametrize(
    ("block", "meaning"),
    [
        ("read_only_allow_delete", (Outcome.AGAIN, "429 cluster_block_exception", False)),
        ("write", (Outcome.BLOCKED, "403 cluster_block_exception", False)),
    ],
)
async def test_a_stream_that_is_blocked_takes_the_same_batch_when_it_is_open(
    real_node: Node, block: str, meaning: tuple[Outcome, str, bool]
) -> None:
    first, batch = make_containers(1), make_containers(20, first=1)

    async with make_recorder(real_node.url) as recorder:
        await recorder.record(first)
        with switched(real_node, f"/{STREAM}/_settings", {f"index.blocks.{block}": True}):
            verdicts = await recorder.record(batch)
        outcomes = await record_after(recorder, batch)

    assert meanings(verdicts) == {meaning}
    assert outcomes == [Outcome.RECORDED] * 20
    assert_each_is_there_once(real_node, first + batch)


async def test_an_index_without_its_shard_takes_the_same_batch_when_it_has_it(real_node: Node) -> None:
    nowhere = {**PLAIN["settings"], "index.routing.allocation.require._name": "nobody"}
    real_node.call("PUT", "/lost?wait_for_active_shards=0", {"settings": nowhere})
    batch = make_containers(5)

    async with make_impatient(real_node, index_name="lost") as recorder:
        verdicts = await recorder.record(batch)
        real_node.call("PUT", "/lost/_settings", {"index.routing.allocation.require._name": None})
        outcomes = await record_after(recorder, batch)

    assert meanings(verdicts) == {(Outcome.AGAIN, "503 unavailable_shards_exception", True)}
    assert set(outcomes) <= WRITTEN
    assert_each_is_there_once(real_node, batch, "lost")


async def test_a_stream_that_waits_for_its_first_shard_may_be_left_and_takes_the_same_batch_later(
    real_node: Node,
) -> None:
    batch = make_containers(5)

    async with make_recorder(real_node.url) as recorder:
        with switched(real_node, "/_cluster/settings", {"cluster.routing.allocation.enable": "none"}):
            with anyio.move_on_after(2) as deadline:
                await recorder.record(batch)
        outcomes = await record_after(recorder, batch)

    assert deadline.cancelled_caught
    assert set(outcomes) <= WRITTEN
    assert_each_is_there_once(real_node, batch)


async def test_an_index_that_is_closed_takes_the_same_batch_when_it_is_open(real_node: Node) -> None:
    real_node.call("PUT", "/plain", PLAIN)
    batch = make_containers(20)

    async with make_recorder(real_node.url, index_name="plain") as recorder:
        real_node.call("POST", "/plain/_close")
        verdicts = await recorder.record(batch)
        real_node.call("POST", "/plain/_open?wait_for_active_shards=1")
        outcomes = await record_after(recorder, batch)

    assert meanings(verdicts) == {(Outcome.BLOCKED, "400 index_closed_exception", False)}
    assert outcomes == [Outcome.RECORDED] * 20
    assert_each_is_there_once(real_node, batch, "plain")


async def test_a_cluster_with_no_room_for_a_shard_takes_the_same_batch_when_it_has_some(real_node: Node) -> None:
    real_node.call("PUT", "/one", PLAIN)
    batch = make_containers(20)

    async with make_recorder(real_node.url) as recorder:
        with switched(real_node, "/_cluster/settings", {"cluster.max_shards_per_node": 1}):
            verdicts = await recorder.record(batch)
        outcomes = await record_after(recorder, batch)

    assert meanings(verdicts) == {(Outcome.BLOCKED, "400 validation_exception", False)}
    assert outcomes == [Outcome.RECORDED] * 20
    assert_each_is_there_once(real_node, batch)


async def test_only_what_a_document_is_at_fault_for_is_refused(real_node: Node) -> None:
    batch = make_containers(20)
    batch[7] = make_container(7, **{"expvar.count": "text"})

    async with make_recorder(real_node.url) as recorder:
        verdicts = await recorder.record(batch)
        again = await recorder.record(batch)

    refused = verdicts[7]
    assert (refused.outcome, refused.field, refused.reason[:4]) == (Outcome.REFUSED, "expvar.count", "400 ")
    assert again[7].outcome is Outcome.REFUSED
    assert {verdict.outcome for verdict in again if verdict is not again[7]} == {Outcome.DUPLICATE}
    assert_each_is_there_once(real_node, batch[:7] + batch[8:])


async def test_what_went_to_the_failure_store_is_counted_apart(real_node: Node) -> None:
    if real_node.product.name not in ("es8", "es9"):
        pytest.skip(f"{real_node.product.name} has no failure store")
    template = {"data_stream_options": {"failure_store": {"enabled": True}}}
    theirs = {"index_patterns": [STREAM], "priority": 600, "data_stream": {}, "template": template}
    real_node.call("PUT", "/_index_template/theirs", theirs)
    batch = make_containers(20)
    batch[7] = make_container(7, **{"expvar.count": "text"})

    async with make_recorder(real_node.url, manage_template=False) as recorder:
        verdicts = await recorder.record(batch)

    failure_store = [place for place, verdict in enumerate(verdicts) if verdict.reason == "failure_store"]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}
    assert failure_store == [7]
    assert_each_is_there_once(real_node, batch[:7] + batch[8:])


# -- of callers who lose patience --


async def test_batches_that_overlap_and_are_left_at_any_moment_are_there_once(real_node: Node) -> None:
    batches = [make_containers(50, first=first) for first in range(0, 2_000, 50)]
    source = random.Random(4711)
    patience = {batch[0].id: [source.uniform(0, 0.05) for _ in range(3)] for batch in batches}
    written: list[Outcome] = []

    async def work(recorder: ElasticsearchRecorder, left: list[list[Container]]) -> None:
        while left:
            batch = left.pop()
            for seconds in (*patience[batch[0].id], 30):
                with anyio.move_on_after(seconds):
                    written.extend(verdict.outcome for verdict in await recorder.record(batch))
                    break

    async with make_recorder(real_node.url) as recorder:
        await recorder.record(make_containers(1, first=2_000))
        async with anyio.create_task_group() as group:
            left = list(batches)
            for _ in range(recorder.concurrency):
                group.start_soon(work, recorder, left)

    assert len(written) == 2_000
    assert set(written) <= WRITTEN
    assert_each_is_there_once(real_node, make_containers(2_001))
