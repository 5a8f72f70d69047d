"""Index names with fields of the document in them: which index each document goes to."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_cluster import FakeCluster, error, item, make_recorder

from expvastic.datatypes import Container, Page
from expvastic.document import DocumentEncoder, Identity
from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch.destination import IndexName
from expvastic.recorders.elasticsearch.naming import check_name
from real_nodes import Node
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


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app-%{service.name}", "app-old"),
        ("app-%{service.name}-%{+yyyy.MM}", "app-old-2020.01"),
        ("app-%{+yyyy}-%{service.name}x", "app-2020-oldx"),
        ("app-%{event.dataset}-%{service.name}", "app-expvar-old"),
    ],
)
def test_names_that_are_in_use_at_the_start_go_on_being_used(text: str, name: str) -> None:
    index = IndexName(text)
    others = [name.replace("old", f"other-{number}") for number in range(1_200)]

    index.learn([*others, name, "unrelated", "app-"])

    assert "old" in index.of(container("old"))
    assert "_other" in index.of(container("new"))
    assert "other-7" in index.of(container("other-7"))


def test_names_that_are_learnt_later_change_nothing() -> None:
    index = IndexName("app-%{service.name}")
    index.learn([f"app-{number}" for number in range(1_000)])
    before = index.of(container("new"))

    index.learn(["app-new"])

    assert (before, index.of(container("new"))) == ("app-_other", "app-_other")


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


# -- what is there already --


def fresh(url: str, **settings: Any) -> Any:
    """A recorder as a new process has it."""
    return make_recorder(url, index_name="app-%{service.name}-x", **settings)


async def test_a_new_process_sends_a_document_where_the_old_one_sent_it_though_there_are_more_than_a_thousand() -> None:
    cluster = FakeCluster()
    batch = [make_container(number, f"s{number}") for number in range(1_005)]

    async with ScriptedServer(cluster) as server:
        async with fresh(server.url) as first:
            before = await first.record(batch)
        async with fresh(server.url) as second:
            after = await second.record(batch[::-1])

    assert {verdict.outcome for verdict in after} == {Outcome.DUPLICATE}
    assert [verdict.destination for verdict in after[::-1]] == [verdict.destination for verdict in before]
    assert len({verdict.destination for verdict in before}) == 1_001


@pytest.mark.parametrize("answer", [error(403, "security_exception"), error(404, "x"), error(405, "x")])
async def test_where_names_may_not_be_looked_for_none_are_known(answer: Answer) -> None:
    cluster = FakeCluster()
    cluster.faults["GET /_resolve/index/app-%2A-x"] = [answer]

    async with ScriptedServer(cluster) as server, fresh(server.url, manage_template=False) as recorder:
        [verdict] = await recorder.record([make_container(1, "a")])

    assert verdict.destination == "app-a-x"


@pytest.mark.parametrize("answer", [error(503, "x"), error(429, "x"), Answer("<html>")])
async def test_names_that_cannot_be_looked_for_now_are_waited_for(answer: Answer) -> None:
    cluster = FakeCluster()
    cluster.faults["GET /_resolve/index/app-%2A-x"] = [answer]

    async with ScriptedServer(cluster) as server:
        with pytest.raises(RecordError, match=r"app-\*-x") as raised:
            await fresh(server.url).__aenter__()

    assert not raised.value.in_doubt


async def test_a_name_without_fields_is_not_looked_for_when_entering() -> None:
    cluster = FakeCluster()

    async with ScriptedServer(cluster) as server, make_recorder(server.url, index_name="app-%{+yyyy}"):
        pass

    assert cluster.asked == ["GET /"]


async def test_the_raw_name_is_never_asked_for_and_each_name_keeps_being_what_it_is() -> None:
    cluster = FakeCluster()
    cluster.indices.add("app-a-x")

    async with ScriptedServer(cluster) as server, fresh(server.url) as recorder:
        await recorder.record([make_container(1, "a"), make_container(1, "b")])
        [about, *_] = await recorder.describe()

    assert not [request for request in cluster.asked if "%7B" in request or "{" in request]
    assert [template.get("data_stream") for template in cluster.templates.values()] == [{}]
    assert "app-%{service.name}-x is a data stream: each of its names is one, unless there is an index" in about


async def test_what_is_polled_is_compared_with_the_index_that_it_would_go_to() -> None:
    cluster = FakeCluster()
    mapping = {"properties": {"expvar": {"properties": {"count": {"type": "boolean"}}}}}
    cluster.faults["GET /app-a-x/_mapping"] = [Answer({"app-a-x": {"mappings": mapping}})]
    cluster.faults["GET /app-a-x/_settings"] = [Answer({"app-a-x": {"settings": {}}})]
    cluster.faults["GET /app-b-x/_mapping"] = [error(404, "index_not_found_exception")]
    cluster.faults["GET /app-c-x/_mapping"] = [error(404, "index_not_found_exception")]

    async with ScriptedServer(cluster) as server, fresh(server.url) as recorder:
        findings = await recorder.inspect([make_container(1, name) for name in "abc"])

    assert [(finding.field, finding.problem) for finding in findings] == [
        ("expvar.count", "is mapped as boolean, and holds a number: refused")
    ]


async def test_on_a_real_node_more_than_a_thousand_names_are_the_same_after_a_start(
    real_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expvastic.recorders.elasticsearch.fields._MOST", 4)
    batch = [make_container(number, f"s{number}") for number in range(7)]
    index = real_node.product.name  # nothing of another test's

    async with make_recorder(real_node.url, index_name=f"{index}-%{{service.name}}-%{{+yyyy}}") as first:
        before = await first.record(batch)
    async with make_recorder(real_node.url, index_name=f"{index}-%{{service.name}}-%{{+yyyy}}") as second:
        after = await second.record(batch[::-1])

    assert {verdict.outcome for verdict in after} == {Outcome.DUPLICATE}
    assert len({verdict.destination for verdict in before}) == 5


async def test_on_a_real_node_streams_of_such_a_name_are_not_turned_into_indices(real_node: Node) -> None:
    async with fresh(real_node.url) as streams:
        await streams.record([make_container(1, "a")])

    async with fresh(real_node.url, mode="index") as indices:
        [verdict] = await indices.record([make_container(2, "a")])

    assert (verdict.outcome, verdict.reason) == (Outcome.BLOCKED, "no usable template")
    assert "app-a-x" in verdict.detail
