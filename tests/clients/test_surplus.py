"""What a server sends without being asked is never taken for the next answer, whichever way a page is fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from fetching import fetching, posting
from scripted_http import Answer, Raw, ScriptedServer

pytestmark = pytest.mark.usefixtures("way")

FIRST = Answer(b"1").encode()
SURPLUS = [b"H", b"\r\n", b"garbage", Answer("stale").encode(), Answer("stale").encode() * 9, b"\x00" * 90_000]


def is_harmless(surplus: bytes) -> bool:
    """An empty line before an answer means nothing."""
    return not surplus.strip(b"\r\n")


@pytest.mark.parametrize("surplus", SURPLUS)
async def test_what_follows_an_answer_at_once_is_never_taken_for_the_next(surplus: bytes) -> None:
    script = [Raw(FIRST + surplus, "keep"), Answer("2")]
    async with ScriptedServer(script) as server, fetching(server.url) as fetcher:
        bodies = [(await fetcher.fetch()).body for _ in range(3)]

    assert bodies == [b"1", b"2", b"2"]
    assert is_harmless(surplus) or [request.connection for request in server.requests] == [1, 2, 2]


@pytest.mark.parametrize("surplus", SURPLUS)
async def test_what_comes_between_polls_is_never_taken_for_the_next(surplus: bytes) -> None:
    has_come = asyncio.Event()

    def pieces() -> Iterator[bytes]:
        yield FIRST
        yield surplus
        has_come.set()

    script = [Raw(pieces(), "hang", pause=0.01), Answer("2")]
    async with ScriptedServer(script) as server, fetching(server.url) as fetcher:
        bodies = [(await fetcher.fetch()).body]
        await has_come.wait()
        bodies += [(await fetcher.fetch()).body for _ in range(2)]

    assert bodies == [b"1", b"2", b"2"]
    assert [request.connection for request in server.requests] == [1, 2, 2]


@pytest.mark.parametrize("chunk", [0, 1])
async def test_what_follows_an_answer_to_a_post_is_never_taken_for_the_next(chunk: int) -> None:
    script = [Raw(Answer(b"1", chunk=chunk).encode() + Answer("stale").encode(), "keep"), Answer("2")]
    async with ScriptedServer(script) as server, posting(server.url, b"body") as fetcher:
        assert [(await fetcher.fetch()).body for _ in range(2)] == [b"1", b"2"]

    assert [request.connection for request in server.requests] == [1, 2]


async def test_an_answer_without_surplus_keeps_its_connection() -> None:
    async with ScriptedServer(Answer(b"1")) as server, posting(server.url, b"body") as fetcher:
        for _ in range(3):
            await fetcher.fetch()

    assert server.connections == 1
