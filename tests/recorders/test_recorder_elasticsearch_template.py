"""The index template: what it says, and which of those that are there it replaces."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from expvastic.recorders.elasticsearch.destination import IndexName
from expvastic.recorders.elasticsearch.template import VERSION, Need, build_template, judge_installed, template_name

STREAM = "metrics-expvastic-default"


def built(name: str, *, stream: bool) -> dict[str, Any]:
    template: dict[str, Any] = json.loads(build_template(IndexName(name), stream=stream))
    return template


def installed(version: object = VERSION, manager: object = "expvastic", *, stream: bool = True) -> dict[str, Any]:
    return {"_meta": {"managed_by": manager, "version": version}, **({"data_stream": {}} if stream else {})}


# -- what it says --


def test_its_name_and_patterns_come_from_the_index_name() -> None:
    index = IndexName("app-%{+yyyy}-b-%{+MM.dd}")

    assert template_name(index) == "expvastic-app-_-b-_"
    assert built(index.text, stream=False)["index_patterns"] == ["app-*-b-*"]


@pytest.mark.parametrize(("name", "priority"), [("a", 502), (STREAM, 526), ("app-%{+yyyy}", 505)])
def test_its_priority_grows_with_what_the_pattern_says(name: str, priority: int) -> None:
    assert built(name, stream=True)["priority"] == priority


def test_it_makes_data_streams_of_streams_and_says_whose_it_is() -> None:
    assert built("a", stream=True)["data_stream"] == {}
    assert "data_stream" not in built("a", stream=False)
    assert built("a", stream=True)["_meta"] == {"managed_by": "expvastic", "version": VERSION}


def test_it_says_nothing_of_replicas_and_sets_nothing_that_an_old_server_does_not_know() -> None:
    template = built("a", stream=True)["template"]

    assert template["settings"] == {"index.mapping.total_fields.limit": 2000}
    assert set(template) == {"settings", "mappings"}


# -- what is there already --


@pytest.mark.parametrize(
    ("template", "stream", "need"),
    [
        (installed(), True, Need.NOTHING),
        (installed(VERSION + 1), True, Need.NOTHING),
        (installed(VERSION + 1, stream=False), True, Need.NOTHING),
        (installed(VERSION - 1), True, Need.UPDATE),
        (installed(VERSION - 1), False, Need.UPDATE),
        (installed(), False, Need.UPDATE),
        (installed(stream=False), True, Need.UPDATE),
        (installed(stream=False), False, Need.NOTHING),
        (installed(manager="somebody"), True, Need.NOTHING),
        (installed(manager=None), True, Need.NOTHING),
        (installed("first"), True, Need.NOTHING),
        ({"data_stream": {}}, True, Need.NOTHING),
        ({"_meta": {}}, True, Need.NOTHING),
    ],
)
def test_only_an_older_one_of_ours_is_replaced(template: dict[str, Any], stream: bool, need: Need) -> None:
    body = msgspec.json.encode({"index_templates": [{"name": "x", "index_template": template}]})

    assert judge_installed(body, stream=stream) is need


def test_none_is_to_be_made() -> None:
    assert judge_installed(b'{"index_templates":[]}', stream=True) is Need.CREATE


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"index_templates":[{"name":"x"}]}', b'{"index_templates"'])
def test_what_is_no_answer_about_templates_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        judge_installed(body, stream=True)
