"""The elasticsearch recorder against real nodes: what they store, what they refuse, and what they say meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest
from fake_cluster import make_recorder, record_patiently
from msgspec.structs import replace

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome, Verdict
from real_nodes import Node
from samples import START, make_container, make_containers

STREAM = "metrics-expvastic-default"
TEMPLATE = f"/_index_template/expvastic-{STREAM}"
PLAIN = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}


def outcomes(verdicts: Any) -> list[Outcome]:
    return [verdict.outcome for verdict in verdicts]


def sources(node: Node, index: str = STREAM) -> list[dict[str, Any]]:
    return [hit["_source"] for hit in node.documents(index)]


def types(node: Node, index: str = STREAM) -> dict[str, str]:
    """The type of every field of an index, by dotted name."""
    [mapping] = node.call("GET", f"/{index}/_mapping").values()
    found: dict[str, str] = {}

    def walk(properties: Mapping[str, Any], above: str) -> None:
        for name, about in properties.items():
            if "properties" in about:
                walk(about["properties"], f"{above}{name}.")
            else:
                found[above + name] = about["type"]

    walk(mapping["mappings"]["properties"], "")
    return found


async def record(node: Node, *batch: Any, **settings: Any) -> list[Verdict]:
    async with make_recorder(node.url, **settings) as recorder:
        return list(await recorder.record(batch))


async def test_every_number_comes_back_exact_and_the_same_batch_again_is_there_already(real_node: Node) -> None:
    numbers = [0, -1, 2**53 + 1, 2**63 - 1, 2**64 - 1, 10**300, 0.1, 1.5, -2.5e-300]
    batch = [make_container(place, **{"expvar.number": number}) for place, number in enumerate(numbers)]

    async with make_recorder(real_node.url) as recorder:
        first = await recorder.record(batch)
        second = await recorder.record(batch)

    product = "opensearch" if real_node.product.name.startswith("os") else "elasticsearch"
    assert recorder.product == (product, real_node.product.version)
    assert outcomes(first) == [Outcome.RECORDED] * len(batch)
    assert outcomes(second) == [Outcome.DUPLICATE] * len(batch)
    assert [source["expvar.number"] for source in sources(real_node)] == numbers
    assert [hit["_id"] for hit in real_node.documents(STREAM)] == [container.id for container in batch]


async def test_the_template_gives_every_value_the_type_that_it_promises(real_node: Node) -> None:
    values: dict[str, Any] = {"expvar.i": 1, "expvar.f": 0.5, "expvar.large": 2**64 - 1, "expvar.b": True}
    values |= {"expvar.s": "2026-11-21", "expvar.n": "17", "expvar.long": "x" * 40_000, "expvar.list": [1, 2.5]}
    known = {"event.duration": 2**53 + 1, "labels.team": "one", "host.name": "h", "event.action": "a"}

    verdicts = await record(real_node, make_container(**values, **known), make_container(1, **{"expvar.i": 1.5}))

    assert outcomes(verdicts) == [Outcome.RECORDED] * 2
    doubles = dict.fromkeys(("expvar.i", "expvar.f", "expvar.large", "expvar.list"), "double")
    keywords = ("expvar.s", "expvar.n", "expvar.long", "labels.team", "host.name", "event.action", "service.name")
    wanted = {"@timestamp": "date", "event.duration": "long", "expvar.b": "boolean", **doubles}
    wanted |= dict.fromkeys(keywords, "keyword")
    assert {name: kind for name, kind in types(real_node).items() if name in wanted} == wanted
    assert sources(real_node)[0]["expvar.long"] == "x" * 40_000
    search = {"size": 0, "aggs": {"sum": {"sum": {"field": "expvar.i"}}, "max": {"max": {"field": "expvar.large"}}}}
    found = real_node.call("POST", f"/{STREAM}/_search", search)["aggregations"]
    assert (found["sum"]["value"], found["max"]["value"]) == (2.5, float(2**64 - 1))


async def test_a_conflict_costs_its_document_alone_and_names_the_field(real_node: Node) -> None:
    batch = [
        make_container(0, **{"expvar.v": 1}),
        make_container(1, **{"expvar.v": "text"}),
        make_container(2, **{"expvar.v": True}),
        make_container(0, **{"expvar.v": 1}),
        make_container(3, **{"expvar.v": 3}),
    ]

    verdicts = await record(real_node, *batch, compress=True)

    words = [verdict.outcome.value for verdict in verdicts]
    assert words == ["recorded", "refused", "refused", "duplicate", "recorded"]
    assert [verdict.field for verdict in verdicts[1:3]] == ["expvar.v"] * 2
    assert all(verdict.reason.startswith("400 ") for verdict in verdicts[1:3])
    assert "text" not in verdicts[1].detail
    assert [source["expvar.v"] for source in sources(real_node)] == [1, 3]


async def test_an_index_that_is_there_stays_an_index_without_a_template(real_node: Node) -> None:
    real_node.call("PUT", "/plain", PLAIN)

    verdicts = await record(real_node, *make_containers(2), index_name="plain")

    assert outcomes(verdicts) == [Outcome.RECORDED] * 2
    assert len(sources(real_node, "plain")) == 2
    with pytest.raises(OSError, match="404"):
        real_node.call("GET", "/_index_template/expvastic-plain")


async def test_a_dated_name_makes_an_index_for_each_day(real_node: Node) -> None:
    days = [make_container(day, time=START + day * 86_400_000_000) for day in range(2)]

    verdicts = await record(real_node, *days, index_name="app-%{+yyyy.MM.dd}")

    names = ["app-2026.11.21", "app-2026.11.22"]
    assert [(verdict.outcome, verdict.destination) for verdict in verdicts] == [
        (Outcome.RECORDED, name) for name in names
    ]
    assert sorted(index["index"] for index in real_node.call("GET", "/_cat/indices?format=json")) == names
    assert types(real_node, names[1])["expvar.count"] == "double"


async def test_a_name_that_is_nothing_yet_becomes_a_data_stream_and_stays_one(real_node: Node) -> None:
    await record(real_node, make_container(0))
    await record(real_node, make_container(1))

    resolved = real_node.call("GET", f"/_resolve/index/{STREAM}")
    assert [found["name"] for found in resolved["data_streams"]] == [STREAM]
    assert len(sources(real_node)) == 2


async def test_many_that_start_at_once_install_one_template_and_lose_nothing(real_node: Node) -> None:
    verdicts: list[Verdict] = []

    async def run(number: int) -> None:
        verdicts.extend(await record(real_node, make_container(number)))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(run, number)

    assert outcomes(verdicts) == [Outcome.RECORDED] * 20
    assert len(sources(real_node)) == 20
    assert len(real_node.call("GET", "/_index_template/expvastic-*")["index_templates"]) == 1


async def test_a_template_of_ours_is_left_alone_and_a_clash_with_anothers_is_said(real_node: Node) -> None:
    await record(real_node, make_container(0))
    before = real_node.call("GET", TEMPLATE)
    await record(real_node, make_container(1))
    other = {"index_patterns": ["other*"], "priority": 506}
    real_node.call("PUT", "/_index_template/theirs", other)

    [verdict] = await record(real_node, make_container(2), index_name="other")

    assert real_node.call("GET", TEMPLATE) == before
    assert (verdict.outcome, verdict.reason, verdict.destination) == (Outcome.BLOCKED, "no usable template", "other")
    assert "index template expvastic-other: 400" in verdict.detail
    assert "same priority" in verdict.detail
    assert verdict.detail.endswith("or set manage_template: false")


async def test_what_is_the_destinations_fault_blocks_it_until_it_is_put_right(real_node: Node) -> None:
    real_node.call("PUT", "/plain", PLAIN)
    number = iter(range(100))
    async with make_recorder(real_node.url, index_name="plain", manage_template=False) as recorder:

        async def outcome() -> tuple[Outcome, str]:
            [verdict] = await recorder.record([make_container(next(number))])
            return verdict.outcome, verdict.reason

        async def outcome_with(block: str) -> tuple[Outcome, str]:
            real_node.call("PUT", "/plain/_settings", {block: True})
            try:
                return await outcome()
            finally:
                real_node.call("PUT", "/plain/_settings", {block: None})

        real_node.call("POST", "/plain/_close")
        closed = await outcome()
        real_node.call("POST", "/plain/_open?wait_for_active_shards=1")
        blocked = await outcome_with("index.blocks.write")
        flooded = await outcome_with("index.blocks.read_only_allow_delete")
        well = await outcome()

    assert closed == (Outcome.BLOCKED, "400 index_closed_exception")
    assert blocked == (Outcome.BLOCKED, "403 cluster_block_exception")
    assert flooded == (Outcome.AGAIN, "429 cluster_block_exception")
    assert well == (Outcome.RECORDED, "")
    assert len(sources(real_node, "plain")) == 1


async def test_what_a_cluster_does_not_let_us_make_blocks_the_destination(real_node: Node) -> None:
    def limit(settings: dict[str, object]) -> None:
        real_node.call("PUT", "/_cluster/settings", {"persistent": settings})

    limit({"action.auto_create_index": "false"})
    [missing] = await record(real_node, make_container(0), index_name="none", manage_template=False)
    limit({"action.auto_create_index": None, "cluster.max_shards_per_node": 1})
    real_node.call("PUT", "/one", PLAIN)
    [crowded] = await record(real_node, make_container(1))
    limit({"cluster.max_shards_per_node": None})
    [piped] = await record(real_node, make_container(2), index_name="one", pipeline="no-such-pipeline")
    [well] = await record(real_node, make_container(3))

    assert (missing.outcome, missing.reason) == (Outcome.BLOCKED, "404 index_not_found_exception")
    assert (crowded.outcome, crowded.reason) == (Outcome.BLOCKED, "400 validation_exception")
    assert (piped.outcome, piped.reason) == (Outcome.BLOCKED, "400 illegal_argument_exception")
    assert well.outcome is Outcome.RECORDED
    assert [verdict.destination for verdict in (missing, crowded, piped)] == ["none", STREAM, "one"]


async def test_a_cluster_that_is_read_only_drops_the_recorder(real_node: Node) -> None:
    def set_read_only(value: bool | None) -> None:
        real_node.call("PUT", "/_cluster/settings", {"persistent": {"cluster.blocks.read_only": value}})

    set_read_only(True)
    try:
        with pytest.raises(RecorderLost) as raised:
            await record(real_node, make_container(), manage_template=False)
    finally:
        set_read_only(None)

    assert "403 cluster_block_exception: blocked by: [FORBIDDEN/6/cluster read-only (api)]" in str(raised.value)


async def test_a_node_that_stops_and_starts_again_is_written_to_again(real_node: Node) -> None:
    async with make_recorder(real_node.url) as recorder:
        await recorder.record([make_container(0)])
        real_node.stop()
        with pytest.raises(RecordError) as raised:
            await recorder.record([make_container(1)])
        real_node.start()
        real_node.call("GET", "/_cluster/health?wait_for_status=yellow&timeout=30s")
        verdicts = await recorder.record([make_container(0), make_container(1)])

    assert "is Elasticsearch running?" in str(raised.value) or "closed before the answer" in str(raised.value)
    assert outcomes(verdicts) == [Outcome.DUPLICATE, Outcome.RECORDED]


async def test_what_went_to_the_failure_store_is_told(real_node: Node) -> None:
    has_failure_store = real_node.product.name in ("es8", "es9")
    template: dict[str, Any] = {"mappings": {"properties": {"expvar": {"properties": {"v": {"type": "double"}}}}}}
    if has_failure_store:
        template["data_stream_options"] = {"failure_store": {"enabled": True}}
    theirs = {"index_patterns": [STREAM], "priority": 600, "data_stream": {}, "template": template}
    real_node.call("PUT", "/_index_template/theirs", theirs)
    batch = [make_container(0, **{"expvar.v": "text"}), make_container(1, **{"expvar.v": 1})]

    verdicts = await record(real_node, *batch, manage_template=False)

    stored, well = ((verdict.outcome, verdict.reason) for verdict in verdicts)
    assert well == (Outcome.RECORDED, "")
    assert stored == (
        (Outcome.RECORDED, "failure_store") if has_failure_store else (Outcome.REFUSED, "400 mapper_parsing_exception")
    )


@pytest.mark.parametrize("name", ["es8", "es9"])  # one answers 413, the other cuts the connection
async def test_a_node_that_takes_little_gets_smaller_bulks_and_refuses_what_is_too_large_alone(
    start_node: Callable[[str, Mapping[str, str]], Node], name: str
) -> None:
    node = start_node(name, {"http.max_content_length": "1mb"})
    batch = [make_container(number, **{"expvar.text": "x" * 100_000}) for number in range(30)]
    batch[17] = make_container(17, **{"expvar.text": "x" * 1_500_000})

    async with make_recorder(node.url) as recorder:
        results = await record_patiently(recorder, batch, tries=20)

    assert results.pop(17) is Outcome.REFUSED
    assert set(results) <= {Outcome.RECORDED, Outcome.DUPLICATE}
    assert len(node.documents(STREAM)) == 29


async def test_every_service_gets_a_stream_of_its_own_whatever_it_is_called(real_node: Node) -> None:
    services = ["shop", "Shop", 'a:b/c\\d*?"<>|,#e f', "-_+.", "..", "x" * 300, "é" * 300, "\x00\u2028", "50%y{}", ""]
    services += [f"service-{number}" for number in range(3)]
    batch = [replace(make_container(0, service), id=f"id-{number}") for number, service in enumerate(services)]

    async with make_recorder(real_node.url, index_name="metrics-own.%{service.name}-default") as recorder:
        first = await recorder.record(batch)
        found = await recorder.find(batch)
        second = await recorder.record(batch)

    streams = {stream["name"] for stream in real_node.call("GET", "/_resolve/index/metrics-own.*")["data_streams"]}
    assert outcomes(first) == [Outcome.RECORDED] * len(batch)
    assert (found, outcomes(second)) == ([False] * len(batch), [Outcome.DUPLICATE] * len(batch))
    assert streams == {verdict.destination for verdict in first}
    assert len(streams) == len(services) - 1  # Shop and shop are one
    assert {"metrics-own.shop-default", "metrics-own.unknown-default"} <= streams
