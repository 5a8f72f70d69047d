"""The index template and its parts: what they say to which server, and which of those that are there are replaced."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from expvastic.recorders.elasticsearch.contact import Product
from expvastic.recorders.elasticsearch.destination import IndexName
from expvastic.recorders.elasticsearch.template import (
    VERSION,
    Condition,
    Piece,
    Shape,
    build_mappings,
    build_pieces,
    compare,
    features_of,
    judge,
    read_installed,
    template_name,
)

STREAM = "metrics-expvastic-default"
NEWEST = Product("elasticsearch", "9.5.3")
SERVERS = [
    Product(),
    *(Product("elasticsearch", version) for version in ("7.17.29", "8.0.1", "8.7.0", "8.14.3", "8.19.21", "9.0.4")),
    *(NEWEST, Product("elasticsearch", "serverless"), Product("opensearch", "2.19.6"), Product("opensearch", "3.8.0")),
]


def pieces(
    name: str = STREAM, product: Product = NEWEST, shape: Shape = Shape.STREAM, retention: float | None = None
) -> tuple[Piece, ...]:
    return build_pieces(IndexName(name), shape, features_of(product), retention)


def built(name: str = STREAM, product: Product = NEWEST, shape: Shape = Shape.STREAM) -> dict[str, Any]:
    """The index template itself."""
    template: dict[str, Any] = json.loads(pieces(name, product, shape)[-1].body)
    return template


def merged(product: Product, shape: Shape = Shape.STREAM, retention: float | None = None) -> dict[str, Any]:
    """What all pieces for a server say together of the indices."""
    found: dict[str, Any] = {}
    for piece in pieces(STREAM, product, shape, retention):
        found |= json.loads(piece.body).get("template", {})
    return found


def installed(version: object = VERSION, manager: object = "expvastic", *, stream: bool = True) -> dict[str, Any]:
    about = {"_meta": {"managed_by": manager, "version": version}, "index_patterns": [STREAM]}
    return {**about, **({"data_stream": {}} if stream else {})}


# -- what it says --


def test_its_name_and_patterns_come_from_the_index_name() -> None:
    index = IndexName("app-%{+yyyy}-b-%{+MM.dd}")

    assert template_name(index) == "expvastic-app-_-b-_"
    assert built(index.text, shape=Shape.PLAIN)["index_patterns"] == ["app-*-b-*"]


@pytest.mark.parametrize(("name", "priority"), [("a", 502), (STREAM, 526), ("app-%{+yyyy}", 505)])
def test_its_priority_grows_with_what_the_pattern_says(name: str, priority: int) -> None:
    assert built(name)["priority"] == priority


def test_it_makes_data_streams_of_streams_and_says_whose_it_is() -> None:
    assert built("a")["data_stream"] == {}
    assert "data_stream" not in built("a", shape=Shape.PLAIN)
    assert {json.dumps(json.loads(piece.body)["_meta"]) for piece in pieces()} == {
        json.dumps({"managed_by": "expvastic", "version": VERSION})
    }


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_it_says_nothing_of_replicas_nor_of_malformed_values(server: Product) -> None:
    settings = merged(server)["settings"]

    assert settings["index.codec"] == "best_compression"
    assert settings["index.mapping.total_fields.limit"] == 2000
    assert not [name for name in settings if "replicas" in name or "malformed" in name]


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_users_have_a_part_of_their_own_where_it_need_not_be_there(server: Product) -> None:
    template = built(product=server)

    if features_of(server).parts:
        own = f"expvastic-{STREAM}"
        assert template["composed_of"] == [f"{own}@settings", f"{own}@mappings", f"{own}@custom"]
        assert template["ignore_missing_component_templates"] == [f"{own}@custom"]
        assert "template" not in template, "what it says itself could not be overridden"
    else:
        assert not {"composed_of", "ignore_missing_component_templates"} & set(template)
        assert set(template["template"]) == {"settings", "mappings"}


@pytest.mark.parametrize("server", [Product(), Product("elasticsearch", "7.17.29"), Product("opensearch", "3.8.0")])
def test_an_old_or_unknown_server_is_told_only_what_all_know(server: Product) -> None:
    [template] = pieces(product=server)
    text = template.body.decode()

    for word in ("subobjects", "lifecycle", "failure_store", "ignore_dynamic", '"index":false', "ignore_missing"):
        assert word not in text


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_a_word_is_said_only_to_servers_that_know_it(server: Product) -> None:
    said, version = merged(server), features_of(server)

    assert ("subobjects" in said["mappings"]) == version.flat_names
    assert ("lifecycle" in said) == version.lifecycle
    assert ("data_stream_options" in said) == version.failure_store
    assert any("ignore_dynamic" in name for name in said["settings"]) == version.beyond_limit


def test_which_version_knows_what() -> None:
    known = {str(server): "".join("01"[word] for word in features_of(server)) for server in SERVERS}

    assert known == {
        "a cluster that may not say what it is": "000000000",
        "Elasticsearch 7.17.29": "001000000",
        "Elasticsearch 8.0.1": "001000000",
        "Elasticsearch 8.7.0": "101001010",
        "Elasticsearch 8.14.3": "111111010",
        "Elasticsearch 8.19.21": "111111111",
        "Elasticsearch 9.0.4": "111111011",
        "Elasticsearch 9.5.3": "111111111",
        "Elasticsearch serverless": "110111111",
        "OpenSearch 2.19.6": "000000000",
        "OpenSearch 3.8.0": "000000000",
    }


# -- how long documents are kept --


def test_a_stream_keeps_to_the_time_itself_where_it_can() -> None:
    assert merged(NEWEST)["lifecycle"] == {"enabled": True}
    assert merged(NEWEST, retention=30 * 86_400)["lifecycle"] == {"enabled": True, "data_retention": "30d"}
    assert [piece.kind for piece in pieces(retention=90.0)] == ["_component_template"] * 2 + ["_index_template"]


@pytest.mark.parametrize(
    ("product", "shape", "hot"),
    [
        (Product("elasticsearch", "7.17.29"), Shape.STREAM, True),
        (Product("elasticsearch", "7.17.29"), Shape.PLAIN, False),
        (NEWEST, Shape.PLAIN, False),
    ],
)
def test_else_a_policy_does_it(product: Product, shape: Shape, hot: bool) -> None:
    policy = pieces(STREAM, product, shape, 7 * 86_400)[0]
    phases = json.loads(policy.body)["policy"]["phases"]

    assert policy.path == f"/_ilm/policy/expvastic-{STREAM}"
    assert phases["delete"] == {"min_age": "7d", "actions": {"delete": {}}}
    assert ("hot" in phases) == hot
    assert not hot or phases["hot"]["actions"]["rollover"]["max_age"] == "7d"
    assert merged(product, shape, 7 * 86_400)["settings"]["index.lifecycle.name"] == policy.name


@pytest.mark.parametrize(("seconds", "spelled"), [(60, "1m"), (61, "61s"), (5_400, "90m"), (7_200, "2h"), (0.4, "1s")])
def test_a_time_is_spelled_in_whole_units(seconds: float, spelled: str) -> None:
    assert merged(NEWEST, retention=seconds)["lifecycle"]["data_retention"] == spelled


def test_opensearch_is_told_nothing_of_it() -> None:
    assert pieces(product=Product("opensearch", "3.8.0"), retention=60) == pieces(
        product=Product("opensearch", "3.8.0")
    )


# -- the types --


def test_known_whole_numbers_of_go_are_longs_below_any_prefix_and_nothing_else_is() -> None:
    [known, *_] = build_mappings(features_of(NEWEST))["dynamic_templates"]  # type: ignore[misc]
    pattern = known["known"]["path_match"]  # type: ignore[index]
    names = ["memstats.Alloc", "expvar.memstats.NumGC", "a.b.memstats.PauseNs", "expvar.memstats.LastGC"]
    others = ["expvar.memstats.GCCPUFraction", "Alloc", "expvar.Alloc", "expvar.memstats.Alloc.rate", "xmemstats.Alloc"]

    assert all(re.fullmatch(pattern, name) for name in names)
    assert not any(re.fullmatch(pattern, name) for name in others)


# -- what is there already --


def told(piece: Piece, content: object) -> bytes:
    kind = piece.kind.removeprefix("_")
    return msgspec.json.encode({f"{kind}s": [{"name": piece.name, kind: content}]})


@pytest.mark.parametrize(
    ("template", "shape", "condition"),
    [
        (installed(), Shape.STREAM, Condition.CURRENT),
        (installed(VERSION + 1), Shape.STREAM, Condition.NEWER),
        (installed(VERSION + 1, stream=False), Shape.STREAM, Condition.NEWER),
        (installed(VERSION - 1), Shape.STREAM, Condition.OLDER),
        (installed(VERSION - 1), Shape.PLAIN, Condition.OLDER),
        (installed(), Shape.PLAIN, Condition.UNSUITED),
        (installed(stream=False), Shape.STREAM, Condition.UNSUITED),
        (installed(stream=False), Shape.PLAIN, Condition.CURRENT),
        ({**installed(), "index_patterns": ["other", STREAM]}, Shape.STREAM, Condition.CURRENT),
        ({**installed(), "index_patterns": STREAM}, Shape.STREAM, Condition.CURRENT),
        ({**installed(), "index_patterns": ["metrics-expvastic-defaul?"]}, Shape.STREAM, Condition.UNSUITED),
        ({**installed(), "index_patterns": None}, Shape.STREAM, Condition.UNSUITED),
        (installed(manager="somebody"), Shape.STREAM, Condition.FOREIGN),
        (installed(manager=None), Shape.STREAM, Condition.FOREIGN),
        (installed("first"), Shape.STREAM, Condition.FOREIGN),
        ({"data_stream": {}}, Shape.STREAM, Condition.FOREIGN),
        ({"_meta": {}}, Shape.STREAM, Condition.FOREIGN),
        ({"_meta": []}, Shape.STREAM, Condition.FOREIGN),
        (None, Shape.STREAM, Condition.MISSING),
    ],
)
def test_only_an_older_one_of_ours_is_replaced(
    template: dict[str, Any] | None, shape: Shape, condition: Condition
) -> None:
    assert judge(pieces(shape=shape)[-1], template) is condition
    assert condition.wants_install == (condition.name in ("OLDER", "UNSUITED", "MISSING"))


def test_what_is_installed_is_read_from_the_answer_of_its_kind() -> None:
    policy, settings, _, template = pieces(shape=Shape.PLAIN, retention=60)

    assert read_installed(template, told(template, {"priority": 1})) == {"priority": 1}
    assert read_installed(settings, told(settings, {"template": {}})) == {"template": {}}
    assert read_installed(policy, b'{"expvastic-%b":{"version":3,"policy":{"phases":{}}}}' % STREAM.encode()) == {
        "policy": {"phases": {}}
    }
    assert read_installed(template, b'{"index_templates":[]}') is None
    assert read_installed(policy, b"{}") is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"index_templates":[{"name":"x"}]}', b'{"index_templates"'])
def test_what_is_no_answer_about_templates_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_installed(pieces()[-1], body)


def test_what_a_server_makes_of_it_is_no_difference() -> None:
    settings, _, template = pieces()
    as_shown = {
        "template": {
            "settings": {
                "index": {
                    "codec": "best_compression",
                    "mapping": {"total_fields": {"limit": "2000", "ignore_dynamic_beyond_limit": "true"}},
                }
            },
            "lifecycle": {"enabled": True},
            "data_stream_options": {"failure_store": {"enabled": False}},
        },
        "_meta": {"managed_by": "expvastic", "version": VERSION},
    }
    shown = json.loads(template.body) | {"data_stream": {"hidden": False, "allow_custom_routing": False}}

    assert compare(settings, as_shown) == ()
    assert compare(template, shown) == ()
    assert compare(template, shown | {"priority": 7}) == (f"+ priority: {501 + len(STREAM)}", "- priority: 7")


# -- time series --


def test_a_time_series_comes_with_a_plain_sibling_and_its_own_template_last() -> None:
    names = [piece.name for piece in pieces(shape=Shape.SERIES)]
    own = f"expvastic-{STREAM}"

    assert names == [
        *(f"{own}-plain@settings", f"{own}-plain@mappings", f"{own}-plain"),
        *(f"{own}@series-settings", f"{own}@series-mappings", own),
    ]


def test_a_time_series_is_told_what_tells_series_apart_and_what_only_grows() -> None:
    settings, mappings = (json.loads(piece.body)["template"] for piece in pieces(shape=Shape.SERIES)[3:5])
    rules = {name: rule for named in mappings["mappings"]["dynamic_templates"] for name, rule in named.items()}
    dimensions = ["service.name", "host.name", "service.address", "event.dataset", "agent.id"]

    assert settings["settings"]["index.mode"] == "time_series"
    assert settings["settings"]["index.routing_path"] == [*dimensions, "labels.*"]
    assert settings["settings"]["index.mapping.source.mode"] == "stored"
    properties = mappings["mappings"]["properties"]
    assert [name for name, about in properties.items() if about.get("time_series_dimension")] == dimensions
    assert rules["labels"]["mapping"]["time_series_dimension"]
    metrics = {name: rule["mapping"].get("time_series_metric") for name, rule in rules.items()}
    assert metrics == {
        **dict.fromkeys(("labels", "rings", "strings", "booleans")),
        "counters": "counter",
        **dict.fromkeys(("known", "integers", "floats"), "gauge"),
    }
    assert re.fullmatch(rules["counters"]["path_match"], "expvar.memstats.NumGC")
    assert not re.fullmatch(rules["counters"]["path_match"], "expvar.memstats.Alloc")


@pytest.mark.parametrize(("there", "wanted"), [(Shape.STREAM, Shape.SERIES), (Shape.SERIES, Shape.STREAM)])
def test_the_template_of_a_time_series_and_that_of_another_stream_are_not_the_same(there: Shape, wanted: Shape) -> None:
    installed = json.loads(pieces(shape=there)[-1].body)

    assert judge(pieces(shape=wanted)[-1], installed) is Condition.UNSUITED
    assert judge(pieces(shape=there)[-1], installed) is Condition.CURRENT
