"""Connecting the lean way: names looked up anew, several addresses, and what is left behind."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

import anyio
import pytest

from expvastic.clients.endpoint import parse_endpoint
from expvastic.clients.lean import dial as dialling
from expvastic.clients.lean.dial import dial
from fetching import fetch_once, fetching
from scripted_http import Answer, ScriptedServer

pytestmark = [
    pytest.mark.usefixtures("way"),
    pytest.mark.parametrize("way", ["lean", "lean on uvloop"], indirect=True),
]

PAGE = b'{"a": 1}'


@contextlib.asynccontextmanager
async def silent_address() -> AsyncIterator[int]:
    """A port of 127.0.0.2 that takes no connection and refuses none, because its queue is full."""
    with socket.socket() as listener, contextlib.ExitStack() as queued:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = queued.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def resolved(way: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What a look-up of any name gives, address by address; changed at will."""
    if way != "lean":
        pytest.skip("uvloop looks names up by itself")
    addresses: list[tuple[str, int]] = []

    def resolve(host: object, port: int, *_: object, flags: int = 0, **__: object) -> list[tuple[object, ...]]:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return addresses


async def test_a_fresh_connection_looks_the_name_up_anew(resolved: list[tuple[str, int]]) -> None:
    async with (
        ScriptedServer(Answer("1")) as first,
        ScriptedServer(Answer("2")) as second,
        fetching("moving.example") as fetcher,
    ):
        resolved[:] = [("127.0.0.1", first.port)]
        assert (await fetcher.fetch()).body == b"1"
        resolved[:] = [("127.0.0.1", second.port)]
        assert (await fetcher.fetch()).body == b"1"
        await first.drop_connections()
        assert (await fetcher.fetch()).body == b"2"


async def test_an_address_that_is_silent_does_not_hold_up_the_next(resolved: list[tuple[str, int]]) -> None:
    async with ScriptedServer(Answer(PAGE)) as server, silent_address() as silent:
        resolved[:] = [("127.0.0.2", silent), ("127.0.0.1", server.port)]
        with anyio.fail_after(2):
            assert (await fetch_once("two.example")).body == PAGE


async def test_an_address_that_refuses_is_passed_over(resolved: list[tuple[str, int]]) -> None:
    async with ScriptedServer(Answer(PAGE)) as server:
        resolved[:] = [("127.0.0.1", 1), ("127.0.0.1", server.port)]
        assert (await fetch_once("two.example")).body == PAGE


async def test_a_silent_address_can_be_left(resolved: list[tuple[str, int]]) -> None:
    async with silent_address() as silent:
        for addresses in ([("127.0.0.2", silent)], [("127.0.0.2", silent)] * 2):
            resolved[:] = addresses
            with pytest.raises(TimeoutError), anyio.fail_after(0.05):
                await fetch_once("silent.example")


async def test_of_two_addresses_that_answer_at_once_one_is_taken_and_the_other_closed(
    resolved: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []
    answered = anyio.Event()

    async def connect(address: object) -> socket.socket:
        made.append(connected := socket.socket())
        if len(made) == 1:
            await answered.wait()
        else:
            answered.set()
        return connected

    monkeypatch.setattr(dialling, "_connect", connect)
    monkeypatch.setattr(dialling, "_HEAD_START", 0.01)
    resolved[:] = [("127.0.0.1", 1), ("127.0.0.1", 2)]

    with await dial(parse_endpoint("two.example")) as taken:
        assert taken.fileno() != -1

    assert [each.fileno() for each in made] == [-1, -1]
    assert len(made) == 2


async def test_a_connection_that_comes_with_the_cancellation_is_closed(
    resolved: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []

    async def connect(address: object) -> socket.socket:
        made.append(socket.socket())
        scope.cancel()
        return made[-1]

    monkeypatch.setattr(dialling, "_connect", connect)
    resolved[:] = [("127.0.0.1", 1), ("127.0.0.1", 2)]

    with anyio.CancelScope() as scope:
        await dial(parse_endpoint("two.example"))

    assert scope.cancelled_caught
    assert [each.fileno() for each in made] == [-1]
