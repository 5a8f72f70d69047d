"""Which way is taken, and how the lean one gives way to httpx."""

from __future__ import annotations

import pytest

from expvastic.clients.fetch import Fetcher
from expvastic.clients.lean import LeanFetcher
from expvastic.clients.paths import make_fetcher, why_httpx
from fetching import fail_once, fetching, settings_of
from scripted_http import Answer, Request, ScriptedServer

pytestmark = [
    pytest.mark.usefixtures("way"),
    pytest.mark.parametrize("way", ["lean", "lean on uvloop"], indirect=True),
]


@pytest.mark.parametrize(
    ("settings", "method", "reason"),
    [
        ({}, "GET", ""),
        ({"follow_redirects": True, "username": "user", "headers": {"x": "y"}, "verify": False}, "GET", ""),
        ({"proxy": "http://proxy:3128"}, "GET", "it goes through a proxy"),
        ({"proxy": "environment"}, "GET", "it goes through a proxy"),
        ({}, "POST", "its method is POST"),
    ],
)
def test_the_lean_way_is_taken_unless_it_cannot_do_what_is_asked(
    settings: dict[str, object], method: str, reason: str
) -> None:
    asked = settings_of("host", **settings)

    assert why_httpx(asked, method) == reason
    assert isinstance(make_fetcher(asked, method), Fetcher if reason else LeanFetcher)


async def test_while_a_page_is_behind_a_redirect_httpx_fetches_it() -> None:
    moved = Answer(status=302, headers={"location": "/there"})

    def respond(request: Request) -> Answer:
        return moved if is_moved and request.path == "/" else Answer("page")

    async with ScriptedServer(respond) as server, fetching(server.url) as fetcher:
        is_moved = True
        assert [(await fetcher.fetch()).body for _ in range(2)] == [b"page"] * 2
        assert [request.path for request in server.requests] == ["/", "/", "/there", "/", "/there"]
        is_moved = False
        assert [(await fetcher.fetch()).body for _ in range(3)] == [b"page"] * 3

    over_httpx, first, second = [request.connection for request in server.requests[-3:]]
    assert over_httpx < first == second


async def test_a_redirect_that_may_not_be_followed_is_not_asked_about_twice() -> None:
    async with ScriptedServer(Answer(status=302, headers={"location": "/there"})) as server:
        error = await fail_once(server.url, follow_redirects=False)

    assert error.reason == "redirect"
    assert len(server.requests) == 1
