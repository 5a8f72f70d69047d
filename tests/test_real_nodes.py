"""The real nodes are what the tests take them for."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable, Mapping

import pytest

from real_nodes import Node

STREAM = "metrics-expvastic.test-default"
TEMPLATE = {
    "index_patterns": ["metrics-expvastic.*-*"],
    "priority": 501,
    "data_stream": {},
    "template": {
        "settings": {"index.codec": "best_compression", "number_of_replicas": 0},
        "mappings": {"dynamic_templates": [{"numbers": {"match_mapping_type": "long", "mapping": {"type": "double"}}}]},
    },
}


def create(identity: str, value: object) -> tuple[dict[str, object], dict[str, object]]:
    action: dict[str, object] = {"create": {"_index": STREAM, "_id": identity}}
    return action, {"@timestamp": "2026-11-20T10:00:00Z", "value": value}


def statuses(answer: Mapping[str, list[dict[str, dict[str, int]]]]) -> list[int]:
    return [item["create"]["status"] for item in answer["items"]]


def test_a_node_is_of_the_version_that_its_name_stands_for(real_node: Node) -> None:
    assert real_node.call("GET", "/")["version"]["number"] == real_node.product.version


def test_a_node_takes_a_document_once_under_one_id(real_node: Node) -> None:
    real_node.call("PUT", "/_index_template/expvastic", TEMPLATE)

    first = real_node.bulk(*create("1", 2**64 - 1))
    second = real_node.bulk(*create("1", 0))

    assert (statuses(first), statuses(second)) == ([201], [409])
    assert [hit["_source"]["value"] for hit in real_node.documents(STREAM)] == [2**64 - 1]


def test_a_node_is_empty_at_the_start_of_each_test(real_node: Node) -> None:
    assert real_node.call("GET", "/_cat/indices?format=json&expand_wildcards=all") == []


def test_a_stopped_node_comes_back_with_its_data_on_the_same_port(real_node: Node) -> None:
    real_node.call("PUT", "/_index_template/expvastic", TEMPLATE)
    real_node.bulk(*create("1", 1), *create("2", 2))
    url = real_node.url

    real_node.stop()
    with pytest.raises(urllib.error.URLError):
        real_node.call("GET", "/")
    real_node.start()

    assert real_node.url == url
    real_node.call("GET", "/_cluster/health?wait_for_status=yellow&timeout=30s")
    assert len(real_node.documents(STREAM)) == 2


def test_a_node_of_ones_own_takes_settings(start_node: Callable[[str, Mapping[str, str]], Node]) -> None:
    node = start_node("es9", {"http.max_content_length": "1mb"})

    with pytest.raises(OSError):
        node.bulk(*create("1", "x" * 1_100_000))
