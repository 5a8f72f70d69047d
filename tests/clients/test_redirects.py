"""Redirects: how far they are followed, and that nothing of ours goes where it was not meant to go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from certificates import Authority
from fetching import fail_once, failure_of, fetch_once, fetching, posting
from scripted_http import Answer, AnyAnswer, Request, ScriptedServer

pytestmark = pytest.mark.usefixtures("way")

SECRETS = [
    {"username": "user", "password": "s3cret"},
    {"bearer_token": "s3cret"},
    {"headers": {"X-Api-Key": "s3cret", "Cookie": "session=s3cret"}},
]


def to(location: str, status: int = 302) -> Answer:
    return Answer("moved", status=status, headers={"location": location})


def by_path(answers: Mapping[str, AnyAnswer]) -> Callable[[Request], AnyAnswer]:
    return lambda request: answers[request.path]


def asked_before(way: str) -> int:
    """How often the target is asked before httpx, which alone follows redirects, takes over."""
    return 0 if way == "httpx" else 1


def shows_a_secret(request: Request) -> bool:
    return any("s3cret" in value or "dXNlcjpzM2NyZXQ=" in value for value in request.headers.values())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["/there?x=1", "there?x=1", "./a/../there?x=1"])
async def test_a_redirect_on_the_same_server_is_followed(status: int, location: str) -> None:
    async with ScriptedServer(by_path({"/": to(location, status), "/there?x=1": Answer('{"a": 1}')})) as server:
        assert (await fetch_once(server.url)).body == b'{"a": 1}'


@pytest.mark.parametrize("settings", SECRETS)
async def test_on_the_same_server_credentials_go_along(settings: dict[str, object], way: str) -> None:
    answers = {"/": to("/there"), "/there": Answer()}
    async with ScriptedServer(by_path(answers)) as server:
        await fetch_once(server.url, **settings)

    assert [shows_a_secret(request) for request in server.requests[asked_before(way) :]] == [True, True]


@pytest.mark.parametrize("settings", SECRETS)
async def test_to_another_port_of_the_host_nothing_that_was_configured_goes_along(settings: dict[str, object]) -> None:
    async with ScriptedServer(Answer('{"a": 1}')) as second, ScriptedServer(to(f"{second.url}/there")) as first:
        fetched = await fetch_once(first.url, **settings)

    assert fetched.body == b'{"a": 1}'
    assert shows_a_secret(first.requests[0])
    assert second.requests[0].headers == {
        "host": second.endpoint,
        "accept": "application/json, */*;q=0.5",
        "accept-encoding": "gzip",
        "user-agent": "expvastic",
    }


@pytest.mark.parametrize("settings", SECRETS)
async def test_to_another_scheme_nothing_that_was_configured_goes_along(
    settings: dict[str, object], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with (
        ScriptedServer(Answer('{"a": 1}'), tls=authority.server()) as second,
        ScriptedServer(to(f"{second.url}/there")) as first,
    ):
        fetched = await fetch_once(first.url, ca_file=authority.ca_file, **settings)

    assert fetched.body == b'{"a": 1}'
    assert [shows_a_secret(request) for request in second.requests] == [False]


@pytest.mark.parametrize("settings", SECRETS)
async def test_down_to_clear_text_nothing_that_was_configured_goes_along(
    settings: dict[str, object], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with (
        ScriptedServer(Answer()) as second,
        ScriptedServer(to(f"{second.url}/there"), tls=authority.server()) as first,
    ):
        await fetch_once(first.url, ca_file=authority.ca_file, **settings)

    assert [shows_a_secret(request) for request in second.requests] == [False]


@pytest.mark.parametrize("settings", SECRETS)
async def test_to_another_host_nothing_that_was_configured_goes_along(settings: dict[str, object]) -> None:
    async with (
        ScriptedServer(Answer('{"a": 1}')) as second,
        ScriptedServer(to(f"http://localhost:{second.port}/there")) as first,
    ):
        fetched = await fetch_once(first.url, follow_redirects=True, **settings)

    assert fetched.body == b'{"a": 1}'
    assert [shows_a_secret(request) for request in second.requests] == [False]


async def test_credentials_do_not_come_back_with_a_redirect_that_comes_back(way: str) -> None:
    locations: dict[str, AnyAnswer] = {"/back": Answer()}
    async with ScriptedServer(by_path(locations)) as first, ScriptedServer(by_path(locations)) as second:
        locations |= {"/": to(f"{second.url}/away"), "/away": to(f"{first.url}/back")}
        await fetch_once(first.url, bearer_token="s3cret")

    assert [shows_a_secret(request) for request in first.requests[asked_before(way) :]] == [True, False]


async def test_our_certificate_is_not_shown_to_another_server(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert_file, key_file = authority.client_files()
    settings = {"ca_file": authority.ca_file, "cert_file": cert_file, "key_file": key_file}
    async with (
        ScriptedServer(Answer(), tls=authority.server(wants_client=True)) as second,
        ScriptedServer(to(second.url), tls=authority.server(wants_client=True)) as first,
    ):
        await fetch_once(second.url, **settings)
        error = await fail_once(first.url, **settings)

    assert error.reason in ("tls", "closed")
    assert len(second.requests) == 1


async def test_another_host_is_not_gone_to_unless_asked_for() -> None:
    async with (
        ScriptedServer(Answer()) as second,
        ScriptedServer(to(f"http://user:s3cret@localhost:{second.port}/x?token=s3cret")) as first,
    ):
        error = await fail_once(first.url)

    assert error.reason == "redirect"
    assert f"redirects to http://localhost:{second.port}/x; make that the endpoint" in str(error)
    assert second.requests == []


async def test_no_redirect_is_followed_if_that_is_asked_for() -> None:
    async with ScriptedServer(to("/there")) as server:
        error = await fail_once(server.url, follow_redirects=False)

    assert error.reason == "redirect"
    assert len(server.requests) == 1


async def test_five_redirects_are_followed() -> None:
    answers = {"/": to("/1"), **{f"/{n}": to(f"/{n + 1}") for n in range(1, 5)}, "/5": Answer('{"a": 1}')}
    async with ScriptedServer(by_path(answers)) as server:
        assert (await fetch_once(server.url)).body == b'{"a": 1}'


@pytest.mark.parametrize("location", ["/", "/?again"])
async def test_a_redirect_loop_is_a_failed_poll(location: str, way: str) -> None:
    async with ScriptedServer(to(location)) as server:
        error = await fail_once(server.url)

    assert error.reason == "redirect"
    assert "more than 5 redirects" in str(error)
    assert len(server.requests) - asked_before(way) == 6


@pytest.mark.parametrize(
    "location",
    [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "unix:///run/docker.sock:/x",
        "javascript:alert(1)",
        "127.0.0.1:80",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:1/\x1b[31m",
        "http://a..b/",
        "http://" + "a" * 300,
        "http://b\xfccher/",
    ],
)
async def test_a_redirect_to_what_is_no_http_address_is_a_failed_poll(location: str, way: str) -> None:
    async with ScriptedServer(to(location)) as server:
        error = await fail_once(server.url, follow_redirects=True)

    assert error.reason in ("redirect", "protocol")


async def test_a_redirect_without_location_is_a_bad_status() -> None:
    async with ScriptedServer(Answer(status=302)) as server:
        assert (await fail_once(server.url)).reason == "status"


async def test_a_refusal_behind_a_redirect_says_where_credentials_were_not_sent() -> None:
    async with ScriptedServer(Answer(status=401)) as second, ScriptedServer(to(f"{second.url}/x?y")) as first:
        error = await fail_once(first.url, bearer_token="s3cret")

    assert error.reason == "status"
    assert f"answered 401 behind a redirect to {second.url}/x, where no credentials are sent" in str(error)


async def test_the_connection_to_another_server_is_closed_after_the_poll() -> None:
    async with (
        ScriptedServer(Answer()) as second,
        ScriptedServer(to(second.url)) as first,
        fetching(first.url) as fetcher,
    ):
        await fetcher.fetch()
        await second.until_left()
        await fetcher.fetch()

    assert [request.connection for request in second.requests] == [1, 2]


async def test_from_a_unix_socket_a_redirect_stays_on_it(tmp_path: Path) -> None:
    answers = {"/": to("/there"), "/there": to("http://localhost/here"), "/here": Answer('{"a": 1}')}
    async with ScriptedServer(by_path(answers), path=tmp_path / "app.sock") as server:
        assert (await fetch_once(server.url)).body == b'{"a": 1}'


async def test_from_a_unix_socket_no_redirect_leads_to_the_network_by_itself(tmp_path: Path) -> None:
    async with ScriptedServer(Answer()) as second:
        location = f"http://localhost:{second.port}/"
        async with ScriptedServer(to(location), path=tmp_path / "app.sock") as first:
            error = await fail_once(first.url)

    assert error.reason == "redirect"
    assert second.requests == []


# -- POST --


@pytest.mark.parametrize("status", [307, 308])
async def test_a_post_is_repeated_on_the_same_server(status: int) -> None:
    answers = {"/": to("/there", status), "/there": Answer()}
    async with ScriptedServer(by_path(answers)) as server, posting(server.url, b"question") as fetcher:
        await fetcher.fetch()

    assert [(each.method, each.body) for each in server.requests] == [("POST", b"question")] * 2


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_post_becomes_a_get_without_body_where_http_says_so(status: int) -> None:
    async with (
        ScriptedServer(Answer()) as second,
        ScriptedServer(to(second.url, status)) as first,
        posting(first.url, b"question") as fetcher,
    ):
        await fetcher.fetch()

    [request] = second.requests
    assert (request.method, request.body) == ("GET", b"")
    assert not {"content-type", "content-length"} & set(request.headers)


@pytest.mark.parametrize("status", [307, 308])
async def test_a_post_that_is_sent_on_to_another_server_is_a_failed_poll(status: int) -> None:
    async with (
        ScriptedServer(Answer()) as second,
        ScriptedServer(to(second.url, status)) as first,
        posting(first.url, b"question", follow_redirects=True) as fetcher,
    ):
        error = await failure_of(fetcher)

    assert error.reason == "redirect"
    assert second.requests == []
