"""Fetching from a target that behaves: what is sent, what comes back, and connections that are kept."""

from __future__ import annotations

import base64
import gzip
import socket
import time
from pathlib import Path

import pytest

from fetching import fail_once, failure_of, fetch_once, fetching, posting
from scripted_http import CUT, RESET, Answer, Raw, Request, ScriptedServer

pytestmark = pytest.mark.usefixtures("way")

PAGE = b'{"memstats": {"Alloc": 2780496}}' * 400


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_the_body_comes_as_it_was_sent() -> None:
    async with ScriptedServer(Answer(PAGE)) as server:
        assert (await fetch_once(server.url)).body == PAGE


@pytest.mark.parametrize("chunk", [1, 7, 2048, 1_000_000])
async def test_chunks_as_go_sends_them_are_put_together(chunk: int) -> None:
    async with ScriptedServer(Answer(PAGE[:3000], chunk=chunk)) as server:
        assert (await fetch_once(server.url)).body == PAGE[:3000]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
async def test_gzip_is_asked_for_and_inflated(encoding: str) -> None:
    answer = Answer(gzip.compress(PAGE), headers={"content-encoding": encoding}, chunk=500)
    async with ScriptedServer(answer) as server:
        fetched = await fetch_once(server.url)

    assert fetched.body == PAGE
    assert server.requests[0].headers["accept-encoding"] == "gzip"


async def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    async with ScriptedServer(Raw(b"HTTP/1.0 200 OK\r\n\r\n" + PAGE)) as server, fetching(server.url) as fetcher:
        assert (await fetcher.fetch()).body == PAGE
        assert (await fetcher.fetch()).body == PAGE


async def test_time_is_the_wall_clock_at_the_last_byte_and_duration_the_whole_poll() -> None:
    async with ScriptedServer(Answer(PAGE)) as server:
        before, started = time.time_ns(), time.perf_counter_ns()
        fetched = await fetch_once(server.url)
        after, took = time.time_ns(), time.perf_counter_ns() - started

    assert before <= fetched.time <= after
    assert 0 < fetched.duration <= took


async def test_path_and_query_are_sent_as_written() -> None:
    async with ScriptedServer(Answer()) as server:
        await fetch_once(f"{server.url}/debug/vars/?a=1&b=%2F&c", routepath="x/")

    assert server.requests[0].path == "/debug/vars/x/?a=1&b=%2F&c"


# -- what is sent along --


async def test_a_request_is_small_and_names_us() -> None:
    async with ScriptedServer(Answer()) as server:
        await fetch_once(server.url)

    assert server.requests[0].headers == {
        "host": server.endpoint,
        "accept": "application/json, */*;q=0.5",
        "accept-encoding": "gzip",
        "user-agent": "expvastic",
    }


async def test_configured_headers_are_sent_in_the_place_of_ours() -> None:
    async with ScriptedServer(Answer()) as server:
        await fetch_once(server.url, headers={"User-Agent": "me", "X-Scope-OrgID": " tenant\n", "Host": "vhost"})

    headers = server.requests[0].headers
    assert (headers["user-agent"], headers["x-scope-orgid"], headers["host"]) == ("me", "tenant", "vhost")


@pytest.mark.parametrize(
    ("user_info", "settings", "pair"),
    [
        ("", {"username": "user", "password": "p:w"}, "user:p:w"),
        ("", {"username": "ü"}, "ü:"),
        ("user:p%40w@", {}, "user:p@w"),
        ("user@", {"password": "pw"}, "user:pw"),
    ],
)
async def test_basic_credentials_are_sent_and_stand_in_no_url(
    user_info: str, settings: dict[str, object], pair: str
) -> None:
    async with ScriptedServer(Answer()) as server:
        await fetch_once(f"http://{user_info}{server.endpoint}/x", **settings)

    [request] = server.requests
    assert request.headers["authorization"] == f"Basic {base64.b64encode(pair.encode()).decode()}"
    assert (request.path, request.headers["host"]) == ("/x", server.endpoint)


async def test_a_bearer_token_is_sent() -> None:
    async with ScriptedServer(Answer()) as server:
        await fetch_once(server.url, bearer_token="t0ken\n")

    assert server.requests[0].headers["authorization"] == "Bearer t0ken"


async def test_a_post_carries_its_content() -> None:
    async with ScriptedServer(Answer()) as server, posting(server.url, b"question") as fetcher:
        await fetcher.fetch()

    [request] = server.requests
    assert (request.method, request.body, request.headers["content-type"]) == ("POST", b"question", "text/plain")


async def test_cookies_of_a_target_are_not_kept() -> None:
    answer = Answer(headers={"set-cookie": "session=1"})
    async with ScriptedServer(answer) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        await fetcher.fetch()

    assert "cookie" not in server.requests[1].headers


# -- connections --


async def test_one_connection_serves_poll_after_poll() -> None:
    async with ScriptedServer(Answer(PAGE, chunk=2048)) as server, fetching(server.url) as fetcher:
        for _ in range(5):
            await fetcher.fetch()

    assert [request.connection for request in server.requests] == [1] * 5


async def test_closing_lets_go_of_the_connection_and_fetching_goes_on_with_a_fresh_one() -> None:
    async with ScriptedServer(Answer()) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        await fetcher.aclose()
        await server.until_left()
        await fetcher.fetch()

    assert [request.connection for request in server.requests] == [1, 2]


@pytest.mark.parametrize("gone", [CUT, RESET])
async def test_a_kept_connection_that_is_gone_when_asked_is_replaced_once(gone: Raw) -> None:
    def respond(request: Request) -> Answer | Raw:
        return gone if len(server.requests) == 2 else Answer()

    async with ScriptedServer(respond) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        await fetcher.fetch()

    assert [request.connection for request in server.requests] == [1, 1, 2]


async def test_a_connection_closed_between_polls_is_replaced() -> None:
    async with ScriptedServer(Answer()) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        await server.drop_connections()
        await fetcher.fetch()

    assert [request.connection for request in server.requests] == [1, 2]


@pytest.mark.parametrize("gone", [CUT, RESET])
async def test_a_target_that_goes_on_leaving_is_asked_twice_and_no_more(gone: Raw) -> None:
    async with ScriptedServer([Answer(), gone]) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        error = await failure_of(fetcher)

    assert error.reason == "closed"
    assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.parametrize("gone", [CUT, RESET])
async def test_a_fresh_connection_that_is_left_is_not_replaced(gone: Raw) -> None:
    async with ScriptedServer(gone) as server:
        error = await fail_once(server.url)

    assert error.reason == "closed"
    assert len(server.requests) == 1


async def test_an_answer_that_breaks_off_is_not_asked_for_again() -> None:
    broken = Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{")
    async with ScriptedServer([Answer(), broken]) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        error = await failure_of(fetcher)

    assert error.reason == "closed"
    assert len(server.requests) == 2


async def test_after_a_failed_poll_a_fresh_connection_is_made() -> None:
    async with ScriptedServer([Answer(status=500), Answer()]) as server, fetching(server.url) as fetcher:
        await failure_of(fetcher)
        await server.until_left()
        await fetcher.fetch()

    assert [request.connection for request in server.requests] == [1, 2]


async def test_a_target_that_comes_back_on_its_port_is_read_again() -> None:
    async with ScriptedServer(Answer()) as server, fetching(server.url) as fetcher:
        await fetcher.fetch()
        await server.__aexit__(None, None, None)
        down = await failure_of(fetcher)
        async with server:
            await fetcher.fetch()

    assert down.reason == "connect"


async def test_a_unix_socket_is_spoken_to_and_kept(tmp_path: Path) -> None:
    server = ScriptedServer(Answer(PAGE), path=tmp_path / "app.sock")
    async with server, fetching(f"{server.url}:/debug/vars?x=1", username="user") as fetcher:
        await fetcher.fetch()
        assert (await fetcher.fetch()).body == PAGE

    assert [request.path for request in server.requests] == ["/debug/vars?x=1"] * 2
    assert server.requests[0].headers["host"] == "localhost"
    assert "authorization" in server.requests[0].headers
    assert server.connections == 1


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_ipv6_is_spoken() -> None:
    async with ScriptedServer(Answer(PAGE), host="::1") as server:
        assert (await fetch_once(server.url)).body == PAGE

    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"
