"""The pre-flight: what a destination would refuse, cut off or not find again of documents, told from its mapping."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from fake_cluster import FakeCluster, error, make_recorder

from expvastic.errors import RecordError
from expvastic.recorder import Finding, Outcome
from expvastic.recorders.elasticsearch.contact import Product
from expvastic.recorders.elasticsearch.inspection import find_faults, read_layout
from expvastic.recorders.elasticsearch.template import build_mappings, build_settings, features_of
from real_nodes import Node
from samples import make_container
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"


def faults(mappings: dict[str, Any], *values: dict[str, Any], **settings: Any) -> list[Finding]:
    """What is found of documents that hold such values, by a mapping and flat settings without dots."""
    layout = read_layout(mappings, {"index": {"mapping": {"total_fields": settings}}})
    return find_faults(layout, [msgspec.json.encode({"@timestamp": "2026-11-21", **each}) for each in values])


def mapped(kind: str, **about: Any) -> dict[str, Any]:
    return {"properties": {"a": {"properties": {"b": {"type": kind, **about}}}}}


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("long", 1.5, "holds fractions: cut off without notice"),
        ("long", "text", "holds text: refused"),
        ("long", True, "is true or false: refused"),
        ("long", 2**63, "9223372036854775808 does not fit: refused"),
        ("long", 2**64 - 1, "does not fit"),
        ("long", -(2**63) - 1, "does not fit"),
        ("integer", 2**31, "does not fit"),
        ("short", 32_768, "does not fit"),
        ("unsigned_long", -1, "does not fit"),
        ("unsigned_long", 2**64, "does not fit"),
        ("float", 2**24 + 1, "digits are lost"),
        ("half_float", 2_049, "digits are lost"),
        ("double", "text", "holds text: refused"),
        ("boolean", 1, "holds a number: refused"),
        ("boolean", "yes", "holds text: refused"),
        ("keyword", 1, "nothing can be computed"),
        ("text", 1.5, "nothing can be computed"),
        ("object", 1, "holds a single value: refused"),
        ("nested", "x", "holds a single value: refused"),
    ],
)
def test_a_value_that_its_field_does_not_hold_is_found(kind: str, value: Any, words: str) -> None:
    found = faults(mapped(kind), {"a.b": value})

    assert any(words in finding.problem for finding in found)
    assert {finding.field for finding in found} == {"a.b"}
    assert all(finding.advice for finding in found)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("long", 2**63 - 1), ("long", 1.0), ("long", "17"), ("unsigned_long", 2**64 - 1), ("integer", -(2**31))),
        *(("double", 2**64), ("double", "1.5"), ("float", 0.1), ("float", 2**24), ("boolean", False)),
        *(("boolean", "true"), ("keyword", "x"), ("keyword", True), ("flattened", {}), ("date", 5), ("ip", "::1")),
    ],
)
def test_a_value_that_fits_is_nothing_to_speak_of(kind: str, value: Any) -> None:
    assert faults(mapped(kind), {"a.b": value}) == []


def test_a_field_that_does_not_coerce_refuses_fractions_openly() -> None:
    [found] = faults(mapped("long", coerce=False), {"a.b": 1.5})

    assert found.problem == "is mapped as long, and holds fractions: refused"


def test_lists_are_looked_at_value_by_value() -> None:
    [found] = faults(mapped("long"), {"a.b": [1, 2.5, 3.5]})

    assert "holds fractions" in found.problem


def test_of_a_new_name_the_first_value_decides_by_the_rules_that_are_there() -> None:
    rules = [
        {"counts": {"path_match": "x.*", "path_unmatch": "x.y", "mapping": {"type": "integer"}}},
        {"longs": {"match_mapping_type": ["long"], "match": "n*", "mapping": {"type": "{dynamic_type}"}}},
        {"all": {"match_mapping_type": "*", "mapping": {"type": "keyword"}}},
    ]

    found = faults({"dynamic_templates": rules}, {"x.a": 2**40, "x.y": "s", "z.n": 1, "b": True}, {"z.n": 1.5})

    assert {finding.field: finding.problem for finding in found} == {
        "x.a": "would be mapped as integer, and 1099511627776 does not fit: refused",
        "z.n": "would be mapped as long, and holds fractions: cut off without notice",
    }


def test_two_readers_with_one_name_for_different_things_are_told_to_tell_them_apart() -> None:
    [found] = faults({}, {"a": 1}, {"a": "one"})

    assert found.problem == "would be mapped as long, and holds text: refused"
    assert found.advice == "rename or exclude it where it is of the other kind"


@pytest.mark.parametrize(
    ("mappings", "values", "fields"),
    [
        (mapped("long"), {"a": 1}, ["a"]),
        (mapped("long"), {"a.b.c": 1}, ["a.b.c"]),
        ({}, {"a": 1, "a.b": 2}, ["a"]),
        ({"properties": {"a.b": {"type": "long"}}}, {"a": 1}, ["a"]),
        ({"subobjects": False, "properties": {"a.b": {"type": "long"}}}, {"a": 1, "a.b.c": 1}, []),
        ({}, {"a.b": 1, "a.c": 1, "ab": 1}, []),
    ],
)
def test_a_name_and_one_below_it_conflict(mappings: dict[str, Any], values: dict[str, Any], fields: list[str]) -> None:
    assert [finding.field for finding in faults(mappings, values)] == fields


@pytest.mark.parametrize(
    ("dynamic", "words"), [("strict", "takes no new names"), (False, "not indexed"), ("runtime", "not indexed")]
)
def test_a_mapping_that_takes_no_new_names_is_told(dynamic: object, words: str) -> None:
    found = faults({"dynamic": dynamic, **mapped("long")}, {"a.b": 1, "new": 1})

    assert [(finding.field, words in finding.problem) for finding in found] == [("new", True)]


@pytest.mark.parametrize(("limit", "count"), [("3", 1), ("4", 0), (4, 0)])
def test_more_fields_than_the_limit_are_told(limit: object, count: int) -> None:
    found = faults(mapped("long"), {"a.b": 1, "a.c": 1}, limit=limit)

    # @timestamp and a.c are new; a and a.b are there.
    assert len(found) == count
    assert all("2 there and 2 new ones are more than the limit of 3: documents are refused" in f.problem for f in found)


def test_a_limit_that_is_tolerated_costs_columns_only() -> None:
    [found] = faults({}, {"a": 1, "b": 2}, limit="1", ignore_dynamic_beyond_limit="true")

    assert "stored, but not indexed" in found.problem


@pytest.mark.parametrize("version", ["7.17.29", "9.5.3"])
def test_our_own_template_takes_what_go_publishes(version: str) -> None:
    features = features_of(Product("elasticsearch", version))
    layout = read_layout(build_mappings(features), build_settings(features))
    values = {"expvar.memstats.Alloc": 2**40, "expvar.memstats.GCCPUFraction": 0.5, "expvar.x": 2**64 - 1}
    values |= {"expvar.memstats.PauseNs": [1, 2], "service.name": "s", "event.duration": 5, "labels.a": "b"}

    assert find_faults(layout, [msgspec.json.encode(values), msgspec.json.encode({"expvar.x": 0.5})]) == []


# -- asked of a cluster --


async def inspect(cluster: FakeCluster, values: dict[str, Any], **settings: Any) -> list[Finding]:
    async with ScriptedServer(cluster) as server, make_recorder(server.url, **settings) as recorder:
        return list(await recorder.inspect([make_container(**values)]))


async def test_the_newest_index_of_a_stream_is_looked_at() -> None:
    cluster = FakeCluster()
    names = [f".ds-{STREAM}-2026.11.0{day}-{number:06}" for day, number in ((9, 2), (1, 10), (8, 9))]
    cluster.faults[f"GET /{STREAM}/_mapping"] = [
        Answer({name: {"mappings": mapped("long" if name == names[1] else "double")} for name in names})
    ]
    cluster.faults[f"GET /{STREAM}/_settings"] = [Answer({names[1]: {"settings": {}}})]

    [found] = await inspect(cluster, {"a.b": 1.5})

    assert "is mapped as long" in found.problem


async def test_what_is_not_there_yet_is_foreseen_by_our_template_or_by_those_that_are_there() -> None:
    cluster = FakeCluster()
    cluster.faults[f"GET /{STREAM}/_mapping"] = [error(404, "index_not_found_exception")] * 2
    theirs = {"template": {"mappings": mapped("long"), "settings": {}}}
    cluster.faults[f"POST /_index_template/_simulate_index/{STREAM}"] = [Answer(theirs)]

    ours = await inspect(cluster, {"a.b": 1.5})
    [others] = await inspect(cluster, {"a.b": 1.5}, manage_template=False)

    assert ours == []
    assert "cut off without notice" in others.problem
    assert not [request for request in cluster.asked if request.startswith("PUT")]


@pytest.mark.parametrize("answer", [error(403, "security_exception"), Answer("<html>"), Answer("", 502)])
async def test_what_may_not_be_asked_is_an_error(answer: Answer) -> None:
    cluster = FakeCluster()
    cluster.faults[f"GET /{STREAM}/_mapping"] = [answer]

    with pytest.raises(RecordError, match="the mapping of"):
        await inspect(cluster, {"a.b": 1.5})


async def test_what_was_foretold_is_what_a_real_node_does(real_node: Node) -> None:
    theirs = {"index_patterns": [STREAM], "priority": 5_000, "data_stream": {}}
    theirs["template"] = {"mappings": mapped("long"), "settings": {"index.mapping.total_fields.limit": 12}}
    real_node.call("PUT", "/_index_template/theirs", theirs)
    good, *bad = (
        make_container(number, **values)  # type: ignore[arg-type]
        for number, values in enumerate(({"a.b": 1}, {"a.b": "x"}, {"a.b": 2**63}, {"a": 1}, {"a.b.c": 1}))
    )
    crowd = make_container(9, **{f"n{number}": number for number in range(20)})

    async with make_recorder(real_node.url, manage_template=False) as recorder:
        before = [bool(await recorder.inspect([each])) for each in (good, *bad, crowd)]
        verdicts = await recorder.record([good, *bad, crowd])
        after = [bool(await recorder.inspect([each])) for each in (good, *bad, crowd)]
        [truncated] = await recorder.inspect([make_container(10, **{"a.b": 1.5})])

    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED, *[Outcome.REFUSED] * 5]
    assert before == after == [False, *[True] * 5]
    assert "cut off without notice" in truncated.problem


async def test_our_own_template_on_a_real_node_takes_what_it_promises(real_node: Node) -> None:
    batch = [make_container(0, **{"expvar.x": 1, "expvar.memstats.Alloc": 2**40, "expvar.s": "x"})]
    batch.append(make_container(1, **{"expvar.x": 2**64 - 1, "expvar.list": [1, 2.5]}))

    async with make_recorder(real_node.url) as recorder:
        before = await recorder.inspect(batch)
        verdicts = await recorder.record(batch)
        after = await recorder.inspect(batch)

    assert before == after == []
    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 2
