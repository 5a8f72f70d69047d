"""Real nodes whose data stream rolls over between two tries: one document stays one."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections import Counter

import pytest
from fake_cluster import make_recorder

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from real_nodes import Node
from samples import make_container, make_containers
from scripted_http import RESET, Answer, AnyAnswer, Request, ScriptedServer

STREAM = "metrics-expvastic-default"
PLAIN = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}


def assert_each_is_there_once(node: Node, batch: list[Container]) -> None:
    assert Counter(hit["_id"] for hit in node.documents(STREAM)) == Counter(container.id for container in batch)


class Relay:
    """Passes requests on to a node; the answer to the next bulk is swallowed if ``swallows`` says so."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.swallows = False

    async def __call__(self, request: Request) -> AnyAnswer:
        answer = await asyncio.to_thread(self._pass_on, request)
        if self.swallows and request.path.startswith("/_bulk"):
            self.swallows = False
            return RESET
        return answer

    def _pass_on(self, request: Request) -> Answer:
        headers = {"Content-Type": request.headers.get("content-type", "application/json")}
        url = self.node.url + request.path
        passed = urllib.request.Request(url, request.body or None, headers, method=request.method)
        try:
            with urllib.request.urlopen(passed, timeout=30) as answer:
                return Answer(answer.read(), answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.read(), error.code)


async def test_an_answer_that_is_lost_before_a_rollover_leaves_one_document(real_node: Node) -> None:
    relay = Relay(real_node)
    first, written, unwritten = make_containers(1), make_containers(20, first=1), make_containers(5, first=21)

    async with ScriptedServer(relay) as server, make_recorder(server.url) as recorder:
        await recorder.record(first)
        relay.swallows = True
        with pytest.raises(RecordError) as raised:
            await recorder.record(written)
        before = await recorder.find(written)
        real_node.call("POST", f"/{STREAM}/_rollover")
        found = await recorder.find([*written, *unwritten])
        verdicts = await recorder.record(unwritten)
        real_node.call("POST", f"/{STREAM}/_rollover")
        later = await recorder.find([*first, *written, *unwritten, make_container(99)])

    assert raised.value.in_doubt
    assert before == [False] * 20, "the create itself finds them"
    assert found == [True] * 20 + [False] * 5
    assert {verdict.outcome for verdict in verdicts} == {Outcome.RECORDED}
    assert later == [True] * 26 + [False]
    assert_each_is_there_once(real_node, first + written + unwritten)


async def test_an_index_is_not_searched(real_node: Node) -> None:
    real_node.call("PUT", "/plain", PLAIN)
    batch = make_containers(3)

    async with make_recorder(real_node.url, index_name="plain") as recorder:
        before = await recorder.find(batch)
        await recorder.record(batch)
        after = await recorder.find(batch)
        again = await recorder.record(batch)

    assert before == after == [False] * 3
    assert {verdict.outcome for verdict in again} == {Outcome.DUPLICATE}
