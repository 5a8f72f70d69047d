"""The listener and clients that behave badly: odd requests, slow ones, too many."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator

import anyio.lowlevel
import pytest

from expvastic.listener import Listener
from listening import listening, raw, raw_or_reset, read_or_reset
from snapshots import make_recorder, make_snapshot

pytestmark = pytest.mark.usefixtures("quiet_loop")


@pytest.fixture
def quiet_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that the event loop would have to complain of."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", b"400"),  # TLS
        (b"PRI * HTTP/2.0\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET /\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000, b"431"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 300_000, b"405"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n", b"200"),
        (b"CONNECT evil.test:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"405"),
        (b"GET / HTTP/1.0\r\n\r\n", b"200"),
    ],
)
async def test_an_odd_request_gets_an_answer_and_the_end(
    request_bytes: bytes, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expvastic.listener.conversation._LINGER_LIMIT", 0.05)

    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        answer = await raw(listener.port, request_bytes)

    assert re.match(rb"HTTP/1\.1 (\d+) ", answer)[1] == status  # type: ignore[index]
    assert answer.count(b"HTTP/1.1") == 1


async def test_any_bytes_leave_it_serving() -> None:
    noise = bytes(range(256)) * 4

    async with listening() as client:
        port = client.base_url.port
        assert port is not None
        for start in range(0, 256, 16):
            await raw(port, noise[start : start + 300] + b"\r\n\r\n")

        assert (await client.get("/healthz")).status_code == 200


async def test_a_client_that_leaves_in_mid_request_is_no_trouble() -> None:
    async with listening() as client:
        port = client.base_url.port
        for sent in (b"", b"GET /hea", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port or 0)) as leaving:
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # leaves by a reset
                leaving.sendall(sent)

        assert (await client.get("/healthz")).status_code == 200


async def test_a_client_that_sends_half_a_request_and_no_more_is_told() -> None:
    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        for sent in (b"\r\n\r\n", b"\n", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(sent)
            writer.write_eof()
            assert (await read_or_reset(reader)).startswith(b"HTTP/1.1 400 ")
            writer.close()


async def test_a_request_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.listener.conversation.REQUEST_LIMIT", 0.01)

    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        assert await raw_or_reset(listener.port, b"GET /healthz HTTP/1.1\r\nHo") == b""


async def test_an_answer_that_is_not_taken_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many megabytes, and a client that reads nothing of it."""
    monkeypatch.setattr("expvastic.listener.conversation.REQUEST_LIMIT", 0.05)
    many = {f"recorder-{number}": make_recorder() for number in range(20_000)}

    async with Listener("127.0.0.1:0", lambda: make_snapshot(recorders=many)) as listener:
        assert listener._connections is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=1)
        writer.write(b"GET /debug/vars HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(1)
        while listener._connections._open:
            await anyio.lowlevel.checkpoint()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_connection_that_is_idle_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.listener.conversation.IDLE_LIMIT", 0.01)

    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        answer = await raw_or_reset(listener.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")


async def test_when_there_are_too_many_connections_the_one_idle_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.listener.connections.CONNECTIONS", 3)

    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        held = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(3)]
        answer = await raw(listener.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        first = await read_or_reset(held[0][0])
        for _, writer in held[1:]:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        others = [await reader.readline() for reader, _ in held[1:]]
        for _, writer in held:
            writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert first == b""
    assert others == [b"HTTP/1.1 200 \r\n"] * 2


async def test_when_all_connections_are_busy_a_new_one_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.listener.connections.CONNECTIONS", 1)

    async with Listener("127.0.0.1:0", make_snapshot) as listener:
        connections = listener._connections
        assert connections is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /heal")
        while not connections._open or connections._idle:
            await anyio.lowlevel.checkpoint()
        refused = await raw_or_reset(listener.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write(b"thz HTTP/1.1\r\nHost: x\r\n\r\n")
        served = await reader.readline()
        writer.close()

    assert refused == b""
    assert served == b"HTTP/1.1 200 \r\n"
