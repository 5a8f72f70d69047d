"""A cluster over TLS: nothing that is secret leaves before it has shown who it is."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import anyio
import pytest
from elastic_transport import ConnectionError as NoAnswer
from fake_cluster import FakeCluster, make_recorder

from certificates import Authority
from expvastic.errors import ReadError, RecorderLost, RecordError
from expvastic.recorders.elasticsearch.answers import ConnectionCut
from expvastic.recorders.elasticsearch.client import _translate
from samples import make_containers
from scripted_http import ScriptedServer

PASSWORD = "pass-word-4711"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def record(server: ScriptedServer, **settings: Any) -> None:
    async with make_recorder(server.url, username="me", password=PASSWORD, **settings) as recorder:
        await recorder.record(make_containers(2))


@pytest.mark.parametrize("setting", ["ca_file", "fingerprint", "verify"])
async def test_a_cluster_that_is_trusted_is_written_to(authority: Authority, setting: str) -> None:
    cluster = FakeCluster()
    trust = {"ca_file": authority.ca_file, "fingerprint": authority.fingerprint, "verify": False}[setting]

    async with ScriptedServer(cluster, tls=authority.server()) as server:
        await record(server, **{setting: trust})

    assert len(cluster.documents) == 2


async def test_a_cluster_is_known_by_the_fingerprint_that_it_prints_at_its_first_start(authority: Authority) -> None:
    """That of its authority, which it shows behind its own certificate."""
    cluster = FakeCluster()

    async with ScriptedServer(cluster, tls=authority.server(shown=authority)) as server:
        await record(server, fingerprint=authority.own_fingerprint.upper())

    assert len(cluster.documents) == 2


async def test_whoever_shows_another_s_authority_gets_no_request(authority: Authority, tmp_path: Path) -> None:
    impostor = Authority(tmp_path, "impostor").server(shown=authority)

    async with ScriptedServer(FakeCluster(), tls=impostor) as server:
        with pytest.raises(RecordError, match="its certificate is not trusted") as raised:
            await record(server, fingerprint=authority.own_fingerprint)

    assert raised.value.in_doubt is False
    assert server.received == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "its certificate is not trusted"),
        ({"fingerprint": "ab" * 32}, "another fingerprint"),
        ({"fingerprint": "ab" * 32, "verify": False}, "another fingerprint"),
    ],
)
async def test_a_stranger_gets_no_request_at_all(authority: Authority, settings: dict[str, Any], words: str) -> None:
    async with ScriptedServer(FakeCluster(), tls=authority.server()) as server:
        with pytest.raises(RecordError) as raised:
            await record(server, **settings)

    assert not isinstance(raised.value, RecorderLost)
    assert str(raised.value).startswith(f"{server.url}: ")
    assert words in str(raised.value).lower()
    assert "\n" not in str(raised.value)
    assert server.requests == []
    assert server.received == 0


async def test_a_cluster_that_is_another_since_it_was_entered_gets_no_document(
    authority: Authority, tmp_path: Path
) -> None:
    genuine = ScriptedServer(FakeCluster(), tls=authority.server())
    impostor = ScriptedServer(FakeCluster(), tls=Authority(tmp_path, "impostor").server())

    async with contextlib.AsyncExitStack() as stack:
        async with genuine:
            recorder = make_recorder(genuine.url, ca_file=authority.ca_file, manage_template=False)
            await stack.enter_async_context(recorder)
        impostor.port = genuine.port
        await stack.enter_async_context(impostor)
        with pytest.raises(RecordError, match="its certificate is not trusted") as raised:
            await recorder.record(make_containers(2))

    assert raised.value.in_doubt is False
    assert impostor.requests == []


async def test_an_authority_that_did_not_sign_it_is_no_help(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")

    async with ScriptedServer(FakeCluster(), tls=authority.server()) as server:
        with pytest.raises(RecordError, match="check ca_file"):
            await record(server, ca_file=other.ca_file)

    assert server.requests == []


async def test_a_cluster_that_wants_a_certificate_of_ours_gets_it(authority: Authority) -> None:
    cluster = FakeCluster()
    cert_file, key_file = authority.client_files()

    async with ScriptedServer(cluster, tls=authority.server(wants_client=True)) as server:
        await record(server, ca_file=authority.ca_file, cert_file=cert_file, key_file=key_file)

    assert len(cluster.documents) == 2


async def test_a_cluster_that_wants_a_certificate_and_gets_none_gets_no_request(authority: Authority) -> None:
    async with ScriptedServer(FakeCluster(), tls=authority.server(wants_client=True)) as server:
        with pytest.raises(RecordError) as raised:
            await record(server, ca_file=authority.ca_file)

    assert raised.value.in_doubt is False
    assert server.requests == []


@pytest.mark.parametrize(("reason", "kind"), [("tls", RecordError), ("closed", ConnectionCut)])
def test_tls_that_fails_after_the_body_has_begun_leaves_it_in_doubt(reason: str, kind: type[RecordError]) -> None:
    failure = NoAnswer("broken")
    failure.__cause__ = ReadError(reason, "broken")

    error = _translate(failure)

    assert type(error) is kind
    assert error.in_doubt


async def test_a_cluster_without_tls_where_tls_is_expected_is_said(authority: Authority) -> None:
    async def answer_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer_at_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RecordError, match="no TLS is spoken there"):
            await make_recorder(f"https://127.0.0.1:{port}", ca_file=authority.ca_file).__aenter__()


async def test_a_cluster_with_tls_where_none_is_expected_is_an_error(authority: Authority) -> None:
    async with ScriptedServer(FakeCluster(), tls=authority.server()) as server:
        with pytest.raises(RecordError, match=f"http://{server.endpoint}: "):
            await make_recorder(server.endpoint).__aenter__()

    assert server.requests == []


async def test_a_handshake_that_is_given_up_leaves_no_connection_behind(authority: Authority) -> None:
    connected, closed = anyio.Event(), anyio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        closed.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server, anyio.create_task_group() as group:
        port = server.sockets[0].getsockname()[1]
        group.start_soon(make_recorder(f"https://127.0.0.1:{port}", ca_file=authority.ca_file).__aenter__)
        with anyio.fail_after(10):
            await connected.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(10, shield=True):
            await closed.wait()
