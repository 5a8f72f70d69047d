"""Amazon OpenSearch: every request is signed as it is sent, with credentials that are good now."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aws_signature import canonical_request, parse_authorization, signature
from fake_cluster import FakeCluster, body_of, error, make_recorder
from pydantic import ValidationError

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchSettings
from expvastic.recorders.elasticsearch.aws import spell_query
from samples import make_container, make_containers
from scripted_http import Answer, AnyAnswer, Request, ScriptedServer

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AWS = {"region": "eu-central-1"}
NOTHING = hashlib.sha256(b"").hexdigest()
signs = pytest.mark.skipif(importlib.util.find_spec("botocore") is None, reason="the extra aws is not installed")


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of this test alone: no machine's own files, role or environment."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)


class Domain(FakeCluster):
    """Takes nothing that is not signed with one of its secrets."""

    def __init__(self, service: str = "es", **secrets: str) -> None:
        super().__init__("opensearch")
        self.service = service
        self.secrets = secrets or {KEY: SECRET}
        self.keys: list[str] = []
        self.signed: list[str] = []
        self.seen: list[Request] = []

    def __call__(self, request: Request) -> AnyAnswer:
        self.seen.append(request)
        said = parse_authorization(request.headers["authorization"])
        body_hash = hashlib.sha256(request.body).hexdigest()
        time = request.headers["x-amz-date"]
        canonical = canonical_request(request.method, request.path, request.headers, said["signed"], body_hash)
        is_good = (
            request.headers["x-amz-content-sha256"] == body_hash
            and said["scope"] == f"{time[:8]}/eu-central-1/{self.service}/aws4_request"
            and said["key"] in self.secrets
            and said["signature"] == signature(canonical, self.secrets[said["key"]], time, said["scope"])
        )
        if not is_good:
            return error(403, "security_exception", "The request signature we calculated does not match")
        self.keys.append(said["key"])
        self.signed = said["signed"].split(";")
        if "/_search?" in request.path:
            return Answer({"_shards": {"failed": 0}, "aggregations": {"minutes": {"buckets": []}}})
        return super().__call__(dataclasses.replace(request, path=request.path.removeprefix("/a%20b/c")))


@pytest.fixture
def domain() -> Domain:
    return Domain()


@pytest.fixture
async def server(domain: Domain) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(domain) as server:
        yield server


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)
def test_the_server_of_these_tests_computes_what_aws_publishes(method: str, target: str, expected: str) -> None:
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}

    canonical = canonical_request(method, target, headers, "host;x-amz-date", NOTHING)

    assert signature(canonical, SECRET, "20150830T123600Z", "20150830/us-east-1/service/aws4_request") == expected


@signs
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"compress": True},
        {"index_name": "app-50%-%{service.name}-%{+yyyy.MM.dd}"},
        {"index_name": "app~é%25", "pipeline": "a b/c+d%&=*~é"},
        {"mode": "index"},
    ],
)
async def test_every_request_is_signed_as_it_is_sent(
    domain: Domain, server: ScriptedServer, given: dict[str, Any]
) -> None:
    async with make_recorder(f"{server.url}/a%20b/c/", aws=AWS, **given) as recorder:
        verdicts = await recorder.record(make_containers(2))
        await recorder.find(make_containers(2))
        await recorder.count_by_minute("agent", 0, 1)

    assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}
    assert len(domain.keys) == len(domain.seen) >= 4
    assert set(domain.signed) == {"host", "x-amz-content-sha256", "x-amz-date"}
    assert all(request.path.startswith("/a%20b/c/") for request in domain.seen)


@signs
async def test_a_compressed_bulk_is_recorded(domain: Domain, server: ScriptedServer) -> None:
    async with make_recorder(server.url, aws=AWS, compress=True) as recorder:
        await recorder.record(make_containers(2))

    [bulk] = [request for request in domain.seen if request.path.startswith("/_bulk")]
    assert bulk.headers["content-encoding"] == "gzip"
    assert body_of(bulk).count(b"\n") == 4
    assert len(domain.documents) == 2


@signs
async def test_a_wrong_secret_drops_the_recorder(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")

    async with make_recorder(server.url, aws=AWS, manage_template=False) as recorder:
        with pytest.raises(RecorderLost, match="signature we calculated does not match") as raised:
            await recorder.record(make_containers(1))

    assert "another" not in str(raised.value)


@signs
async def test_a_session_s_token_is_sent_and_signed(
    domain: Domain, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-4711")

    async with make_recorder(server.url, aws=AWS) as recorder:
        await recorder.record(make_containers(1))

    assert "x-amz-security-token" in domain.signed
    assert domain.seen[-1].headers["x-amz-security-token"] == "token-4711"


@signs
async def test_credentials_that_expire_are_renewed(
    server: ScriptedServer, domain: Domain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "credentials"
    program.write_text(
        f"#!{sys.executable}\n"
        "import datetime, json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = len(count.read_text()) if count.exists() else 0\n"
        "count.write_text('x' * (number + 1))\n"
        "soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': f'secret{number}',"
        " 'SessionToken': 'token', 'Expiration': soon.isoformat()}))\n"
    )
    program.chmod(stat.S_IRWXU)
    (tmp_path / "AWS_CONFIG_FILE").write_text(f"[profile mine]\ncredential_process = {program}\n")
    domain.secrets = {f"KEY{number}": f"secret{number}" for number in range(20)}

    async with make_recorder(server.url, aws={**AWS, "profile": "mine"}) as recorder:
        await recorder.record(make_containers(1))
        await recorder.record([make_container(2)])

    assert len(set(domain.keys)) >= 2
    assert len(domain.documents) == 2


@signs
@pytest.mark.parametrize(("profile", "words"), [(None, "no credentials were found to sign with"), ("nobody", "nobody")])
async def test_without_credentials_nothing_is_sent(
    domain: Domain, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, profile: str | None, words: str
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(RecordError, match=words) as raised:
        await make_recorder(server.url, aws={**AWS, "profile": profile}).__aenter__()

    assert raised.value.in_doubt is False
    assert str(raised.value).startswith(f"{server.url}: aws: ")
    assert "\n" not in str(raised.value)
    assert domain.seen == []


@signs
async def test_a_serverless_collection_need_not_say_what_it_is_and_gets_an_index() -> None:
    collection = Domain("aoss")
    collection.faults["GET /"] = [Answer("", 404)]

    async with ScriptedServer(collection) as server:
        recorder = make_recorder(server.url, aws={**AWS, "service": "aoss"})
        async with recorder:
            verdicts = await recorder.record(make_containers(2))

    [template] = collection.templates.values()
    assert "data_stream" not in template
    assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}


@signs
async def test_a_domain_without_a_root_is_none(domain: Domain, server: ScriptedServer) -> None:
    domain.faults["GET /"] = [Answer("", 404)]

    with pytest.raises(RecordError, match="is the path of the endpoint right"):
        await make_recorder(server.url, aws=AWS).__aenter__()


@pytest.mark.parametrize(
    ("target", "spelled"),
    [
        ("/a", "/a"),
        ("/a%2a*?", "/a%2a*?"),
        (
            "/_bulk?filter_path=errors,items.*.status&a=%7e%2f b",
            "/_bulk?a=~%2F%20b&filter_path=errors%2Citems.%2A.status",
        ),
        ("/a?pretty&b=2&b=1", "/a?b=1&b=2&pretty="),
    ],
)
def test_a_query_has_one_spelling(target: str, spelled: str) -> None:
    assert spell_query(target) == spelled


@signs
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"aws": {}}, "Field required"),
        ({"aws": {"region": ""}}, "pattern"),
        ({"aws": {**AWS, "service": "s3"}}, "'es' or 'aoss'"),
        ({"aws": AWS, "api_key": "id:key"}, "give one of"),
        ({"aws": AWS, "username": "me", "password": "pw"}, "give one of"),
        ({"aws": {**AWS, "service": "aoss"}, "mode": "data_stream"}, "has no data streams; write mode: index"),
    ],
)
def test_what_cannot_work_is_one_complaint(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ElasticsearchSettings.model_validate({"endpoint": "https://a", **given})

    [complaint] = raised.value.errors()
    assert words in complaint["msg"]


def test_without_the_library_it_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)

    with pytest.raises(ValidationError) as raised:
        ElasticsearchSettings.model_validate({"endpoint": "https://a", "aws": AWS})

    [complaint] = raised.value.errors()
    assert complaint["loc"] == ("aws",)
    assert "needs the library botocore, which is not there; install expvastic[aws]" in complaint["msg"]


def test_whoever_does_not_sign_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)

    assert ElasticsearchSettings.model_validate({"endpoint": "https://a"}).aws is None
