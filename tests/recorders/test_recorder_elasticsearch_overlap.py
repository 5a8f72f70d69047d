"""Several batches under way at once: each has its connection, and what befalls one befalls no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest
from fake_cluster import FakeCluster, body_of, error, make_recorder

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, wire
from samples import make_container, make_containers
from scripted_http import RESET, Answer, AnyAnswer, Request, ScriptedServer

BULK = "POST /_bulk"


class Gate:
    """Holds every bulk until it is opened; then the cluster answers."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.opened = asyncio.Event()
        self.held = 0

    async def __call__(self, request: Request) -> AnyAnswer:
        if request.path.startswith("/_bulk"):
            self.held += 1
            await self.opened.wait()
        return self.cluster(request)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def gate(cluster: FakeCluster) -> Gate:
    return Gate(cluster)


@pytest.fixture
async def server(gate: Gate) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(gate) as server:
        yield server


class Recording:
    """Batches of one container each that are recorded at once; ``outcomes`` by number, an error's type if it failed."""

    def __init__(self, recorder: ElasticsearchRecorder) -> None:
        self.recorder = recorder
        self.outcomes: dict[int, object] = {}
        self.scopes: dict[int, anyio.CancelScope] = {}

    async def run(self, number: int) -> None:
        with anyio.CancelScope() as self.scopes[number]:
            self.outcomes[number] = await self._record([make_container(number)])

    async def _record(self, batch: list[Container]) -> object:
        try:
            [verdict] = await self.recorder.record(batch)
        except RecordError as failure:
            return type(failure)
        return verdict.outcome


async def test_eight_batches_overlap_and_their_connections_are_used_again(server: ScriptedServer, gate: Gate) -> None:
    async with make_recorder(server.url) as recorder:
        recording = Recording(recorder)
        async with anyio.create_task_group() as group:
            for number in range(recorder.concurrency):
                group.start_soon(recording.run, number)
            await server.until(lambda: gate.held == recorder.concurrency)
            gate.opened.set()
        before = server.connections
        for number in range(8, 20):
            await recording.run(number)

    assert recorder.concurrency == 8
    assert list(recording.outcomes.values()) == [Outcome.RECORDED] * 20
    assert before == server.connections == 8
    assert len(gate.cluster.documents) == 20


async def test_the_template_is_settled_once_for_all_that_wait_for_it(server: ScriptedServer, gate: Gate) -> None:
    gate.opened.set()

    async with make_recorder(server.url) as recorder:
        recording = Recording(recorder)
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(recording.run, number)

    asked = [request.partition("?")[0] for request in gate.cluster.asked]
    installed = [request for request in asked if request.startswith("PUT /_index_template/")]
    assert len(installed) == 1
    assert asked[-8:] == [BULK] * 8
    assert asked.count(BULK) == 8


async def test_who_waits_for_a_template_that_fails_settles_it_next(server: ScriptedServer, gate: Gate) -> None:
    gate.opened.set()
    gate.cluster.faults["GET /_resolve/index/metrics-expvastic-default"] = [error(503, "some_exception")]

    async with make_recorder(server.url) as recorder:
        recording = Recording(recorder)
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(recording.run, number)

    assert sorted(map(str, recording.outcomes.values())) == [str(RecordError)] + ["Outcome.RECORDED"] * 3


@pytest.mark.parametrize("turns", [1, 2, 4, 8, 16, 32, 64])
async def test_cancelling_one_batch_hurts_no_other(server: ScriptedServer, gate: Gate, turns: int) -> None:
    async with make_recorder(server.url) as recorder:
        recording = Recording(recorder)
        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(recording.run, number)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            recording.scopes[0].cancel()
            recording.scopes[3].cancel()
            gate.opened.set()
        await recording.run(0)
        await recording.run(3)

    assert sorted(recording.outcomes) == [0, 1, 2, 3, 4, 5]
    assert [recording.outcomes[number] for number in (1, 2, 4, 5)] == [Outcome.RECORDED] * 4
    assert {recording.outcomes[number] for number in (0, 3)} <= {Outcome.RECORDED, Outcome.DUPLICATE}
    assert sorted(gate.cluster.ids) == [container.id for container in make_containers(6)]


async def test_a_connection_that_breaks_is_the_end_of_one_batch_alone(server: ScriptedServer, gate: Gate) -> None:
    gate.cluster.faults[BULK] = [RESET]

    async with make_recorder(server.url) as recorder:
        recording = Recording(recorder)
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(recording.run, number)
            await server.until(lambda: gate.held == 4)
            gate.opened.set()

    assert list(recording.outcomes.values()).count(Outcome.RECORDED) == 3
    assert len(gate.cluster.documents) == 3


async def test_leaving_closes_the_connections_of_batches_that_are_under_way(server: ScriptedServer, gate: Gate) -> None:
    recorder = make_recorder(server.url)
    recording = Recording(recorder)

    async with anyio.create_task_group() as group:
        async with recorder:
            for number in range(3):
                group.start_soon(recording.run, number)
            await server.until(lambda: gate.held == 3)
        gate.opened.set()
    await server.until_left()

    assert list(recording.outcomes.values()) == [Outcome.RECORDED] * 3


async def test_connections_that_waited_too_long_are_closed_and_those_in_use_are_not(
    server: ScriptedServer, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.opened.set()

    async with make_recorder(server.url) as recorder:
        recording = Recording(recorder)
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(recording.run, number)
        monkeypatch.setattr(wire, "_KEPT_ALIVE", -1.0)
        before = server.connections
        await recording.run(4)

    assert server.connections == before + 1
    assert list(recording.outcomes.values()) == [Outcome.RECORDED] * 5


async def test_bulks_of_one_size_that_are_refused_at_once_are_halved_once(server: ScriptedServer, gate: Gate) -> None:
    gate.cluster.faults[BULK] = [Answer("", 413)] * 4

    async with make_recorder(server.url) as recorder:
        async with anyio.create_task_group() as group:
            for first in range(0, 400, 100):
                group.start_soon(recorder.record, make_containers(100, first=first))
            await server.until(lambda: gate.held == 4)
            gate.opened.set()
        await recorder.record(make_containers(100, first=400))

    sent = [body_of(request).count(b"\n") // 2 for request in server.requests if request.path.startswith("/_bulk")]
    assert sent[4:12] == [50] * 8
    assert max(sent[12:]) > 40, "what was refused four times at once is not halved four times"
    assert len(gate.cluster.documents) == 500
