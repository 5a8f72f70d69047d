"""The lean way: how answers are framed whatever pieces they come in, and what is kept between polls."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from certificates import Authority
from expvastic.errors import ReadError
from fetching import AnyFetcher, fail_once, failure_of, fetching
from scripted_http import HANG, Answer, Endless, Raw, Request, ScriptedServer

pytestmark = [
    pytest.mark.usefixtures("way"),
    pytest.mark.parametrize("way", ["lean", "lean on uvloop"], indirect=True),
]

PAGE = b'{"memstats": {"Alloc": 2780496}}' * 4
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n"
TRAILERS = CHUNKED + b'trailer: x-sum\r\n\r\n4;a=b\r\n{"a"\r\n4 \r\n: 1}\r\n0\r\nx-sum: 1\r\n\r\n'
SOUND = {
    "sized": Answer(PAGE).encode(),
    "chunked": Answer(PAGE, chunk=50).encode(),
    "gzip": Answer(gzip.compress(PAGE), headers={"content-encoding": "gzip"}, chunk=20).encode(),
    "after hints": b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + Answer(PAGE).encode(),
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: %d\n\n%b" % (len(PAGE), PAGE),
    "folded": OK + b"x-a: b\r\n c\r\ncontent-length: %d\r\n\r\n%b" % (len(PAGE), PAGE),
    "two lengths": CHUNKED + b"content-length: 5\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE),
}


def wire(answers: Sequence[bytes]) -> ScriptedServer:
    return ScriptedServer([Raw(answer, "keep") for answer in answers])


# -- framing --


@pytest.mark.parametrize("sound", SOUND.values(), ids=SOUND)
async def test_an_answer_that_comes_byte_by_byte_is_the_same_page(sound: bytes) -> None:
    pieces = [sound[at : at + 1] for at in range(len(sound))]
    async with ScriptedServer([Raw(pieces, "keep"), Raw(sound, "keep")]) as server, fetching(server.url) as fetcher:
        assert (await fetcher.fetch()).body == PAGE
        assert (await fetcher.fetch()).body == PAGE

    assert server.connections == 1


async def test_chunks_with_extensions_and_trailers_are_a_page_and_the_connection_is_kept() -> None:
    async with wire([TRAILERS]) as server, fetching(server.url) as fetcher:
        for _ in range(3):
            assert (await fetcher.fetch()).body == b'{"a": 1}'

    assert server.connections == 1


async def test_no_content_is_an_empty_body_and_the_connection_is_kept() -> None:
    async with wire([b"HTTP/1.1 204 No Content\r\n\r\n"]) as server, fetching(server.url) as fetcher:
        assert [(await fetcher.fetch()).body for _ in range(2)] == [b"", b""]

    assert server.connections == 1


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\n", "protocol"),
        (b"HTTP/1.1 099 OK\r\ncontent-length: 2\r\n\r\n", "protocol"),
        (OK + b"transfer-encoding: gzip, chunked\r\n\r\n", "protocol"),
        (CHUNKED + b"transfer-encoding: chunked\r\n\r\n", "protocol"),
        (CHUNKED + b"\r\n2\n{}\n0\n\n", "protocol"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "status"),
    ],
)
async def test_a_head_that_promises_no_plain_page_is_a_failed_poll(head: bytes, reason: str) -> None:
    async with wire([head + b"{}"]) as server:
        assert (await fail_once(server.url)).reason == reason


async def test_each_answer_is_taken_by_its_own_head() -> None:
    packed = Answer(gzip.compress(PAGE), headers={"content-encoding": "gzip"}, chunk=20)
    odd = Answer(PAGE, headers={"content-encoding": "br"}, chunk=20)
    plain = Answer(PAGE, chunk=20)
    html = Answer(PAGE, headers={"content-type": "text/html"}, chunk=20)
    script = [plain, odd, plain, packed, html, packed, plain]
    async with ScriptedServer(script) as server, fetching(server.url) as fetcher:
        outcomes = [await _reason_of(fetcher) for _ in range(7)]

    assert outcomes == ["page", "encoding", "page", "page", "content_type", "page", "page"]


async def _reason_of(fetcher: AnyFetcher) -> str:
    try:
        return "page" if (await fetcher.fetch()).body == PAGE else "another page"
    except ReadError as error:
        return error.reason


# -- closing early --


@pytest.mark.parametrize("sound", [TRAILERS, SOUND["sized"], SOUND["gzip"], SOUND["after hints"]])
async def test_an_answer_that_ends_early_is_no_page_wherever_it_ends(sound: bytes) -> None:
    async with ScriptedServer([Raw(sound[:length]) for length in range(len(sound))]) as server:
        errors = [await fail_once(server.url) for _ in range(len(sound))]

    assert {error.reason for error in errors} == {"closed"}
    assert len(server.requests) == len(sound)


async def test_on_a_kept_connection_an_answer_is_asked_for_again_only_if_nothing_of_it_came() -> None:
    sound = Answer(b"{}").encode()
    for length in range(len(sound)):
        script = [Answer(), Raw(sound[:length]), Answer("2")]
        async with ScriptedServer(script) as server, fetching(server.url) as fetcher:
            await fetcher.fetch()
            if length:
                assert (await failure_of(fetcher)).reason == "closed"
            assert (await fetcher.fetch()).body == b"2"


# -- connections --


async def test_a_server_that_closes_after_each_answer_is_connected_to_each_time(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    closing = Answer(PAGE, close=True)
    async with (
        ScriptedServer(closing, tls=authority.server()) as server,
        fetching(server.url, ca_file=authority.ca_file) as fetcher,
    ):
        assert [(await fetcher.fetch()).body for _ in range(20)] == [PAGE] * 20

    assert server.connections == 20


async def test_thousands_of_connections_leave_no_socket_no_task_and_no_memory_behind() -> None:
    packed = gzip.compress(PAGE)
    turns = [
        Answer(PAGE, close=True),
        Answer(packed, headers={"content-encoding": "gzip"}, chunk=20, close=True),
        Answer(status=500),
        Raw(b""),
        Raw(OK),
        Raw(b"garbage"),
        Raw(Answer(PAGE).encode()[:-9]),
        Raw(Answer(PAGE, chunk=50).encode()[:-9], "reset"),
    ]

    def respond(request: Request) -> Answer | Raw:
        return turns[request.connection % len(turns)]

    async with ScriptedServer(respond) as server, fetching(server.url) as fetcher:
        await _churn(server, fetcher, 1_000)
        files = await _open_files(server)
        tracemalloc.start()
        try:
            await _churn(server, fetcher, 1_000)
            before, _ = tracemalloc.get_traced_memory()
            await _churn(server, fetcher, 1_000)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        left = await _open_files(server)
        tasks = asyncio.all_tasks()

    assert server.connections == 3_000
    assert left <= files
    assert len(tasks) <= 2  # this one, and the one that serves
    assert after - before < 50_000


async def _churn(server: ScriptedServer, fetcher: AnyFetcher, times: int) -> None:
    for _ in range(times):
        with contextlib.suppress(ReadError):
            await fetcher.fetch()
        server.requests.clear()
    gc.collect()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"x" * 2**20),
        Answer(gzip.compress(b"x" * 2**20), headers={"content-encoding": "gzip"}, chunk=99),
    ],
)
async def test_between_polls_nothing_is_kept_of_a_page(answer: Answer) -> None:
    sound = answer.encode()
    pieces = [sound[:500], sound[500:]]
    async with ScriptedServer(Raw(pieces, "keep", pause=0.01)) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        tracemalloc.start()
        try:
            for _ in range(3):
                await fetcher.fetch()
            await anyio.lowlevel.checkpoint()  # the loop keeps what it did last
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert server.connections == 1
    assert kept < 200_000


async def _open_files(server: ScriptedServer) -> int:
    await server.until_left()
    await anyio.lowlevel.checkpoint()
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_poll_cancelled_at_any_turn_leaves_nothing_open_and_the_next_goes_on(
    scheme: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    tls = authority.server() if scheme == "https" else None
    settings = {"ca_file": authority.ca_file} if tls else {}
    async with ScriptedServer(Answer(PAGE), tls=tls) as server, fetching(server.url, **settings) as fetcher:
        await fetcher.fetch()
        for turns in range(60):
            for is_kept in (False, True):
                if not is_kept:
                    await fetcher.aclose()
                await _cancel_after(turns, fetcher)
                assert (await fetcher.fetch()).body == PAGE
        await fetcher.aclose()
        await server.until_left()  # with a socket left open this would wait for ever


async def _cancel_after(turns: int, fetcher: AnyFetcher) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetcher.fetch)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "trickle",
    [
        Endless(b"HTTP/1.1 200 ", b"x"),
        Endless(OK, b"x"),
        Endless(OK + b"x-header: ", b"x"),
        Endless(OK + b"\r\n", b" "),
        Endless(CHUNKED + b"\r\n", b"1\r\n \r\n"),
        Endless(CHUNKED + b"\r\n1;", b"x"),
        Endless(CHUNKED + b"\r\n0\r\nx-trailer: ", b"x"),
    ],
)
@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_trickle_does_not_outlast_the_deadline(trickle: Endless, is_kept: bool) -> None:
    script = [*[Answer(PAGE)] * is_kept, Raw(trickle, pause=0.001), Answer(PAGE)]
    async with ScriptedServer(script) as server, fetching(server.url) as fetcher:
        if is_kept:
            await fetcher.fetch()
        with pytest.raises(TimeoutError), anyio.fail_after(0.05):
            await fetcher.fetch()
        await server.until_left()
        assert (await fetcher.fetch()).body == PAGE


async def test_nothing_that_is_shown_of_a_fetcher_holds_a_secret() -> None:
    async with ScriptedServer(HANG) as server, fetching(server.url, bearer_token="s3cret") as fetcher:
        with pytest.raises(TimeoutError) as caught, anyio.fail_after(0.05):
            await fetcher.fetch()

    assert "s3cret" not in repr(fetcher) + repr(caught.value)
