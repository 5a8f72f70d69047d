"""Index names with fields of the document in them: which index each document goes to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_cluster import FakeCluster, item, make_recorder

from expvastic.datatypes import Container, Page
from expvastic.document import DocumentEncoder, Identity
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch.destination import IndexName
from expvastic.recorders.elasticsearch.naming import check_name
from samples import START, make_container
from scripted_http import Answer, Request, ScriptedServer

IDENTITY = Identity("agent", "Web-1.Example", "1.0")
HOUR = 3_600_000_000
ODD_TEXTS = [
    "",
    " ",
    ".",
    "..",
    "\n",
    "\U0001f600",
    "İSTANBUL",
    "ΑΣ",
    "ẞß",
    "\u202e",
    "A" * 5_000,
    "漢" * 500,
    "%{x}",
    "\ue000",
]


def container(
    service: str = "app", dataset: str = "expvar", time: int = START, action: str = "", **labels: str
) -> Container:
    """A container as an interpreter makes it."""
    encoder = DocumentEncoder(IDENTITY, service=service, target="http://h:1/debug/vars", tags=labels)
    values = {"expvar.text": '"service.name":"wrong"', "expvar.n": 1}
    document = encoder.encode(Page({}, dataset), values, time=time, duration=5, action=action)
    return Container(id=IDENTITY.next_id(time), time=time, reader="r", document=document)


@pytest.mark.parametrize(
    ("text", "given", "name"),
    [
        ("metrics-%{service.name}-default", {"service": "shop"}, "metrics-shop-default"),
        ("metrics-%{service.name}-default", {"service": "shop", "action": "restart"}, "metrics-shop-default"),
        ("app-%{host.name}", {}, "app-web-1.example"),
        ("app-%{event.dataset}-%{service.name}", {"dataset": "expvar.gc"}, "app-expvar.gc-app"),
        ("app-%{service.name}-%{+yyyy.MM}", {}, "app-app-2026.11"),
        ("app-%{+HH}%{service.name}", {}, "app-03app"),
        ("app-%{labels.Team}", {"Team": "A b"}, "app-a_b"),
        ("app-%{labels.Team}", {"team": "A b"}, "app-unknown"),
        ("app-%{labels.team}", {'odd "label': "x", "team": "y"}, "app-y"),
        ("app-%{labels.text}", {}, "app-unknown"),
        ("app-%{service.name}", {"service": 'Käse:"\\/*?<>|#, '}, "app-käse" + "_" * 12),
        ("app-%{service.name}", {"service": "a\x00b\u2028c"}, "app-a_b_c"),
        ("app-%{service.name}", {"service": "-_+."}, "app--_+."),
        ("app-%{service.name}", {"service": "x" * 300}, "app-" + "x" * 226),
        ("app-%{service.name}", {"service": "é" * 300}, "app-" + "é" * 113),
        ("app-%{service.name}-%{host.name}", {"service": "x" * 300}, "app-" + "x" * 112 + "-web-1.example"),
    ],
)
def test_a_name_takes_its_values_from_the_document(text: str, given: dict[str, Any], name: str) -> None:
    assert IndexName(text).of(container(**given)) == name


def test_documents_without_metadata_are_of_an_unknown_service() -> None:
    index = IndexName("app-%{service.name}")
    bare = [b"{}", b'{"expvar.a":1}', b'{"expvar.service.name":"x"}', b'{"service.name":5}', b'{"service.name":"\xff"}']

    names = {index.of(Container(id="1", time=START, reader="r", document=document)) for document in bare}

    assert names == {"app-unknown"}


def test_a_document_that_is_metadata_alone_is_read_to_its_end() -> None:
    document = b'{"service.name":"shop"}'

    assert IndexName("app-%{service.name}").of(Container("1", START, "r", document)) == "app-shop"


def test_fields_and_dates_change_each_on_its_own() -> None:
    index = IndexName("app-%{service.name}-%{+dd.HH}")

    names = [index.of(container(service, time=START + hours * HOUR)) for hours in (0, 1, 0) for service in ("a", "b")]

    assert names == ["app-a-21.03", "app-b-21.03", "app-a-21.04", "app-b-21.04", "app-a-21.03", "app-b-21.03"]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_whatever_a_value_is_the_name_is_one_that_elasticsearch_allows(text: str) -> None:
    index = IndexName("app-%{labels.x}")

    name = index.of(container(x=text))

    check_name(name)
    assert re.fullmatch(re.escape(index.pattern).replace(r"\*", ".+"), name)


@pytest.mark.parametrize(
    ("text", "pattern", "dated"),
    [
        ("metrics-%{service.name}-default", "metrics-*-default", False),
        ("app-%{service.name}%{host.name}-%{+yyyy}", "app-*-*", True),
        ("100%-%{service.name}", "100%-*", False),
    ],
)
def test_a_pattern_covers_whatever_the_fields_hold(text: str, pattern: str, dated: bool) -> None:
    index = IndexName(text)

    assert (index.text, index.pattern, index.dated) == (text, pattern, dated)


@pytest.mark.parametrize(
    ("text", "outranks"),
    [
        ("metrics-%{service.name}-default", True),
        ("logs-%{+yyyy}", True),
        ("metrics-expvastic.%{service.name}-default", False),
        ("metrics-expvastic-default", False),
        ("app-%{service.name}", False),
    ],
)
def test_a_pattern_that_is_everybodys_is_known_as_such(text: str, outranks: bool) -> None:
    assert IndexName(text).outranks_others is outranks


def test_after_a_thousand_names_further_services_share_one() -> None:
    index = IndexName("app-%{service.name}-%{event.dataset}")
    services = [container(f"service-{number}") for number in range(1_005)]

    names = [index.of(each) for each in services]

    assert len(set(names)) == 1_001
    assert set(names[1_000:]) == {"app-_other-_other"}
    assert [index.of(each) for each in services] == names


def test_names_are_found_without_decoding_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    index = IndexName("app-%{service.name}")
    index.of(container("a", action="start"))
    monkeypatch.setattr("expvastic.recorders.elasticsearch.fields._decode", None)

    assert index.of(container("a", time=START + HOUR)) == "app-a"


# -- recording --


async def test_each_document_goes_to_its_own_index_and_every_index_has_its_own_verdict() -> None:
    cluster = FakeCluster()

    def close_one(request: Request) -> Answer:
        items = [item(201), item(400, "index_closed_exception", "closed"), item(201), item(400, "x", "bad")]
        return Answer({"errors": True, "items": items})

    batch = [make_container(1, "a"), make_container(1, "b"), make_container(2, "a"), make_container(2, "C")]
    async with (
        ScriptedServer(cluster) as server,
        make_recorder(server.url, index_name="app-%{service.name}-x") as recorder,
    ):
        first = await recorder.record(batch)
        cluster.faults["POST /_bulk"] = [close_one]
        second = await recorder.record(batch)

    assert [index for index, _, _ in cluster.documents] == ["app-a-x", "app-b-x", "app-a-x", "app-c-x"]
    assert [verdict.destination for verdict in first] == ["app-a-x", "app-b-x", "app-a-x", "app-c-x"]
    assert [(verdict.outcome, verdict.destination) for verdict in second] == [
        (Outcome.RECORDED, "app-a-x"),
        (Outcome.BLOCKED, "app-b-x"),
        (Outcome.RECORDED, "app-a-x"),
        (Outcome.REFUSED, "app-c-x"),
    ]


async def test_the_template_is_for_all_names_and_counting_asks_for_all() -> None:
    cluster = FakeCluster()
    counted = Answer({"_shards": {"failed": 0}, "aggregations": {"minutes": {"buckets": [{"key": 0, "doc_count": 2}]}}})
    cluster.faults["POST /app-*-x/_search"] = [counted]

    async with (
        ScriptedServer(cluster) as server,
        make_recorder(server.url, index_name="app-%{service.name}-x") as recorder,
    ):
        await recorder.record([make_container(1, "a")])
        counts = await recorder.count_by_minute("agent", 0, 1)

    assert [template["index_patterns"] for template in cluster.templates.values()] == [["app-*-x"]]
    assert counts == {0: 2}


async def test_what_is_in_doubt_is_looked_for_where_it_went_in_older_indices_of_its_own_stream() -> None:
    cluster = FakeCluster()
    cluster.streams |= {"app-a", "app-b"}
    batch = [make_container(1, "a"), make_container(1, "b")]
    for stream in ("app-a", "app-b"):
        cluster.roll_over(stream)

    async with (
        ScriptedServer(cluster) as server,
        make_recorder(server.url, index_name="app-%{service.name}") as recorder,
    ):
        await recorder.record(batch)
        cluster.roll_over("app-b")
        found = await recorder.find(batch)

    assert found == [False, True]


async def test_a_successor_sends_a_document_where_its_predecessor_sent_it() -> None:
    cluster = FakeCluster()
    batch = [make_container(number, f"s{number}") for number in range(1_002)]

    async with ScriptedServer(cluster) as server:
        first = make_recorder(server.url, index_name="app-%{service.name}", manage_template=False)
        async with first:
            await first.record(batch)
        async with type(first)(first.settings) as second:
            verdicts = await second.record(batch[::-1])

    assert {verdict.outcome for verdict in verdicts} == {Outcome.DUPLICATE}
    assert len(cluster.documents) == 1_002
