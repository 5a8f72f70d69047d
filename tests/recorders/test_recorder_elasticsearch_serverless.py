"""Elasticsearch Serverless: it refuses much that other clusters take, and nothing that it refuses is asked of it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import pytest
from fake_cluster import FakeCluster, error, make_recorder

from expvastic.recorder import Outcome
from samples import make_containers
from scripted_http import Answer, AnyAnswer, Request, ScriptedServer

KEY = "aWQ6a2V5"
# What Serverless has of all that a recorder might ask, and the query parameters that go with it.
OPEN = {
    r"GET /": set[str](),
    r"POST /_bulk": {"filter_path", "pipeline", "refresh", "require_data_stream"},
    r"GET /_resolve/index/[^/]+": {"expand_wildcards", "filter_path"},
    r"(GET|PUT|POST) /_(index|component)_template/[^/]+": {"create", "filter_path"},
    r"POST /_index_template/_simulate(_index)?/[^/]+": {"filter_path"},
    r"POST /[^/_][^/]*/_mget": {"_source", "filter_path"},
    r"POST /[^/_][^/]*/_refresh": {"ignore_unavailable"},
    r"POST /[^/_][^/]*/_search": {"ignore_unavailable", "filter_path"},
}


class Serverless(FakeCluster):
    """Takes an API key and no other credentials; has no policies, nodes, shards or replicas."""

    def __init__(self) -> None:
        super().__init__()
        self.root = {"version": {"number": "8.11.0", "build_flavor": "serverless"}}
        self.refused: list[str] = []

    def __call__(self, request: Request) -> AnyAnswer:
        if request.headers.get("authorization") != f"ApiKey {KEY}":
            return error(401, "security_exception", "only API keys are taken here")
        path, _, query = request.path.partition("?")
        allowed = [names for way, names in OPEN.items() if re.fullmatch(way, f"{request.method} {path}")]
        has_setting = re.search(rb"number_of_(shards|replicas)|lifecycle\.name|routing\.allocation", request.body)
        if not allowed or {name for name, _ in parse_qsl(query)} - allowed[0] or has_setting:
            self.refused.append(f"{request.method} {request.path}")
            return error(410, "api_not_available_exception", "not available when running in serverless mode")
        if path.endswith("/_search"):
            return Answer({"_shards": {"failed": 0}, "aggregations": {"minutes": {"buckets": []}}})
        return super().__call__(request)


@pytest.mark.parametrize(
    "settings", [{}, {"index_name": "app-%{service.name}-%{+yyyy.MM}"}, {"mode": "index", "compress": True}]
)
async def test_nothing_is_asked_that_serverless_does_not_have(settings: dict[str, object]) -> None:
    cluster = Serverless()
    async with (
        ScriptedServer(cluster) as server,
        make_recorder(server.url, api_key=KEY, **settings) as recorder,
    ):
        verdicts = await recorder.record(make_containers(3))
        found = await recorder.find(make_containers(3))
        counts = await recorder.count_by_minute("agent", 0, 1)

    assert cluster.refused == []
    assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}
    assert (found, counts) == ([False] * 3, {})
    assert len(cluster.documents) == 3
