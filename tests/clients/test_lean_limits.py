"""The lean way against floods, and against the other way: the same bytes come to the same end on both."""

from __future__ import annotations

import gzip
import random
import tracemalloc

import pytest

from expvastic.clients.fetch import Fetcher
from expvastic.clients.lean import LeanFetcher
from expvastic.errors import ReadError
from fetching import AnyFetcher, failure_of, fetching, settings_of
from scripted_http import Answer, Endless, Raw, Request, ScriptedServer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
SETTLED = ("closed", "protocol")


@pytest.mark.parametrize("way", ["lean", "lean on uvloop"], indirect=True)
@pytest.mark.parametrize(
    "flood",
    [
        Endless(OK, b"x-header: y\r\n" * 999),
        Endless(OK + b"x-header: ", b"x" * 9999),
        Endless(b"HTTP/1.1 200 ", b"x" * 9999),
        Endless(OK, b"x" * 9999),
        Endless(b"", b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" * 99),
        Endless(b"", b"\r\n" * 999),
        Endless(CHUNKED + b"1;", b"x" * 9999),
        Endless(CHUNKED + b"1\r\n{\r\n0\r\n", b"x-trailer: y\r\n" * 999),
        Endless(CHUNKED + b"1\r\n{\r\n0\r\nx-trailer:", b"y" * 9999),
    ],
)
async def test_what_has_no_end_and_is_no_body_is_left_before_it_costs_memory(flood: Endless, way: str) -> None:
    async with ScriptedServer([Answer(), Raw(flood)]) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        tracemalloc.start()
        try:
            error = await failure_of(fetcher)
            await server.until_left()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert error.reason == "headers"
    assert peak < 4 * 2**20


@pytest.mark.parametrize("seed", [20161215, 20261121])
async def test_any_bytes_end_as_they_do_over_httpx(seed: int) -> None:
    """But for garbage that is known as such before the connection ends, and control characters in a head."""
    chance = random.Random(seed)
    sound = [
        Answer(gzip.compress(b'{"a": 1}' * 50, mtime=0), headers={"content-encoding": "gzip"}, chunk=20).encode(),
        Answer(b'{"a": 1}' * 50, headers={"x-padding": "x" * 50}, chunk=100).encode(),
        Answer(b'{"a": 1}' * 50).encode(),
        Answer(status=302, headers={"location": "/x"}).encode(),
    ]
    different = []
    answers = [_mangled(chance.choice(sound), chance) for _ in range(400)]
    current = b""

    def respond(request: Request) -> Raw:
        return Raw(current)

    async with ScriptedServer(respond) as server:
        for current in answers:
            pair = [await _outcome(kind, server.url) for kind in (Fetcher, LeanFetcher)]
            reasons = tuple(each if isinstance(each, str) else "page" for each in pair)
            if pair[0] != pair[1] and reasons != SETTLED and not _has_control(current, reasons[0]):
                different.append((current, pair))

    assert different == []


def _has_control(answer: bytes, reason: str) -> bool:
    head = answer.partition(b"\r\n\r\n")[0]
    return reason == "protocol" and any(character in head for character in b"\x00\x0b\x0c")


async def _outcome(kind: type[AnyFetcher], url: str) -> bytes | str:
    fetcher = kind(settings_of(url, max_body_bytes=500))
    try:
        return (await fetcher.fetch()).body
    except ReadError as error:
        return error.reason
    finally:
        await fetcher.aclose()


def _mangled(sound: bytes, chance: random.Random) -> bytes:
    mangled = bytearray(sound)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(mangled))
        mangled[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(mangled)
