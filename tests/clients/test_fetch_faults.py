"""Fetching from a target that misbehaves: one ReadError with a documented reason, and no more cost than its limits."""

from __future__ import annotations

import gzip
import random
import socket
import tracemalloc

import pytest

from expvastic.clients.failures import REASONS
from expvastic.errors import ReadError
from fetching import fail_once, failure_of, fetch_once, fetching
from scripted_http import CUT, RESET, Answer, AnyAnswer, Endless, Raw, ScriptedServer

pytestmark = pytest.mark.usefixtures("way")

OK = b"HTTP/1.1 200 OK\r\n"
CHUNK = b"100\r\n%s\r\n" % bytes(256)
MEBIBYTE = 2**20


# -- nobody there --


async def test_a_target_that_is_down_is_said_to_refuse() -> None:
    async with ScriptedServer(Answer()) as server:
        pass

    error = await fail_once(f"user:s3cret@{server.endpoint}/x?token=s3cret")

    assert error.reason == "connect"
    assert str(error) == f"http://{server.endpoint}/x: cannot connect (Connection refused)"


async def test_each_address_of_a_name_that_refuses_is_one_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer(Answer()) as server:
        pass
    addresses = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2")]

    def resolve(host: object, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    error = await fail_once(f"two-addresses.example:{server.port}")

    assert error.reason == "connect"
    assert "Connection refused" in str(error)


async def test_a_host_name_that_nobody_knows_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    error = await fail_once("nowhere.example")

    assert error.reason == "dns"
    assert str(error) == "http://nowhere.example: host name not found (Name or service not known)"


async def test_a_unix_socket_that_is_not_there_is_said_so() -> None:
    error = await fail_once("unix:///nowhere/app.sock:/x")

    assert error.reason == "connect"
    assert "No such file" in str(error)


async def test_a_unix_socket_with_too_long_a_name_is_said_so() -> None:
    assert (await fail_once(f"unix:///{'a' * 200}")).reason == "connect"


# -- the wrong answer --


@pytest.mark.parametrize("status", [300, 304, 400, 403, 404, 500, 503, 599])
async def test_a_status_that_is_not_2xx_is_a_failed_poll(status: int) -> None:
    async with ScriptedServer(Answer('{"error": 1}', status=status)) as server:
        error = await fail_once(f"{server.url}/x?token=s3cret")

    assert error.reason == "status"
    assert str(error).startswith(f"{server.url}/x: answered {status}")


async def test_switching_protocols_is_no_page() -> None:
    async with ScriptedServer(Raw(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", "hang")) as server:
        assert (await fail_once(server.url)).reason in ("status", "protocol")


async def test_early_hints_before_the_answer_are_passed_over() -> None:
    answer = Raw(b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + Answer(b"{}").encode(), "keep")
    async with ScriptedServer(answer) as server:
        assert (await fetch_once(server.url)).body == b"{}"


@pytest.mark.parametrize("kind", ["text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml"])
async def test_an_html_page_is_a_failed_poll_with_a_hint(kind: str) -> None:
    async with ScriptedServer(Answer("<html>", headers={"content-type": kind})) as server:
        error = await fail_once(server.url)

    assert error.reason == "content_type"
    assert "check the path" in str(error)


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "", "nonsense"])
async def test_any_other_content_type_is_left_to_the_interpreter(kind: str) -> None:
    async with ScriptedServer(Answer("[broken", headers={"content-type": kind})) as server:
        assert (await fetch_once(server.url)).body == b"[broken"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "\xff\x1b[31m"])
async def test_an_encoding_that_was_not_asked_for_is_a_failed_poll(encoding: str) -> None:
    async with ScriptedServer(Answer(headers={"content-encoding": encoding})) as server:
        assert (await fail_once(server.url)).reason in ("encoding", "protocol")


@pytest.mark.parametrize(
    "body", [b"{}", gzip.compress(b"{}" * 99)[:-9], gzip.compress(b"{}") + b"more", gzip.compress(b"{}") * 2, b""]
)
async def test_gzip_that_is_broken_is_a_failed_poll(body: bytes) -> None:
    async with ScriptedServer(Answer(body, headers={"content-encoding": "gzip"})) as server:
        assert (await fail_once(server.url)).reason == "encoding"


# -- too much --


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"x" * 10 * MEBIBYTE),
        Answer(b"x" * 10 * MEBIBYTE, chunk=65536),
        Raw(OK + b"content-length: 99999999999\r\n\r\n", "hang"),
        Raw(Endless(OK + b"transfer-encoding: chunked\r\n\r\n", b"100\r\n%s\r\n" % bytes(256))),
        Raw(Endless(OK + b"\r\n", b"x" * 65536)),
    ],
)
async def test_a_body_above_the_limit_is_a_failed_poll_and_is_not_read_to_its_end(answer: AnyAnswer) -> None:
    async with ScriptedServer(answer) as server, fetching(server.url, max_body_bytes="1 MB") as fetcher:
        error = await failure_of(fetcher)
        await server.until_left()

    assert error.reason == "too_large"
    assert "1000000 bytes" in str(error)


async def test_a_body_that_comes_in_crumbs_is_left() -> None:
    crumbs = Raw(Endless(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 999))
    async with ScriptedServer(crumbs) as server, fetching(server.url) as fetcher:
        error = await failure_of(fetcher)
        await server.until_left()

    assert error.reason == "protocol"
    assert "pieces" in str(error)


async def test_a_body_of_just_the_limit_is_a_page() -> None:
    async with ScriptedServer(Answer(b"x" * 1000, chunk=100)) as server:
        assert len((await fetch_once(server.url, max_body_bytes=1000)).body) == 1000


async def test_the_limit_counts_inflated_bytes() -> None:
    def packed(size: int) -> Answer:
        return Answer(gzip.compress(b"x" * size), headers={"content-encoding": "gzip"})

    async with ScriptedServer([packed(1000), packed(1001)]) as server:
        assert len((await fetch_once(server.url, max_body_bytes=1000)).body) == 1000
        assert (await fail_once(server.url, max_body_bytes=1000)).reason == "too_large"


async def test_a_gzip_bomb_costs_no_more_memory_than_the_limit() -> None:
    bomb = Answer(gzip.compress(bytes(200 * MEBIBYTE), 9), headers={"content-encoding": "gzip"})
    async with ScriptedServer([Answer(), bomb]) as server, fetching(server.url, max_body_bytes=2 * MEBIBYTE) as fetcher:
        await fetcher.fetch()
        tracemalloc.start()
        try:
            error = await failure_of(fetcher)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert error.reason == "too_large"
    assert peak < 8 * MEBIBYTE


@pytest.mark.parametrize(
    "flood",
    [
        b"x-header: " + b"x" * 200_000,
        b"x-header: y\r\n" * 20_000,
    ],
)
async def test_a_flood_of_headers_is_a_failed_poll(flood: bytes) -> None:
    async with ScriptedServer(Raw(OK + flood, "hang")) as server:
        assert (await fail_once(server.url)).reason == "headers"


async def test_a_flood_of_headers_without_end_is_left() -> None:
    async with ScriptedServer(Raw(Endless(OK, b"x-header: y\r\n" * 100))) as server, fetching(server.url) as fetcher:
        error = await failure_of(fetcher)
        await server.until_left()

    assert error.reason == "headers"


# -- broken off, or no HTTP --


@pytest.mark.parametrize(
    "answer",
    [
        CUT,
        RESET,
        Raw(OK),
        Raw(OK, "reset"),
        Raw(OK + b"content-length: 9\r\n\r\n{"),
        Raw(OK + b"content-length: 9\r\n\r\n{", "reset"),
        Raw(OK + b"transfer-encoding: chunked\r\n\r\n5\r\n{"),
        Raw(OK + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"),
    ],
)
async def test_an_answer_that_breaks_off_is_a_failed_poll(answer: Raw) -> None:
    async with ScriptedServer(answer) as server:
        assert (await fail_once(server.url)).reason == "closed"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x00\x00" * 20,
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"content-length: -1\r\n\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{",
        OK + b"content-length: " + b"9" * 5000 + b"\r\n\r\n",
        OK + b"transfer-encoding: mangled\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\nnot hex\r\n",
    ],
)
async def test_what_is_not_http_is_a_failed_poll(garbage: bytes) -> None:
    async with ScriptedServer(Raw(garbage)) as server:
        assert (await fail_once(server.url)).reason == "protocol"


async def test_any_bytes_are_a_page_or_a_read_error() -> None:
    chance = random.Random(20161215)
    packed = Answer(gzip.compress(b'{"a": 1}' * 50), headers={"content-encoding": "gzip"}, chunk=20)
    plain = Answer(b'{"a": 1}' * 50, headers={"x-padding": "x" * 50}, chunk=100)
    answers = [_mangled(chance.choice([packed, plain]).encode(), chance) for _ in range(300)]
    async with ScriptedServer([Raw(answer) for answer in answers]) as server:
        errors = [await _error_of(server.url) for _ in answers]

    assert {error.reason for error in errors if error} <= set(REASONS)
    assert all(str(error).isprintable() for error in errors if error)
    assert 30 < errors.count(None) < 270  # neither all broken nor all sound


async def _error_of(url: str) -> ReadError | None:
    try:
        await fetch_once(url, max_body_bytes=500)
    except ReadError as error:
        return error
    return None


def _mangled(sound: bytes, chance: random.Random) -> bytes:
    mangled = bytearray(sound)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(mangled))
        mangled[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(mangled)
