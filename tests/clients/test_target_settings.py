"""A target's settings: what cannot be together, and that secrets stay covered."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from expvastic.clients.target import TargetSettings
from expvastic.settings import description_of
from fetching import settings_of


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"routepath": "a b"}, "routepath"),
        ({"username": "a:b"}, "username"),
        ({"username": "a\n"}, "username"),
        ({"password": "s3cret"}, "password needs a username"),
        ({"endpoint": "user@host", "username": "user"}, "user name already"),
        ({"endpoint": "user:s3cret@host", "password": "s3cret"}, "password already"),
        ({"username": "user", "bearer_token": "s3cret"}, "one of username"),
        ({"endpoint": "user:s3cret@host", "bearer_token": "s3cret"}, "one of username"),
        ({"bearer_token": "s3cret", "headers": {"Authorization": "s3cret"}}, "one of username"),
        ({"bearer_token": "s3cret\nx"}, "line break"),
        ({"bearer_token": ""}, "empty"),
        ({"headers": {"X-Key": "s3cret\r\nX-Other: 1"}}, "line break"),
        ({"headers": {"X-Key": "s3cret", "x-key": "s3cret"}}, "x-key twice"),
        ({"headers": {"X Key": "s3cret"}}, "not a header name"),
        ({"headers": {"X-Key:": "s3cret"}}, "not a header name"),
        ({"headers": {"": "s3cret"}}, "not a header name"),
        ({"headers": {"Content-Length": "5"}}, "not yours to set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "not yours to set"),
        ({"endpoint": "unix:///run/a.sock", "ca_file": "x"}, "no TLS"),
        ({"endpoint": "unix:///run/a.sock", "fingerprint": "ab" * 32}, "no TLS"),
        ({"endpoint": "unix:///run/a.sock", "proxy": "http://proxy"}, "no proxy"),
        ({"endpoint": "http://host", "fingerprint": "ab" * 32}, "https"),
        ({"endpoint": "https://host", "fingerprint": "s3cret"}, "64 hexadecimal"),
        ({"key_file": "x"}, "cert_file"),
        ({"proxy": "unix:///run/a.sock"}, "not a proxy"),
        ({"proxy": "http://user:s3cret@proxy/path"}, "not a proxy"),
        ({"proxy": 3128}, "not a proxy"),
        ({"proxy": "http://user:s3cret@:1"}, "host name"),
        ({"follow_redirects": "s3cret"}, "same_host"),
        ({"max_body_bytes": 0}, "larger than zero"),
        ({"endpoint": None}, "endpoint"),
        ({"nonsense": 1}, "not permitted"),
    ],
)
def test_settings_that_cannot_be_are_refused_without_their_secrets(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint) as caught:
        TargetSettings.model_validate({"endpoint": "host", **settings})

    assert caught.value.error_count() == 1
    assert "s3cret" not in str(caught.value)


def test_an_endpoint_is_needed() -> None:
    with pytest.raises(ValidationError, match="endpoint"):
        TargetSettings.model_validate({})


def test_all_that_is_wrong_together_is_said_at_once() -> None:
    with pytest.raises(ValidationError, match=r"a unix socket has no TLS.*; a unix socket has no proxy.*; password"):
        settings_of("unix:///a.sock", ca_file="x", proxy="http://proxy", password="s3cret")


def test_defaults_are_careful() -> None:
    settings = settings_of("host")

    assert settings.verify is True
    assert settings.follow_redirects == "same_host"
    assert settings.proxy is None
    assert settings.max_body_bytes == 10 * 2**20


@pytest.mark.parametrize("follow", [True, False, "same_host"])
def test_redirects_have_three_ways(follow: object) -> None:
    assert settings_of("host", follow_redirects=follow).follow_redirects is follow


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "proxy:3128", "https://user:s3cret@proxy", "http://proxy/"])
def test_a_proxy_is_an_address(proxy: str) -> None:
    settings = settings_of("host", proxy=proxy)

    assert settings.proxy is not None
    assert settings.model_copy().proxy == settings.proxy


def test_nothing_secret_is_shown_or_dumped() -> None:
    settings = settings_of(
        "user:s3cret@host/x?token=s3cret",
        routepath="y",
        headers={"X-Key": "s3cret"},
        proxy="http://user:s3cret@proxy",
    )
    token = settings_of("host", routepath="?token=s3cret", bearer_token="s3cret")

    shown = [repr(each) + str(each) + each.model_dump_json(exclude={"routepath"}) for each in (settings, token)]
    assert "s3cret" not in "".join(shown)


def test_every_key_has_a_description() -> None:
    assert [name for name in TargetSettings.model_fields if not description_of(TargetSettings, name)] == []


def test_away_from_home_nothing_that_was_configured_is_sent() -> None:
    settings = settings_of("user:s3cret@host", headers={"User-Agent": "me", "X-Key": "s3cret"})

    assert dict(settings.request_headers(at_home=False)) == {
        b"accept": b"application/json, */*;q=0.5",
        b"accept-encoding": b"gzip",
        b"user-agent": b"expvastic",
    }
    assert dict(settings.request_headers(at_home=True))[b"x-key"] == b"s3cret"
