"""The connection that bulks go over: what servers do with it, and what is made of it, on both event loops."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from expvastic.clients.endpoint import Endpoint
from expvastic.clients.tls import Tls
from expvastic.errors import ReadError
from expvastic.recorders.elasticsearch.connecting import connect
from expvastic.recorders.elasticsearch.connection import Connection
from expvastic.recorders.elasticsearch.exchange import PIECE, BodyCut, Heard, NothingSent, Progress, Request
from scripted_http import CUT, HANG, RESET, Answer, AnyAnswer, Endless, Raw, Script, ScriptedServer
from scripted_http import Request as Seen

LARGE = b"x" * (12 * 2**20)  # more than the system takes at once
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


def bulk(body: bytes = b"{}\n", **headers: str) -> Request:
    return Request("POST", b"/_bulk", {"host": "node", **headers}, body)


async def open_line(server: ScriptedServer) -> Connection:
    return await connect(Endpoint("http", "127.0.0.1", server.port), server.url, Tls())


async def ask(script: Script, request: Request | None = None) -> tuple[Heard | ReadError, Progress, Connection]:
    """What comes of one request."""
    progress = Progress()
    async with ScriptedServer(script) as server:
        line = await open_line(server)
        try:
            with anyio.fail_after(10):
                heard: Heard | ReadError = await line.exchange(request or bulk(), progress)
        except ReadError as error:
            heard = progress.explain(error)
        is_open = line.is_open
        await line.aclose()
        assert not line.is_open
        line.was_open = is_open  # type: ignore[attr-defined]
    return heard, progress, line


@pytest.mark.parametrize(
    ("answer", "body", "is_kept"),
    [
        (Answer(b'{"a":1}'), b'{"a":1}', True),
        (Answer(b'{"a":1}', chunk=3), b'{"a":1}', True),
        (Answer(b"{}", 429, {"retry-after": "7"}), b"{}", True),
        (Answer(b"{}", close=True), b"{}", False),
        (Raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "keep"), b"{}", True),
        (Raw(b"HTTP/1.1 204 No Content\r\n\r\n", "keep"), b"", True),
        (Raw([OK[place : place + 1] for place in range(len(OK))], "keep"), b"{}", True),
        (Raw(b"HTTP/1.1 200 OK\r\n\r\n{}", "close"), b"{}", False),
        (Raw(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", "keep"), b"{}", False),
        (Raw(OK + OK, "keep"), b"{}", False),
        (Raw(OK + b"x", "keep"), b"{}", False),
    ],
)
async def test_an_answer_is_heard_and_the_line_kept_if_that_was_a_clean_end(
    answer: AnyAnswer, body: bytes, is_kept: bool
) -> None:
    heard, progress, line = await ask(answer)

    assert isinstance(heard, Heard)
    assert heard.body == body
    assert not progress.is_under_way
    assert line.was_open is is_kept  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (CUT, "closed"),
        (RESET, "closed"),
        (Raw(OK[:-1]), "closed"),
        (Raw(OK[:20]), "closed"),
        (Raw(b"220 mail.test ESMTP\r\n"), "protocol"),
        (Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"), "protocol"),
        (Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "protocol"),
        (Raw(b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\n{}"), "encoding"),
        (Raw(Endless(b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"y" * 8_000 + b"\r\n")), "headers"),
        (Raw(Endless(b"HTTP/1.1 200 OK\r\n\r\n", b"{}" * 100_000)), "too_large"),
    ],
)
async def test_what_is_no_whole_answer_is_an_error_and_the_end_of_the_line(answer: AnyAnswer, reason: str) -> None:
    heard, progress, line = await ask(answer)

    assert isinstance(heard, ReadError)
    assert heard.reason == reason
    assert (progress.has_begun, progress.is_under_way) == (True, False)
    assert not line.was_open  # type: ignore[attr-defined]


async def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * (5 * PIECE // 256) + b"end"
    seen: list[Seen] = []

    def answer(request: Seen) -> AnyAnswer:
        seen.append(request)
        return Answer(b"{}")

    heard, progress, line = await ask(answer, bulk(body, **{"content-type": "application/x-ndjson"}))

    assert isinstance(heard, Heard)
    assert seen[0].body == body
    assert seen[0].headers == {
        "host": "node",
        "content-type": "application/x-ndjson",
        "content-length": str(len(body)),
    }
    assert not progress.is_under_way
    assert line.was_open  # type: ignore[attr-defined]


class Unwilling(ScriptedServer):
    """Does with a connection what it is told to as soon as it has seen the head of a request."""

    def __init__(self, act: Callable[[asyncio.StreamWriter], None]) -> None:
        super().__init__()
        self._act = act

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            self._act(writer)
            await asyncio.Event().wait()
        finally:
            writer.transport.abort()


@pytest.fixture
async def refusing() -> AsyncIterator[ScriptedServer]:
    def refuse(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")

    async with Unwilling(refuse) as server:
        yield server


async def test_a_refusal_is_heard_though_the_server_reads_no_further_and_the_rest_is_not_sent(
    refusing: ScriptedServer,
) -> None:
    line, progress = await open_line(refusing), Progress()

    with anyio.fail_after(10):
        heard = await line.exchange(bulk(LARGE), progress)

    assert heard.status == 413
    assert progress.is_under_way
    assert not line.is_open
    await line.aclose()


async def test_a_connection_that_breaks_in_the_body_tells_so() -> None:
    async with Unwilling(lambda writer: writer.transport.abort()) as server:
        line, progress = await open_line(server), Progress()

        with anyio.fail_after(10), pytest.raises(ReadError) as raised:
            await line.exchange(bulk(LARGE), progress)
        await line.aclose()

    assert isinstance(progress.explain(raised.value), BodyCut)


async def test_a_line_whose_other_end_has_closed_is_not_open_and_sends_nothing() -> None:
    async with ScriptedServer(Answer(b"{}")) as server:
        line = await open_line(server)
        await line.exchange(bulk(), Progress())
        assert line.is_open
        await server.drop_connections()
        while line.is_open:
            await anyio.lowlevel.checkpoint()

        progress = Progress()
        with pytest.raises(ReadError) as raised:
            await line.exchange(bulk(), progress)

    assert isinstance(progress.explain(raised.value), NothingSent)
    assert len(server.requests) == 1


async def test_bytes_that_nobody_asked_for_close_the_line() -> None:
    more = anyio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}\n")
        writer.write(OK)
        await more.wait()
        writer.write(OK)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        line = await connect(Endpoint("http", "127.0.0.1", server.sockets[0].getsockname()[1]), "node", Tls())
        await line.exchange(bulk(), Progress())
        more.set()
        with anyio.fail_after(10):
            while line.is_open:
                await anyio.lowlevel.checkpoint()
        await line.aclose()


@pytest.mark.parametrize("body", [b"{}\n", LARGE])
async def test_a_request_that_is_given_up_closes_its_line(body: bytes) -> None:
    async with ScriptedServer(HANG) as server:
        line = await open_line(server)
        with anyio.move_on_after(0.05):
            await line.exchange(bulk(body), Progress())
        await line.aclose()
        with anyio.fail_after(10):
            await server.until_left()

    assert not line.is_open


@pytest.mark.parametrize("value", ["ApiKey a\r\nx-more: 1", "ApiKey a\nb", "ApiKey \0", "ApiKey é"])
async def test_a_header_that_would_be_two_is_not_sent(value: str) -> None:
    heard, progress, _ = await ask(Answer(b"{}"), bulk(authorization=value))

    assert isinstance(heard, NothingSent)
    assert heard.reason == "protocol"
    assert not progress.has_begun


async def test_thousands_of_lines_that_break_leave_nothing_behind() -> None:
    before = len(asyncio.all_tasks())
    async with ScriptedServer([CUT]) as server:
        for _ in range(1_000):
            line = await open_line(server)
            with pytest.raises(ReadError):
                await line.exchange(bulk(), Progress())
            await line.aclose()
        await server.until_left()
        assert server.connections == 1_000
    assert len(asyncio.all_tasks()) <= before + 1


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_a_line_is_kept_however_fast_the_answer_to_a_body_in_pieces(size: int) -> None:
    async with ScriptedServer(Answer(b"{}")) as server:
        line = await open_line(server)
        for _ in range(200):
            await line.exchange(bulk(b"x" * size), Progress())
            assert line.is_open
        await line.aclose()

    assert server.connections == 1
