"""Fetching over TLS: who is trusted, what is pinned, and that nothing is said to anybody else."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from certificates import Authority
from expvastic.clients.link import open_link
from expvastic.clients.tls import Tls
from fetching import PATIENCE, fail_once, failure_of, fetch_once, fetching, settings_of
from scripted_http import CUT, RESET, Answer, Raw, ScriptedServer

pytestmark = pytest.mark.usefixtures("way")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_server_is_trusted_by_its_authority_and_its_connection_kept(authority: Authority) -> None:
    async with (
        ScriptedServer(Answer('{"a": 1}'), tls=authority.server()) as server,
        fetching(server.url, ca_file=authority.ca_file, username="user", password="pw") as fetcher,
    ):
        await fetcher.fetch()
        assert (await fetcher.fetch()).body == b'{"a": 1}'

    assert server.connections == 1


async def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path, hosts=["other.example"])
    async with ScriptedServer(Answer(), tls=authority.server()) as server:
        error = await fail_once(server.url, ca_file=authority.ca_file)

    assert error.reason == "tls"
    assert "127.0.0.1" in str(error)
    assert server.received == 0


@pytest.mark.parametrize("settings", [{}, {"ca_file": "other"}, {"fingerprint": "ab" * 32}])
async def test_a_server_that_is_not_trusted_sees_nothing_of_a_request(
    authority: Authority, tmp_path: Path, settings: dict[str, object]
) -> None:
    if "ca_file" in settings:
        settings = {"ca_file": Authority(tmp_path, "other").ca_file}
    async with ScriptedServer(Answer(), tls=authority.server()) as server:
        error = await fail_once(server.url, bearer_token="s3cret", **settings)
        await server.until_left()

    assert error.reason == "tls"
    assert (server.requests, server.received) == ([], 0)


async def test_a_certificate_of_an_unknown_authority_is_said_with_what_to_do(authority: Authority) -> None:
    async with ScriptedServer(Answer(), tls=authority.server()) as server:
        error = await fail_once(server.url)

    assert "its certificate is not trusted" in str(error)
    assert "ca_file" in str(error)


@pytest.mark.parametrize("spell", [str, str.upper, lambda digits: ":".join(digits[i : i + 2] for i in range(0, 64, 2))])
async def test_a_fingerprint_alone_is_enough(authority: Authority, spell: object) -> None:
    assert callable(spell)
    async with ScriptedServer(Answer('{"a": 1}'), tls=authority.server()) as server:
        fetched = await fetch_once(server.url, fingerprint=spell(authority.fingerprint))

    assert fetched.body == b'{"a": 1}'


async def test_another_fingerprint_is_said_with_the_one_found(authority: Authority) -> None:
    async with ScriptedServer(Answer(), tls=authority.server()) as server:
        error = await fail_once(server.url, fingerprint="ab" * 32)

    assert authority.fingerprint in str(error)


async def test_with_a_ca_file_a_fingerprint_does_not_replace_the_chain(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").ca_file
    async with ScriptedServer(Answer(), tls=authority.server()) as server:
        error = await fail_once(server.url, fingerprint=authority.fingerprint, ca_file=other)
        await fetch_once(server.url, fingerprint=authority.fingerprint, ca_file=authority.ca_file)

    assert error.reason == "tls"
    assert len(server.requests) == 1


async def test_a_fingerprint_holds_without_verification_too(authority: Authority) -> None:
    async with ScriptedServer(Answer(), tls=authority.server()) as server:
        error = await fail_once(server.url, fingerprint="ab" * 32, verify=False)

    assert error.reason == "tls"
    assert server.received == 0


async def test_without_verification_any_certificate_will_do(authority: Authority) -> None:
    async with ScriptedServer(Answer('{"a": 1}'), tls=authority.server()) as server:
        assert (await fetch_once(server.url, verify=False)).body == b'{"a": 1}'


async def test_a_server_that_wants_our_certificate_gets_it(authority: Authority) -> None:
    cert_file, key_file = authority.client_files()
    async with ScriptedServer(Answer('{"a": 1}'), tls=authority.server(wants_client=True)) as server:
        fetched = await fetch_once(server.url, ca_file=authority.ca_file, cert_file=cert_file, key_file=key_file)

    assert fetched.body == b'{"a": 1}'


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_misses_our_certificate_is_said_so(authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.server(wants_client=True)
    context.maximum_version = version
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, _shake_hands, listener, context)
            error = await fail_once(f"https://127.0.0.1:{listener.getsockname()[1]}", ca_file=authority.ca_file)

    assert error.reason == "tls"
    assert "cert_file" in str(error)


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Refuse a client as OpenSSL does over a socket: with an alert, which asyncio's server does not send."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(ssl.SSLError):
        connection.settimeout(PATIENCE)
        tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            tls.do_handshake()
        finally:
            tls.shutdown(socket.SHUT_WR)
            while socket.socket.recv(tls, 4096):
                pass
            tls.close()


async def test_a_renewed_certificate_is_taken_up_after_a_failed_poll(authority: Authority, tmp_path: Path) -> None:
    client = tmp_path / "client.pem"
    client.write_bytes(_both_in_one(Authority(tmp_path, "expired")))
    async with (
        ScriptedServer(Answer(), tls=authority.server(wants_client=True)) as server,
        fetching(server.url, ca_file=authority.ca_file, cert_file=str(client)) as fetcher,
    ):
        error = await failure_of(fetcher)
        client.write_bytes(_both_in_one(authority))
        await fetcher.fetch()

    assert error.reason in ("tls", "closed")
    assert len(server.requests) == 1


@pytest.mark.parametrize("pinned", [{}, {"fingerprint": "authority"}])
async def test_a_server_may_renew_its_certificate_while_it_is_polled(
    authority: Authority, pinned: dict[str, str]
) -> None:
    settings = {"fingerprint": authority.own_fingerprint} if pinned else {"ca_file": authority.ca_file}
    context = authority.server(shown=authority) if pinned else authority.server()
    async with ScriptedServer(Answer(), tls=context) as server, fetching(server.url, **settings) as fetcher:
        await fetcher.fetch()
        authority.renew(context)
        await fetcher.fetch()
        kept = server.connections
        await server.drop_connections()
        await fetcher.fetch()

    assert (kept, server.connections) == (1, 2)


async def test_a_renewed_certificate_that_is_not_the_pinned_one_is_not_trusted(authority: Authority) -> None:
    context = authority.server()
    pinned = authority.fingerprint
    async with (
        ScriptedServer(Answer(close=True), tls=context) as server,
        fetching(server.url, fingerprint=pinned) as fetcher,
    ):
        await fetcher.fetch()
        authority.renew(context)
        error = await failure_of(fetcher)

    assert error.reason == "tls"
    assert len(server.requests) == 1


async def test_a_server_s_new_authority_is_trusted_as_soon_as_the_file_names_it(
    authority: Authority, tmp_path: Path
) -> None:
    context, other = authority.server(), Authority(tmp_path, "other")
    async with (
        ScriptedServer(Answer(close=True), tls=context) as server,
        fetching(server.url, ca_file=authority.ca_file) as fetcher,
    ):
        await fetcher.fetch()
        other.renew(context)
        error = await failure_of(fetcher)
        Path(authority.ca_file).write_bytes(_read(other.ca_file) * 2)
        await fetcher.fetch()

    assert error.reason == "tls"
    assert len(server.requests) == 2


def _both_in_one(authority: Authority) -> bytes:
    """A client's certificate and its key."""
    return b"".join(map(_read, authority.client_files()))


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


@pytest.mark.parametrize("setting", ["ca_file", "cert_file"])
async def test_a_file_that_is_not_there_is_one_line_and_may_come_later(authority: Authority, setting: str) -> None:
    path = Path(authority.ca_file).with_name("later.pem")
    settings = {"ca_file": authority.ca_file, setting: str(path)}
    content = _both_in_one(authority) if setting == "cert_file" else _read(authority.ca_file)
    async with ScriptedServer(Answer(), tls=authority.server()) as server, fetching(server.url, **settings) as fetcher:
        error = await failure_of(fetcher)
        path.write_bytes(content)
        await fetcher.fetch()

    assert error.reason == "tls"
    assert str(error) == f"{server.url}: {setting} {path}: No such file or directory"


async def test_a_server_without_tls_is_said_so() -> None:
    async with ScriptedServer(greeting=Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", "hang")) as server:
        error = await fail_once(f"https://{server.endpoint}")

    assert error.reason == "tls"
    assert "write http:// if that is meant" in str(error)


@pytest.mark.parametrize("greeting", [CUT, RESET])
async def test_a_handshake_that_breaks_off_is_a_failure_of_tls(greeting: Raw) -> None:
    async with ScriptedServer(greeting=greeting) as server:
        error = await fail_once(f"https://{server.endpoint}")

    assert error.reason == "tls"


async def test_no_context_with_authorities_is_made_for_http() -> None:
    link = await open_link(settings_of("host").target, "host", Tls(ca_file="/nowhere"), None)
    await link.aclose()
