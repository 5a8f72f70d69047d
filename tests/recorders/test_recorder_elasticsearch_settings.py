"""What an elasticsearch recorder can be told, and what it is told in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from expvastic.config import load
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, ElasticsearchSettings
from expvastic.settings import description_of

FINGERPRINT = "AB:" * 31 + "ab"
SECRET = "secret-4711"


def settings(**given: Any) -> ElasticsearchSettings:
    return ElasticsearchSettings.model_validate({"endpoint": "127.0.0.1:9200", **given})


def destination(**given: Any) -> str:
    return ElasticsearchRecorder(settings(**given)).destination


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, "http://127.0.0.1:9200/metrics-expvastic-default"),
        ({"endpoint": "127.0.0.1:9200", "index_name": "expvastic"}, "http://127.0.0.1:9200/expvastic"),
        ({"endpoint": "http://127.0.0.1:9200/", "index_name": "expvastic"}, "http://127.0.0.1:9200/expvastic"),
        ({"endpoint": "https://gateway/es/", "index_name": "a"}, "https://gateway:443/es/a"),
        ({"endpoint": "HTTPS://me:pw@GATEWAY:443/es", "index_name": "a"}, "https://gateway:443/es/a"),
        ({"endpoint": ["b:1", "a:2", "http://b:1/"], "index_name": "a"}, "http://a:2,http://b:1/a"),
        ({"endpoint": "b:1 a:2", "index_name": "a"}, "http://a:2,http://b:1/a"),
        ({"endpoint": "[::1]:9200", "index_name": "app-%{+yyyy}"}, "http://[::1]:9200/app-%{+yyyy}"),
    ],
)
def test_a_destination_is_spelled_in_one_way_and_without_credentials(given: dict[str, Any], shown: str) -> None:
    assert destination(**given) == shown


@pytest.mark.parametrize(
    ("given", "place", "words"),
    [
        ({"endpoint": ""}, "endpoint", "at least 1 item"),
        ({"endpoint": []}, "endpoint", "at least 1 item"),
        ({"endpoint": "http://"}, "endpoint", "host name"),
        ({"endpoint": "ftp://a"}, "endpoint", "scheme"),
        ({"endpoint": "unix:///run/es.sock"}, "endpoint", "is a unix socket"),
        ({"endpoint": "http://a:9200/?x=1"}, "endpoint", "has a query"),
        ({"index_name": "Upper"}, "index_name", "must be lower case"),
        ({"index_name": ""}, "index_name", "must not be empty"),
        ({"mode": "stream"}, "mode", "auto"),
        ({"username": "me"}, "", "one of them is missing"),
        ({"username": "", "password": SECRET}, "username", "must not be empty"),
        ({"username": "me:too", "password": SECRET}, "username", "nor hold a colon"),
        ({"password": SECRET}, "", "one of them is missing"),
        ({"endpoint": f"http://:{SECRET}@a:9200"}, "endpoint", "user name"),
        ({"endpoint": "http://me@a:9200"}, "", "one of them is missing"),
        ({"endpoint": f"http://me:{SECRET}@a:1 http://me:other@b:1"}, "", "more than one username or password"),
        ({"endpoint": f"http://me:{SECRET}@a:1", "username": "me", "password": "x"}, "", "more than one username"),
        ({"username": "me", "password": SECRET, "api_key": "id:key"}, "", "give one of"),
        ({"api_key": "id:key", "bearer_token": SECRET}, "", "give one of"),
        ({"api_key": ""}, "api_key", "one word of printable ASCII"),
        ({"api_key": f"{SECRET}\r\nx: y"}, "api_key", "one word of printable ASCII"),
        ({"api_key": SECRET}, "api_key", "base64 of id:key"),
        ({"bearer_token": f"{SECRET}\n"}, "bearer_token", "one word of printable ASCII"),
        ({"bearer_token": "é"}, "bearer_token", "one word of printable ASCII"),
        ({"ca_file": "ca.pem"}, "", "no endpoint begins with https://"),
        ({"fingerprint": FINGERPRINT}, "", "no endpoint begins with https://"),
        ({"endpoint": "https://a", "fingerprint": "abc"}, "fingerprint", "64 hexadecimal digits"),
        ({"endpoint": "https://a", "key_file": "key.pem"}, "", "needs a cert_file"),
        ({"proxy": "http://proxy:3128/path"}, "proxy", "not a proxy"),
        ({"indx_name": "a"}, "indx_name", "Extra inputs"),
    ],
)
def test_what_cannot_work_is_one_complaint_without_secrets(given: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(**given)

    [complaint] = raised.value.errors()
    assert ".".join(map(str, complaint["loc"])).startswith(place)
    assert words in complaint["msg"]
    assert SECRET not in str(raised.value)


def test_credentials_may_stand_in_one_endpoint_of_several_or_in_all() -> None:
    for endpoint in ("http://me:pw@a:1 http://b:1", "http://me:pw@a:1 http://me:pw@b:1"):
        assert settings(endpoint=endpoint).basic_auth == ("me", "pw")
    assert settings(username="me", password="pw").basic_auth == ("me", "pw")
    assert settings().basic_auth is None


def test_no_secret_is_in_any_spelling_of_the_settings() -> None:
    given = settings(endpoint=f"http://me:{SECRET}@a:1", proxy=f"http://you:{SECRET}@b:1")

    for text in (repr(given), str(given), given.model_dump_json(), repr(given.model_dump()), given.address):
        assert SECRET not in text


def test_every_key_has_a_description() -> None:
    keys = ElasticsearchSettings.model_fields

    assert [name for name in keys if not description_of(ElasticsearchSettings, name)] == []
    assert {"endpoint", "index_name", "mode", "manage_template", "compress", "pipeline", "fingerprint"} <= set(keys)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"index_name": "app"}, []),
        ({"index_name": ".app"}, ["begins with a dot: such indices are hidden"]),
        ({"index_name": "metrics-expvastic.%{service.name}-default"}, []),
        (
            {"index_name": "metrics-%{service.name}-default"},
            ["for all of metrics-*-default, streams of other programs"],
        ),
        ({"index_name": "metrics-%{service.name}-default", "manage_template": False}, []),
    ],
)
def test_what_is_allowed_and_seldom_meant_is_remarked_on(given: dict[str, Any], words: list[str]) -> None:
    remarks = list(settings(**given).remarks())

    assert [key for key, _ in remarks] == ["index_name"] * len(words)
    assert all(word in message for word, (_, message) in zip(words, remarks, strict=True))


def test_a_remark_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "expvastic.yml"
    path.write_text(
        "readers: {app: {type: expvar, endpoint: localhost}}\n"
        "recorders:\n"
        "  es:\n"
        "    type: elasticsearch\n"
        "    endpoint: localhost:9200\n"
        "    INDEX_NAME: .app\n"
        "routes: {all: {readers: [app], recorders: [es]}}\n"
    )

    [remark] = load(path).remarks
    assert remark.where.endswith(":6 recorders.es.index_name")
