"""A server that is known by a fingerprint, of its certificate or of the authority that it comes from."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest
import trustme

from certificates import Authority
from expvastic.clients import pins
from expvastic.clients.endpoint import parse_endpoint
from expvastic.clients.fetch import Fetcher
from expvastic.clients.lean.fetcher import LeanFetcher
from expvastic.clients.link import open_link
from expvastic.clients.tls import Tls
from expvastic.errors import ReadError
from fetching import settings_of
from scripted_http import Answer, Raw, ScriptedServer, Tunnel

SECRET = "secret-4711"


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    pins.proven.clear()
    yield
    pins.proven.clear()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def ask(server: ScriptedServer, tls: Tls, times: int = 1, proxy: str = "") -> None:
    """Ask a server something secret, so many times, each time on a connection of its own."""
    endpoint = parse_endpoint(server.url)
    for _ in range(times):
        link = await open_link(endpoint, server.url, tls, parse_endpoint(proxy) if proxy else None)
        try:
            request = httpx.Request("POST", server.url, headers={"authorization": SECRET}, content=b"body")
            request.extensions = link.extensions
            response = await link.transport.handle_async_request(request)
            assert await response.aread() == b"{}"
        finally:
            await link.aclose()


async def test_the_fingerprint_of_the_authority_that_is_shown_will_do(authority: Authority) -> None:
    async with ScriptedServer(Answer(), tls=authority.server(shown=authority)) as server:
        await ask(server, Tls(fingerprint=authority.own_fingerprint))

    [request] = server.requests
    assert (request.headers["authorization"], request.body) == (SECRET, b"body")


@pytest.mark.parametrize(("which", "connections"), [("own_fingerprint", 4), ("fingerprint", 3)])
async def test_a_second_handshake_is_needed_once_and_for_an_authority_alone(
    authority: Authority, which: str, connections: int
) -> None:
    tls = Tls(fingerprint=getattr(authority, which))
    server = ScriptedServer(Answer(), tls=authority.server(shown=authority))
    async with server, ScriptedServer(lambda _: Tunnel(server.port)) as proxy:
        await ask(server, tls, times=3, proxy=proxy.url)

    assert [request.method for request in proxy.requests] == ["CONNECT"] * connections
    assert len(server.requests) == 3


async def test_an_authority_that_is_not_shown_is_not_known(authority: Authority) -> None:
    async with ScriptedServer(Answer(), tls=authority.server()) as server:
        with pytest.raises(httpx.ConnectError, match=f"another fingerprint, {authority.fingerprint}"):
            await ask(server, Tls(fingerprint=authority.own_fingerprint))

    assert server.received == 0


@pytest.mark.parametrize("verify", [True, False])
async def test_whoever_shows_an_authority_that_did_not_sign_for_him_gets_nothing(
    authority: Authority, tmp_path: Path, verify: bool
) -> None:
    impostor = Authority(tmp_path, "impostor").server(shown=authority)
    tls = Tls(fingerprint=authority.own_fingerprint, verify=verify)

    async with ScriptedServer(Answer(), tls=impostor) as server:
        for _ in range(2):
            with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
                await ask(server, tls)

    assert server.received == 0
    assert pins.proven == {}


async def test_an_impostor_gets_nothing_when_the_authority_is_proven_already(
    authority: Authority, tmp_path: Path
) -> None:
    tls = Tls(fingerprint=authority.own_fingerprint)
    impostor = Authority(tmp_path, "impostor").server(shown=authority)

    async with ScriptedServer(Answer(), tls=authority.server(shown=authority)) as server:
        await ask(server, tls)
    async with ScriptedServer(Answer(), tls=impostor) as server:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await ask(server, tls)

    assert server.received == 0


async def test_what_an_impostor_shows_does_not_spoil_the_fingerprint_of_a_server_s_own_certificate(
    authority: Authority, tmp_path: Path
) -> None:
    """Shown by another one behind his own, it is no authority; and its owner is as good as before."""
    tls = Tls(fingerprint=authority.fingerprint)
    leaf = Authority(tmp_path, "leaf")
    Path(leaf.ca_file).write_bytes(authority.server_pem)
    impostor = Authority(tmp_path, "impostor").server(shown=leaf)

    async with ScriptedServer(Answer(), tls=impostor) as server:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await ask(server, tls)
    async with ScriptedServer(Answer(), tls=authority.server()) as genuine:
        await ask(genuine, tls)

    assert (server.received, len(genuine.requests)) == (0, 1)


async def test_a_certificate_that_has_expired_is_not_known_by_its_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    expired = authority.issue_cert("localhost", not_after=datetime.now(UTC) - timedelta(days=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = tmp_path / "chain.pem"
    path.write_bytes(expired.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes())
    context.load_cert_chain(path)
    fingerprint = pins._fingerprint(ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode()))

    async with ScriptedServer(Answer(), tls=context) as server:
        with pytest.raises(httpx.ConnectError, match="certificate has expired"):
            await ask(server, Tls(fingerprint=fingerprint))

    assert server.received == 0


async def test_an_authority_between_is_as_good(tmp_path: Path) -> None:
    root = trustme.CA()
    between = root.create_child_ca()
    server_cert = between.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_cert.configure_cert(context)
    fingerprint = pins._fingerprint(ssl.PEM_cert_to_DER_cert(between.cert_pem.bytes().decode()))

    async with ScriptedServer(Answer(), tls=context) as server:
        await ask(server, Tls(fingerprint=fingerprint))

    assert len(server.requests) == 1


@pytest.mark.parametrize("which", ["own_fingerprint", "fingerprint"])
async def test_beside_a_ca_file_the_fingerprint_must_be_in_the_chain_that_was_verified(
    authority: Authority, tmp_path: Path, which: str
) -> None:
    other = Authority(tmp_path, "other")
    tls = Tls(ca_file=authority.ca_file, fingerprint=getattr(authority, which))
    stray = Tls(ca_file=authority.ca_file, fingerprint=getattr(other, which))

    async with ScriptedServer(Answer(), tls=authority.server(shown=other)) as server:
        await ask(server, tls)
        received = server.received
        with pytest.raises(httpx.ConnectError, match="another fingerprint"):
            await ask(server, stray)

    assert server.received == received


@pytest.mark.parametrize("is_genuine", [True, False])
async def test_a_page_is_polled_from_a_server_known_by_its_authority(
    authority: Authority, tmp_path: Path, is_genuine: bool
) -> None:
    owner = authority if is_genuine else Authority(tmp_path, "impostor")
    async with ScriptedServer(Answer(), tls=owner.server(shown=authority)) as server:
        settings = settings_of(server.url, fingerprint=authority.own_fingerprint)
        for make in (Fetcher, LeanFetcher):
            pins.proven.clear()
            fetcher = make(settings)
            try:
                with nullcontext() if is_genuine else pytest.raises(ReadError, match="its certificate is not trusted"):
                    await fetcher.fetch()
            finally:
                await fetcher.aclose()

    assert len(server.requests) == (2 if is_genuine else 0)


async def test_a_second_handshake_that_hangs_can_be_cancelled_and_its_socket_is_closed(authority: Authority) -> None:
    hanging = Raw(b"HTTP/1.1 200 Connected\r\n\r\n", "hang")
    async with (
        ScriptedServer(Answer(), tls=authority.server(shown=authority)) as server,
        ScriptedServer([Tunnel(server.port), hanging]) as proxy,
        anyio.create_task_group() as group,
    ):
        group.start_soon(ask, server, Tls(fingerprint=authority.own_fingerprint), 1, proxy.url)
        await proxy.until(lambda: len(proxy.requests) == 2)
        group.cancel_scope.cancel()
        with anyio.fail_after(5, shield=True):
            await proxy.until_left()

    assert server.received == 0


async def test_a_server_without_tls_is_not_asked_twice(authority: Authority) -> None:
    async with ScriptedServer(Answer()) as server:
        endpoint = parse_endpoint(f"https://{server.endpoint}")
        link = await open_link(endpoint, endpoint.url, Tls(fingerprint=authority.own_fingerprint), None)
        request = httpx.Request("GET", endpoint.url, extensions=link.extensions)
        with anyio.move_on_after(0.3):
            await link.transport.handle_async_request(request)
        await link.aclose()

    assert server.connections == 1
