"""The elasticsearch recorder keeps the contract, and writes each document once, where it belongs."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from fake_cluster import FakeCluster, body_of, make_recorder

from contracts.recorder import RecorderContract
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, wire
from samples import START, make_container, make_containers
from scripted_http import AnyAnswer, Request, ScriptedServer

PASSWORD = "pass-word-4711"
KEY = "key-id:key-secret-0815"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def server(cluster: FakeCluster) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(cluster) as server:
        yield server


class TestElasticsearchRecorder(RecorderContract):
    secrets: ClassVar[tuple[str, ...]] = (PASSWORD, "pass%2Dword")

    @pytest.fixture(autouse=True)
    def place(self, request: pytest.FixtureRequest, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.endpoint = "127.0.0.1:9200"
        if inspect.iscoroutinefunction(request.function):  # others have no loop to serve in, and ask for nothing
            self.server: ScriptedServer = request.getfixturevalue("server")
            self.endpoint = self.server.endpoint

    def make_recorder(self) -> ElasticsearchRecorder:
        return make_recorder(f"http://somebody:{PASSWORD}@{self.endpoint}")

    def make_absent(self) -> ElasticsearchRecorder:
        return make_recorder(f"http://somebody:{PASSWORD}@127.0.0.1:9")

    async def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        return [(known, document) for _, known, document in self.cluster.documents]

    async def break_destination(self, recorder: object) -> bool:
        await self.server.__aexit__(None, None, None)
        return True


class TestCompressed(TestElasticsearchRecorder):
    def make_recorder(self) -> ElasticsearchRecorder:
        return make_recorder(self.endpoint, api_key=KEY, compress=True)

    secrets: ClassVar[tuple[str, ...]] = (
        *TestElasticsearchRecorder.secrets,
        "key-secret-0815",
        "a2V5LWlkOmtleS1zZWNyZXQtMDgxNQ",
    )


async def test_a_batch_is_one_request_of_lines_with_the_documents_as_they_are(server: ScriptedServer) -> None:
    batch = make_containers(2)

    async with make_recorder(server.url, index_name="expvastic") as recorder:
        await recorder.record(batch)

    bulk = server.requests[-1]
    actions = [b'{"create":{"_index":"expvastic","_id":"%s"}}' % container.id.encode() for container in batch]
    assert bulk.body == b"%s\n%s\n%s\n%s\n" % (actions[0], batch[0].document, actions[1], batch[1].document)
    assert bulk.path.partition("?")[0] == "/_bulk"


async def test_an_answer_keeps_what_verdicts_need(server: ScriptedServer) -> None:
    async with make_recorder(server.url) as recorder:
        await recorder.record(make_containers(1))

    wanted = server.requests[-1].path.partition("?filter_path=")[2].split(",")
    assert {"errors", "items.*.status", "items.*._index", "items.*.failure_store", "items.*.error.type"} <= set(wanted)


async def test_a_compressed_request_inflates_to_the_same_lines(server: ScriptedServer) -> None:
    batch = make_containers(100)

    for compress in (False, True):
        async with make_recorder(server.url, compress=compress, manage_template=False) as recorder:
            await recorder.record(batch)

    plain, compressed = (request for request in server.requests if request.method == "POST")
    assert compressed.headers["content-encoding"] == "gzip"
    assert len(compressed.body) < len(plain.body) / 3
    assert body_of(compressed) == plain.body


async def test_media_types_are_plain_and_no_word_is_said_about_the_client(server: ScriptedServer) -> None:
    async with make_recorder(server.url) as recorder:
        await recorder.record(make_containers(1))

    assert {request.headers["accept"] for request in server.requests} == {"application/json"}
    assert server.requests[-1].headers["content-type"] == "application/x-ndjson"
    assert {request.headers["user-agent"] for request in server.requests} == {"expvastic"}
    assert not any("x-elastic-client-meta" in request.headers for request in server.requests)


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
async def test_the_product_is_learned_from_its_root(product: str) -> None:
    async with ScriptedServer(FakeCluster(product)) as server, make_recorder(server.url) as recorder:
        assert recorder.product.name == product
        assert recorder.product.version in ("9.5.3", "3.8.0")


async def test_a_dated_name_takes_each_document_to_the_index_of_its_time(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    day = 86_400_000_000
    batch = [make_container(number, time=START + number * day) for number in range(3)]

    async with make_recorder(server.url, index_name="expvastic-%{+yyyy.MM.dd}") as recorder:
        verdicts = await recorder.record(batch)

    assert [index for index, _, _ in cluster.documents] == [f"expvastic-2026.11.{day}" for day in (21, 22, 23)]
    assert [verdict.destination for verdict in verdicts] == [f"expvastic-2026.11.{day}" for day in (21, 22, 23)]


async def test_an_id_of_any_letters_arrives_as_it_is(cluster: FakeCluster, server: ScriptedServer) -> None:
    odd = make_container(reader='quo"te\\\n')

    async with make_recorder(server.url) as recorder:
        verdicts = await recorder.record([odd])

    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED]
    assert cluster.ids == [odd.id]


async def test_a_pipeline_is_asked_for_by_its_name(server: ScriptedServer) -> None:
    async with make_recorder(server.url, pipeline="my pipe&line") as recorder:
        await recorder.record(make_containers(1))

    assert server.requests[-1].path.endswith("&pipeline=my%20pipe%26line")


async def test_a_path_prefix_stands_before_every_path(cluster: FakeCluster) -> None:
    def gateway(request: Request) -> AnyAnswer:
        assert request.path.startswith("/es/")
        return cluster(dataclasses.replace(request, path=request.path.removeprefix("/es")))

    async with ScriptedServer(gateway) as server, make_recorder(f"{server.url}/es/") as recorder:
        await recorder.record(make_containers(1))

    assert len(cluster.documents) == 1


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({"username": "me", "password": "pwd"}, "Basic bWU6cHdk"),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"bearer_token": "token"}, "Bearer token"),
    ],
)
async def test_credentials_go_with_every_request(
    server: ScriptedServer, settings: dict[str, str], header: str | None
) -> None:
    async with make_recorder(server.url, **settings) as recorder:
        await recorder.record(make_containers(1))

    assert {request.headers.get("authorization") for request in server.requests} == {header}


async def test_credentials_in_the_endpoint_become_a_header(server: ScriptedServer) -> None:
    async with make_recorder(f"http://me:p%40d@{server.endpoint}"):
        pass

    assert server.requests[0].headers["authorization"] == "Basic bWU6cEBk"
    assert "@" not in server.requests[0].path


async def test_nothing_of_a_request_or_an_answer_is_logged(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with make_recorder(server.url, username="me", password=PASSWORD) as recorder:
            await recorder.record([make_container(**{"expvar.text": "value-from-a-page"})])

    assert server.requests[-1].path.startswith("/_bulk")
    for secret in (PASSWORD, "value-from-a-page", "bWU6", "Basic"):
        assert secret not in caplog.text
    assert [record.name for record in caplog.records if record.name.startswith("elastic")] == []


async def test_the_environments_proxy_is_not_asked_unless_that_is_wanted(
    cluster: FakeCluster, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async with ScriptedServer(cluster) as direct, make_recorder(direct.url):
        assert len(direct.requests) == 1
        assert server.requests == []
    async with make_recorder("http://es.example:9200", proxy="environment") as recorder:
        await recorder.record(make_containers(1))

    assert server.requests[0].path == "http://es.example:9200/"


async def test_a_given_proxy_is_asked_with_its_own_credentials(server: ScriptedServer) -> None:
    proxy = f"http://us:er@{server.endpoint}"

    async with make_recorder("http://es.example:9200", username="me", password="pwd", proxy=proxy) as recorder:
        await recorder.record(make_containers(1))

    assert {request.headers["proxy-authorization"] for request in server.requests} == {"Basic dXM6ZXI="}
    assert {request.headers["authorization"] for request in server.requests} == {"Basic bWU6cHdk"}


async def test_one_connection_serves_all_requests(server: ScriptedServer) -> None:
    async with make_recorder(server.url) as recorder:
        for number in range(5):
            await recorder.record([make_container(number)])

    assert server.connections == 1


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_KEPT_ALIVE", 0.0)

    async with make_recorder(server.url, manage_template=False) as recorder:
        for number in range(3):
            await recorder.record([make_container(number)])

    assert server.connections == len(server.requests) == 4


async def test_of_several_nodes_one_that_is_down_does_not_matter(cluster: FakeCluster, server: ScriptedServer) -> None:
    for _ in range(4):  # the client begins with any of them
        async with make_recorder("http://127.0.0.1:9", server.url, "http://127.0.0.1:19"):
            pass

    assert cluster.asked == ["GET /"] * 4


async def test_one_address_written_twice_is_one_node(server: ScriptedServer) -> None:
    async with make_recorder(server.url, server.endpoint, f"{server.url}/") as recorder:
        await recorder.record(make_containers(1))

    assert recorder.destination == f"{server.url}/metrics-expvastic-default"
