"""The templates on real nodes: installed, updated, overridden, and what they make of difficult documents."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from fake_cluster import make_recorder

from expvastic.outcomes.salvage import Salvage
from expvastic.recorder import Outcome, Verdict
from expvastic.recorders.elasticsearch.contact import Product
from expvastic.recorders.elasticsearch.destination import IndexName
from expvastic.recorders.elasticsearch.template import (
    VERSION,
    Features,
    Piece,
    Shape,
    build_pieces,
    compare,
    features_of,
    read_installed,
)
from real_nodes import Node
from samples import make_container

STREAM = "metrics-expvastic-default"
TEMPLATE = f"/_index_template/expvastic-{STREAM}"
MEMSTATS = "expvar.memstats."


def features(node: Node) -> Features:
    product = "opensearch" if node.product.name.startswith("os") else "elasticsearch"
    return features_of(Product(product, node.product.version))


def pieces(node: Node, shape: Shape = Shape.STREAM, name: str = STREAM) -> tuple[Piece, ...]:
    return build_pieces(IndexName(name), shape, features(node))


async def record(node: Node, *batch: Any, **settings: Any) -> list[Verdict]:
    async with make_recorder(node.url, **settings) as recorder:
        return list(await recorder.record(batch))


def outcomes(verdicts: Any) -> list[Outcome]:
    return [verdict.outcome for verdict in verdicts]


def field_types(node: Node, *fields: str, index: str = STREAM) -> dict[str, list[str]]:
    """The types that fields have, in all indices of a stream together."""
    found = node.call("GET", f"/{index}/_field_caps?fields={','.join(fields)}")["fields"]
    return {name: sorted(found[name]) for name in fields if name in found}


def aggregate(node: Node, kind: str, field: str, index: str = STREAM) -> Any:
    node.call("POST", f"/{index}/_refresh")
    search = {"size": 0, "aggs": {"found": {kind: {"field": field}}}}
    return node.call("POST", f"/{index}/_search", search)["aggregations"]["found"]


@pytest.mark.parametrize("shape", list(Shape))
def test_what_is_installed_is_what_was_sent_so_that_there_is_no_difference(real_node: Node, shape: Shape) -> None:
    if shape is Shape.SERIES and not features(real_node).time_series:
        pytest.skip("this server has no time series")
    for piece in pieces(real_node, shape):
        real_node.call("PUT", piece.path, json.loads(piece.body))

    shown = [(piece, json.dumps(real_node.call("GET", piece.path)).encode()) for piece in pieces(real_node, shape)]

    assert [compare(piece, read_installed(piece, body)) for piece, body in shown] == [()] * len(shown)


async def test_known_whole_numbers_are_exact_longs_and_a_fraction_among_them_is_refused_not_cut_off(
    real_node: Node,
) -> None:
    numbers = {MEMSTATS + "LastGC": 1_795_231_860_123_456_789, MEMSTATS + "Alloc": 2**53 + 1}
    numbers |= {MEMSTATS + "PauseNs": [1, 2**40 + 1], MEMSTATS + "GCCPUFraction": 0}
    fractions = {MEMSTATS + "GCCPUFraction": 0.5}

    verdicts = await record(
        real_node,
        make_container(0, **numbers),
        make_container(1, **{MEMSTATS + "Alloc": 4.5}),
        make_container(2, **fractions),
        make_container(3, **{MEMSTATS + "Alloc": 2**64 - 1}),
    )

    assert outcomes(verdicts) == [Outcome.RECORDED, Outcome.REFUSED, Outcome.RECORDED, Outcome.REFUSED]
    assert {verdicts[1].field, verdicts[3].field} == {MEMSTATS + "Alloc"}
    found = field_types(real_node, *numbers)
    assert found == {name: ["long"] for name in numbers} | {MEMSTATS + "GCCPUFraction": ["double"]}
    terms = aggregate(real_node, "terms", MEMSTATS + "LastGC")["buckets"]
    assert [bucket["key"] for bucket in terms] == [1_795_231_860_123_456_789]
    assert aggregate(real_node, "max", MEMSTATS + "GCCPUFraction")["value"] == 0.5


async def test_an_unknown_number_is_a_double_in_every_index_whichever_kind_comes_first(real_node: Node) -> None:
    first = await record(real_node, make_container(0, **{"expvar.x": 1, "expvar.y": 0.5, "expvar.z": 2**64 - 1}))
    real_node.call("POST", f"/{STREAM}/_rollover")
    second = await record(real_node, make_container(1, **{"expvar.x": 1.5, "expvar.y": 2, "expvar.z": 1}))

    assert outcomes([*first, *second]) == [Outcome.RECORDED] * 2
    names = ("expvar.x", "expvar.y", "expvar.z")
    assert field_types(real_node, *names) == {name: ["double"] for name in names}
    assert aggregate(real_node, "sum", "expvar.x")["value"] == 2.5
    assert aggregate(real_node, "sum", "expvar.y")["value"] == 2.5
    assert aggregate(real_node, "max", "expvar.z")["value"] == float(2**64 - 1)


async def test_a_range_of_an_unknown_number_is_found(real_node: Node) -> None:
    await record(real_node, *(make_container(number, **{"expvar.x": number}) for number in range(10)))
    real_node.call("POST", f"/{STREAM}/_refresh")

    query = {"query": {"range": {"expvar.x": {"gte": 7}}}}

    assert real_node.call("POST", f"/{STREAM}/_search", query)["hits"]["total"]["value"] == 3


async def test_a_name_and_a_name_below_it_both_arrive(real_node: Node) -> None:
    verdicts = await record(
        real_node, make_container(0, **{"expvar.a": 1}), make_container(1, **{"expvar.a.b": 2, "expvar.c": 3})
    )

    if features(real_node).flat_names:
        assert outcomes(verdicts) == [Outcome.RECORDED] * 2
        assert aggregate(real_node, "sum", "expvar.a")["value"] == 1
        assert aggregate(real_node, "sum", "expvar.a.b")["value"] == 2
    else:
        assert outcomes(verdicts) == [Outcome.RECORDED, Outcome.REFUSED]
        assert verdicts[1].field in ("expvar.a", "expvar.a.b")
        rescued = Salvage().rescue(make_container(1, **{"expvar.a.b": 2, "expvar.c": 3}), verdicts[1].field, 0.0)
        assert rescued is not None
        assert outcomes(await record(real_node, rescued)) == [Outcome.RECORDED]
        assert aggregate(real_node, "sum", "expvar.c")["value"] == 3


async def test_more_fields_than_the_limit_cost_no_document_and_no_number_of_the_others(real_node: Node) -> None:
    await record(real_node, make_container(0, **{"expvar.known": 1}))
    crowd = make_container(1, **{"expvar.known": 2}, **{f"expvar.x{number}": number for number in range(2_100)})

    [verdict] = await record(real_node, crowd)

    if features(real_node).beyond_limit:
        assert verdict.outcome is Outcome.RECORDED
        assert aggregate(real_node, "sum", "expvar.known")["value"] == 3
    else:
        assert (verdict.outcome, verdict.field) == (Outcome.REFUSED, "")
        rescued = Salvage().rescue(crowd, "", 0.0)
        assert rescued is not None
        assert outcomes(await record(real_node, rescued)) == [Outcome.RECORDED]
    assert len(real_node.documents(STREAM)) == 2


async def test_long_strings_arrive_whole_and_only_short_ones_are_searched_for(real_node: Node) -> None:
    texts = ["x" * 1_024, "x" * 1_025, "\N{GRINNING FACE}" * 20_000, "2026-11-21", "17"]

    verdicts = await record(
        real_node, *(make_container(number, **{"expvar.s": text}) for number, text in enumerate(texts))
    )

    assert outcomes(verdicts) == [Outcome.RECORDED] * len(texts)
    assert [hit["_source"]["expvar.s"] for hit in real_node.documents(STREAM)] == texts
    assert field_types(real_node, "expvar.s") == {"expvar.s": ["keyword"]}
    assert aggregate(real_node, "cardinality", "expvar.s")["value"] == 3


async def test_an_older_version_is_updated_and_a_newer_one_stays(real_node: Node) -> None:
    *_, template = pieces(real_node)
    old = json.loads(template.body) | {"_meta": {"managed_by": "expvastic", "version": VERSION - 1}}
    old = {key: content for key, content in old.items() if "component" not in key and key != "composed_of"}
    real_node.call("PUT", TEMPLATE, old)
    await record(real_node, make_container(0))
    updated = real_node.call("GET", TEMPLATE)["index_templates"][0]["index_template"]
    new = json.loads(template.body) | {"_meta": {"managed_by": "expvastic", "version": VERSION + 1}}
    real_node.call("PUT", TEMPLATE, new)

    verdicts = await record(real_node, make_container(1))

    assert outcomes(verdicts) == [Outcome.RECORDED]
    assert updated["_meta"]["version"] == VERSION
    kept = real_node.call("GET", TEMPLATE)["index_templates"][0]["index_template"]
    assert kept["_meta"]["version"] == VERSION + 1


async def test_an_old_version_beside_a_new_one_writes_to_the_same_stream(real_node: Node) -> None:
    *_, template = pieces(real_node)
    old = {**json.loads(template.body), "_meta": {"managed_by": "expvastic", "version": VERSION - 1}}
    old |= {"composed_of": [], "template": {"mappings": {"date_detection": False}}}
    old.pop("ignore_missing_component_templates", None)
    real_node.call("PUT", TEMPLATE, old)
    before = await record(real_node, make_container(0), manage_template=False)

    after = await record(real_node, make_container(1))
    beside = await record(real_node, make_container(2), manage_template=False)

    assert outcomes([*before, *after, *beside]) == [Outcome.RECORDED] * 3
    assert len(real_node.documents(STREAM)) == 3


async def test_what_a_user_adds_as_a_part_of_their_own_counts(real_node: Node) -> None:
    if not features(real_node).parts:
        pytest.skip("this server knows no parts that need not be there")
    custom = {"template": {"settings": {"index.number_of_replicas": 0}, "mappings": {"properties": {}}}}
    custom["template"]["mappings"]["properties"] = {"expvar.mine": {"type": "float"}}
    real_node.call("PUT", f"/_component_template/expvastic-{STREAM}@custom", custom)

    verdicts = await record(real_node, make_container(0, **{"expvar.mine": 1, "expvar.other": 1}))

    assert outcomes(verdicts) == [Outcome.RECORDED]
    assert field_types(real_node, "expvar.mine", "expvar.other") == {
        "expvar.mine": ["float"],
        "expvar.other": ["double"],
    }
    [index] = real_node.call("GET", f"/{STREAM}/_settings").values()
    assert index["settings"]["index"]["number_of_replicas"] == "0"


@pytest.mark.parametrize("priority", [100, 200])
async def test_templates_for_all_metrics_stand_below_ours(real_node: Node, priority: int) -> None:
    theirs = {"index_patterns": ["metrics-*-*"], "priority": priority, "data_stream": {}}
    theirs["template"] = {"mappings": {"dynamic": False}}
    real_node.call("PUT", "/_index_template/metrics", theirs)

    verdicts = await record(real_node, make_container(0, **{"expvar.x": 1}))

    assert outcomes(verdicts) == [Outcome.RECORDED]
    assert field_types(real_node, "expvar.x") == {"expvar.x": ["double"]}


async def test_twenty_that_start_at_once_beside_an_old_template_lose_nothing(real_node: Node) -> None:
    *_, template = pieces(real_node)
    old = {"index_patterns": [STREAM], "priority": 526, "data_stream": {}}
    real_node.call("PUT", template.path, old | {"_meta": {"managed_by": "expvastic", "version": 1}})
    verdicts: list[Verdict] = []

    async def run(number: int) -> None:
        verdicts.extend(await record(real_node, make_container(number)))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(run, number)

    assert outcomes(verdicts) == [Outcome.RECORDED] * 20
    assert len(real_node.documents(STREAM)) == 20
    [shown] = real_node.call("GET", TEMPLATE)["index_templates"]
    assert shown["index_template"]["_meta"]["version"] == VERSION
