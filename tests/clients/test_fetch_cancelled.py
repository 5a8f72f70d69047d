"""Polls that are cancelled, and polls that fail again and again: they leave nothing behind, and the next goes on."""

from __future__ import annotations

import gc
import gzip
import tracemalloc
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from fetching import AnyFetcher, failure_of, fetching
from scripted_http import HANG, Answer, Endless, Raw, ScriptedServer

pytestmark = pytest.mark.usefixtures("way")

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        HANG,
        Raw(OK, "hang"),
        Raw(OK + b"content-length: 9\r\n\r\n{", "hang"),
        Raw(Endless(OK, b"x: y\r\n"), pause=0.0005),
        Raw(Endless(OK + b"\r\n", b" "), pause=0.0005),
        Raw(OK + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"{}")[:10], "hang"),
    ],
)
async def test_a_poll_that_hangs_or_trickles_can_be_cancelled_and_the_next_goes_on(answer: Raw) -> None:
    async with ScriptedServer([answer, Answer()]) as server, fetching(server.url) as fetcher:
        await _cancel_when(fetcher, server, asked(server, 1))
        await server.until_left()
        await fetcher.fetch()

    assert [request.connection for request in server.requests] == [1, 2]


async def test_a_poll_that_hangs_on_a_kept_connection_can_be_cancelled() -> None:
    async with ScriptedServer([Answer(), HANG, Answer()]) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        await _cancel_when(fetcher, server, asked(server, 2))
        await fetcher.fetch()

    assert [request.connection for request in server.requests] == [1, 1, 2]


async def test_a_tls_handshake_that_hangs_can_be_cancelled_and_its_socket_is_closed() -> None:
    async with ScriptedServer(Answer()) as server, fetching(f"https://{server.endpoint}") as fetcher:
        for number in (1, 2, 3):
            await _cancel_when(fetcher, server, reached(server, number))
            await server.until_left()  # with a socket left open this would wait for ever

    assert server.connections == 3


async def test_a_tunnel_s_handshake_that_hangs_can_be_cancelled_and_its_socket_is_closed() -> None:
    silent = Raw(b"HTTP/1.1 200 Connected\r\n\r\n", "hang")
    async with ScriptedServer(silent) as proxy, fetching("https://app.example", proxy=proxy.url) as fetcher:
        for number in (1, 2, 3):
            await _cancel_when(fetcher, proxy, asked(proxy, number))
            await proxy.until_left()

    assert [request.method for request in proxy.requests] == ["CONNECT"] * 3


async def test_a_deadline_is_the_caller_s_and_is_not_taken_for_a_fault_of_the_wire() -> None:
    async with ScriptedServer(HANG) as server, fetching(server.url) as fetcher:
        with pytest.raises(TimeoutError), anyio.fail_after(0.05):
            await fetcher.fetch()


def asked(server: ScriptedServer, times: int) -> Callable[[], bool]:
    return lambda: len(server.requests) == times


def reached(server: ScriptedServer, times: int) -> Callable[[], bool]:
    return lambda: server.connections == times


async def _cancel_when(fetcher: AnyFetcher, server: ScriptedServer, happened: Callable[[], bool]) -> None:
    """Cancel a fetch when something has happened at the server, and what it answered has been looked at."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetcher.fetch)
        await server.until(happened)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def test_hundreds_of_failures_leave_nothing_behind() -> None:
    async with ScriptedServer(Answer(status=500, close=True)) as server, fetching(server.url) as fetcher:
        await failure_of(fetcher)
        tracemalloc.start()
        try:
            for _ in range(100):
                await failure_of(fetcher)
            server.requests.clear()
            gc.collect()
            settled, _ = tracemalloc.get_traced_memory()
            for _ in range(200):
                await failure_of(fetcher)
            server.requests.clear()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert after - settled < 100_000


async def test_a_fetcher_that_was_never_used_closes() -> None:
    async with fetching("host"):
        pass
