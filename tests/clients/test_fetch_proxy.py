"""Fetching through a proxy, and never through one that nobody asked for."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from certificates import Authority
from fetching import fail_once, fetch_once, fetching
from scripted_http import Answer, AnyAnswer, Request, ScriptedServer, Tunnel

pytestmark = pytest.mark.usefixtures("way")

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_a_page_comes_through_a_proxy() -> None:
    async with ScriptedServer(Answer('{"a": 1}')) as proxy, fetching("app.example:1234/x", proxy=proxy.url) as fetcher:
        await fetcher.fetch()
        assert (await fetcher.fetch()).body == b'{"a": 1}'

    assert [request.path for request in proxy.requests] == ["http://app.example:1234/x"] * 2
    assert proxy.requests[0].headers["host"] == "app.example:1234"
    assert proxy.connections == 1


async def test_the_proxy_s_credentials_go_to_it_and_to_nobody_else(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        ScriptedServer(Answer('{"a": 1}'), tls=authority.server()) as target,
        ScriptedServer(Tunnel(target.port)) as proxy,
    ):
        through = f"user:p%40w@{proxy.endpoint}"
        fetched = await fetch_once(target.url, ca_file=authority.ca_file, proxy=through, bearer_token="t0ken")

    assert fetched.body == b'{"a": 1}'
    pair = base64.b64encode(b"user:p@w").decode()
    assert (proxy.requests[0].method, proxy.requests[0].path) == ("CONNECT", target.endpoint)
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {pair}"
    assert "authorization" not in proxy.requests[0].headers
    assert "proxy-authorization" not in target.requests[0].headers


async def test_through_a_tunnel_the_target_s_certificate_counts(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with ScriptedServer(Answer(), tls=authority.server()) as target, ScriptedServer(Tunnel(target.port)) as proxy:
        await fetch_once(target.url, fingerprint=authority.fingerprint, proxy=proxy.url)
        error = await fail_once(target.url, fingerprint="ab" * 32, proxy=proxy.url)

    assert error.reason == "tls"
    assert len(target.requests) == 1


async def test_a_proxy_may_speak_tls_itself(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with ScriptedServer(Answer('{"a": 1}'), tls=authority.server()) as proxy:
        fetched = await fetch_once("app.example", proxy=proxy.url, ca_file=authority.ca_file)

    assert fetched.body == b'{"a": 1}'


async def test_a_proxy_that_is_down_is_said_so() -> None:
    async with ScriptedServer(Answer()) as proxy:
        pass

    error = await fail_once("app.example", proxy=f"user:s3cret@{proxy.endpoint}")

    assert error.reason == "proxy"
    assert (
        str(error)
        == "http://app.example: the proxy cannot be reached: cannot connect (Connection refused); check proxy"
    )


@pytest.mark.parametrize(
    ("endpoint", "answer"),
    [
        ("http://app.example", Answer(status=407)),
        ("https://app.example", Answer(status=407)),
        ("https://app.example", Answer(status=502)),
    ],
)
async def test_a_proxy_that_refuses_is_said_so(endpoint: str, answer: AnyAnswer) -> None:
    async with ScriptedServer(answer) as proxy:
        error = await fail_once(endpoint, proxy=proxy.url)

    assert error.reason == "proxy"


async def test_the_environment_s_proxy_is_not_used_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer(Answer()) as proxy, ScriptedServer(Answer('{"a": 1}')) as target:
        for name in VARIABLES[:3]:
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        fetched = await fetch_once(target.url)

    assert fetched.body == b'{"a": 1}'
    assert proxy.requests == []


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
async def test_the_environment_s_proxy_is_used_if_asked_for(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with ScriptedServer(Answer()) as proxy:
        monkeypatch.setenv(name, proxy.endpoint)
        await fetch_once("app.example", proxy="environment")

    assert proxy.requests[0].path == "http://app.example/"


@pytest.mark.parametrize("exceptions", ["127.0.0.1", "other.example, 127.0.0.1", "*"])
async def test_the_environment_s_exceptions_hold(monkeypatch: pytest.MonkeyPatch, exceptions: str) -> None:
    async with ScriptedServer(Answer()) as proxy, ScriptedServer(Answer()) as target:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", exceptions)
        await fetch_once(target.url, proxy="environment")

    assert (len(proxy.requests), len(target.requests)) == (0, 1)


async def test_without_a_proxy_in_the_environment_the_way_is_direct() -> None:
    async with ScriptedServer(Answer()) as target:
        await fetch_once(target.url, proxy="environment")
    error = await fail_once(target.url, proxy="environment")

    assert error.reason == "connect"


async def test_an_environment_s_proxy_that_cannot_be_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:s3cret@:0")
    error = await fail_once("app.example", proxy="environment")

    assert error.reason == "proxy"
    assert "s3cret" not in str(error)
    assert "http_proxy" in str(error)


async def test_a_redirect_to_another_server_goes_through_the_proxy_too() -> None:
    def respond(request: Request) -> AnyAnswer:
        if request.path == "http://a.example/":
            return Answer(status=302, headers={"location": "http://b.example/there"})
        return Answer('{"a": 1}')

    async with ScriptedServer(respond) as proxy:
        await fetch_once("a.example", proxy=proxy.url, follow_redirects=True, bearer_token="t0ken")

    assert [request.path for request in proxy.requests] == ["http://a.example/", "http://b.example/there"]
    assert ["authorization" in request.headers for request in proxy.requests] == [True, False]
