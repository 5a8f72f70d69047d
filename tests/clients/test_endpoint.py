"""Endpoints: every spelling that people use, and one line for those that cannot be."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from expvastic.clients.endpoint import Endpoint, EndpointText, parse_endpoint


@pytest.mark.parametrize(
    ("text", "url", "address"),
    [
        ("localhost:1234/debug/vars", "http://localhost:1234/debug/vars", "http://localhost:1234/debug/vars"),
        ("myhost", "http://myhost/", "http://myhost"),
        ("  myhost ", "http://myhost/", "http://myhost"),
        ("my_host.:81", "http://my_host.:81/", "http://my_host.:81"),
        ("127.0.0.1:9200", "http://127.0.0.1:9200/", "http://127.0.0.1:9200"),
        ("http://myhost/debug/vars/", "http://myhost/debug/vars/", "http://myhost/debug/vars/"),
        ("HTTPS://Host.Example:8443/Path", "https://host.example:8443/Path", "https://host.example:8443/Path"),
        ("[::1]:1234/x", "http://[::1]:1234/x", "http://[::1]:1234/x"),
        ("[0:0::1]", "http://[::1]/", "http://[::1]"),
        ("host/x?token=s&a=b", "http://host/x?token=s&a=b", "http://host/x"),
        ("host?token=s", "http://host/?token=s", "http://host/"),
        ("host/x#part", "http://host/x", "http://host/x"),
        ("host/%2F/ü", "http://host/%2F/%C3%BC", "http://host/%2F/%C3%BC"),
        ("user:pw@host:1/x", "http://host:1/x", "http://host:1/x"),
        ("unix:///run/app.sock", "http://localhost/", "unix:///run/app.sock"),
        ("unix:///run/app.sock:/debug/vars", "http://localhost/debug/vars", "unix:///run/app.sock:/debug/vars"),
        ("unix:///run/app.sock:/v?token=s", "http://localhost/v?token=s", "unix:///run/app.sock:/v"),
    ],
)
def test_spellings_that_are_understood(text: str, url: str, address: str) -> None:
    endpoint = parse_endpoint(text)

    assert (endpoint.url, endpoint.address) == (url, address)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is empty"),
        ("http://", "host name"),
        ("http:///path", "host name"),
        ("//host", "host name"),
        ("-host", "host name"),
        ("a..b", "host name"),
        ("bücher.example", "host name"),
        (f"{'a' * 64}.example", "host name"),
        (".".join(["a" * 60] * 5), "host name"),
        ("ftp://host", "scheme"),
        ("host name", "blank"),
        ("host/a\nb", "control character"),
        ("host\\path", "backslash"),
        ("host:", "port"),
        ("host:0", "port"),
        ("host:65536", "port"),
        ("host:12345678901", "port"),
        ("host:１２", "port"),
        ("http:host", "port"),
        ("::1:1234", "brackets"),
        ("[::1", "more than one colon"),
        ("[1.2.3.4]:1", "IPv6"),
        ("[::1]x", "more than one colon"),
        ("9200", "ends in a number"),
        ("300.1.1.1", "ends in a number"),
        (":pw@host", "user name"),
        ("%0Auser@host", "user name"),
        ("unix:/run/app.sock", "unix socket"),
        ("unix://run/app.sock", "unix socket"),
        ("unix:///run/app.sock?x", "unix socket"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_says_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as caught:
        parse_endpoint(text)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["user:s3cret/x@host", "user:s3#cret@host", "user:s3 cret@host", "user:s3?cret@host"])
def test_a_password_that_was_not_encoded_is_neither_taken_for_a_path_nor_repeated(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_endpoint(text)

    assert "cret" not in str(caught.value)


def test_a_number_as_password_before_a_slash_is_not_taken_for_a_port() -> None:
    with pytest.raises(ValueError, match="%2F"):
        parse_endpoint("user:123/45@host")


def test_credentials_are_moved_out_of_the_address_and_decoded() -> None:
    endpoint = parse_endpoint("https://us%20er:p%40w:x@host")

    assert endpoint.username == "us er"
    assert endpoint.password == SecretStr("p@w:x")


def test_a_user_without_password_has_none() -> None:
    endpoint = parse_endpoint("user@host")

    assert (endpoint.username, endpoint.password) == ("user", None)


def test_neither_repr_nor_str_shows_password_or_query() -> None:
    endpoint = parse_endpoint("user:s3cret@host/x?token=s3cret")

    assert "s3cret" not in f"{endpoint!r}{endpoint}"


@pytest.mark.parametrize(
    ("endpoint", "routepath", "url"),
    [
        ("host:1", "debug/vars", "http://host:1/debug/vars"),
        ("host:1/", "/debug/vars", "http://host:1/debug/vars"),
        ("host/a", "b/", "http://host/a/b/"),
        ("host/a//", "//b", "http://host/a/b"),
        ("host/a/", "", "http://host/a/"),
        ("host/a", "/", "http://host/a/"),
        ("host/a", "b?x=1&y=/", "http://host/a/b?x=1&y=/"),
        ("host/a?x=1", "b/", "http://host/a/b/?x=1"),
        ("host/a", "?x=1", "http://host/a?x=1"),
        ("host", "?x=1", "http://host/?x=1"),
        ("host", "ü#part", "http://host/%C3%BC"),
        ("unix:///run/a.sock", "debug/vars", "http://localhost/debug/vars"),
    ],
)
def test_a_routepath_is_joined_with_one_slash_and_keeps_query_and_last_slash(
    endpoint: str, routepath: str, url: str
) -> None:
    assert parse_endpoint(endpoint).join(routepath).url == url


@pytest.mark.parametrize(("endpoint", "routepath"), [("host?a=1", "b?c=2"), ("host", "a b"), ("host", "a\r\nb")])
def test_a_routepath_that_cannot_be_joined_is_refused(endpoint: str, routepath: str) -> None:
    with pytest.raises(ValueError, match="routepath"):
        parse_endpoint(endpoint).join(routepath)


def test_origins_are_equal_where_only_the_default_port_is_left_out() -> None:
    assert parse_endpoint("http://host:80/a").origin == parse_endpoint("host/b").origin
    assert parse_endpoint("https://host").origin == ("https", "host", 443)
    assert parse_endpoint("https://host").origin != parse_endpoint("http://host").origin


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("localhost", True),
        ("app.localhost:1", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("unix:///run/a.sock", True),
        ("10.0.0.1", False),
        ("host", False),
    ],
)
def test_loopback_is_what_stays_on_this_machine(text: str, is_loopback: bool) -> None:
    assert parse_endpoint(text).is_loopback is is_loopback


class _Settings(BaseModel):
    endpoint: EndpointText


def test_as_a_settings_type_it_takes_text_and_endpoints_and_is_text_in_schema_and_dump() -> None:
    settings = _Settings(endpoint=parse_endpoint("user:s3cret@host/x"))

    assert _Settings.model_validate({"endpoint": "user:s3cret@host/x"}) == settings
    assert settings.model_dump() == {"endpoint": "http://host/x"}
    assert _Settings.model_json_schema()["properties"]["endpoint"]["type"] == "string"


@pytest.mark.parametrize("value", [1, None, ["host"], "host:0"])
def test_as_a_settings_type_it_complains_of_anything_else(value: object) -> None:
    with pytest.raises(ValidationError, match="endpoint"):
        _Settings.model_validate({"endpoint": value})


def test_endpoints_can_be_keys() -> None:
    assert len({parse_endpoint("u:p@host"), parse_endpoint("http://u:p@host"), Endpoint("http", "host")}) == 2
