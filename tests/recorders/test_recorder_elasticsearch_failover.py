"""Several nodes of one cluster: one that is down, or hangs, costs a request now and then, and no document."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from elastic_transport import NodeConfig
from fake_cluster import FakeCluster, make_recorder

from expvastic.buffer import BufferSettings
from expvastic.buffers.memory import MemoryBuffer
from expvastic.clients.tls import Tls
from expvastic.delivery import Delivery, DeliverySettings
from expvastic.errors import RecordError
from expvastic.outcomes.ledger import Ledger
from expvastic.recorders.elasticsearch import ElasticsearchRecorder
from expvastic.recorders.elasticsearch.nodes import Nodes
from expvastic.recorders.elasticsearch.wire import PlainNode, node_class
from fakes import Log
from samples import make_containers, make_poll
from scripted_http import HANG, Answer, AnyAnswer, Request, ScriptedServer

# -- which node is next --


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def make_nodes(count: int, clock: Clock) -> Nodes:
    configs = [NodeConfig("http", f"node{number}", 9200) for number in range(count)]
    return Nodes(configs, node_class(Tls(), None), clock=clock, randomize_nodes=False)


def host(nodes: Nodes) -> str:
    return nodes.get().host


def by_host(nodes: Nodes) -> dict[str, Any]:
    return {node.host: node for node in nodes.all()}


def test_nodes_that_are_well_take_turns() -> None:
    nodes = make_nodes(3, Clock())

    assert [host(nodes) for _ in range(6)] == ["node0", "node1", "node2"] * 2


def test_the_node_with_the_fewest_requests_under_way_is_next() -> None:
    nodes = make_nodes(3, Clock())
    by_host(nodes)["node0"].under_way = 1
    by_host(nodes)["node2"].under_way = 2

    assert [host(nodes) for _ in range(3)] == ["node1"] * 3


def test_a_node_that_failed_is_left_alone_for_a_while_and_longer_each_time() -> None:
    clock = Clock()
    nodes = make_nodes(2, clock)
    pauses = []
    for _ in range(8):
        nodes.mark_dead(by_host(nodes)["node0"])
        began = clock.now
        while host(nodes) != "node0":
            clock.now += 0.5
        pauses.append(clock.now - began)

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_node_that_says_nothing_is_left_alone_for_longer() -> None:
    clock = Clock()
    nodes = make_nodes(2, clock)
    pauses = []
    for _ in range(7):
        nodes.mark_silent(by_host(nodes)["node0"])
        began = clock.now
        while host(nodes) != "node0":
            clock.now += 5
        pauses.append(clock.now - began)

    assert pauses == [10, 20, 40, 80, 160, 300, 300]


def test_a_node_is_tried_again_by_one_request_and_is_as_good_as_any_when_that_is_answered() -> None:
    clock = Clock()
    nodes = make_nodes(2, clock)
    node = by_host(nodes)["node0"]
    nodes.mark_dead(node)
    clock.now += 1

    assert nodes.get() is node
    node.under_way = 1
    assert [host(nodes) for _ in range(3)] == ["node1"] * 3
    node.under_way = 0
    nodes.mark_live(node)
    assert sorted(host(nodes) for _ in range(4)) == ["node0", "node0", "node1", "node1"]


def test_of_several_requests_that_fail_together_one_counts() -> None:
    clock = Clock()
    nodes = make_nodes(2, clock)
    for _ in range(5):
        nodes.mark_dead(by_host(nodes)["node0"])
    clock.now += 1

    assert host(nodes) == "node0"


def test_where_no_node_is_well_the_one_that_failed_first_is_tried() -> None:
    clock = Clock()
    nodes = make_nodes(2, clock)
    for name in ("node1", "node0"):
        nodes.mark_dead(by_host(nodes)[name])
        clock.now += 0.1

    assert [host(nodes) for _ in range(2)] == ["node1", "node1"]


def test_a_node_that_is_alone_is_always_asked() -> None:
    nodes = make_nodes(1, Clock())
    nodes.mark_silent(nodes.get())

    assert host(nodes) == "node0"


# -- delivering --


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def well(cluster: FakeCluster) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(cluster) as server:
        yield server


@pytest.fixture(autouse=True)
def nodes_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elastic_transport._node_pool.random.shuffle", lambda configs: None)


def carry_out_and_hang(cluster: FakeCluster) -> Callable[[Request], AnyAnswer]:
    """A node that does as it is asked and never says so."""

    def respond(request: Request) -> AnyAnswer:
        cluster(request)
        return HANG

    return respond


def pool_of(recorder: ElasticsearchRecorder) -> Nodes:
    assert recorder._cluster is not None
    pool = recorder._cluster._transport.node_pool
    assert isinstance(pool, Nodes)
    return pool


async def test_after_a_deadline_the_next_request_goes_to_another_node(
    cluster: FakeCluster, well: ScriptedServer
) -> None:
    batch = make_containers(3)
    async with (
        ScriptedServer(carry_out_and_hang(cluster)) as hanging,
        make_recorder(well.url, hanging.url, manage_template=False) as recorder,
    ):
        with anyio.move_on_after(0.2) as scope:
            await recorder.record(batch)
        for _ in range(3):
            with anyio.fail_after(5):
                await recorder.record(batch)

    assert scope.cancelled_caught
    assert len(hanging.requests) == 1
    assert cluster.ids == [container.id for container in batch]


async def test_a_node_that_comes_back_is_used_again(cluster: FakeCluster, well: ScriptedServer) -> None:
    answers = Counter[str]()
    is_well = False

    def respond(request: Request) -> AnyAnswer:
        answers["well" if is_well else "hung"] += 1
        return cluster(request) if is_well else HANG

    async with (
        ScriptedServer(respond) as changing,
        make_recorder(well.url, changing.url, manage_template=False) as recorder,
    ):
        clock = pool_of(recorder)._clock = Clock()
        with anyio.move_on_after(0.2):
            await recorder.record(make_containers(1))
        is_well = True
        await recorder.record(make_containers(1))
        assert answers == {"hung": 1}
        clock.now += 11
        for _ in range(4):
            await recorder.record(make_containers(1))

    assert answers == {"hung": 1, "well": 2}
    assert len(cluster.ids) == 1


async def test_entering_passes_over_nodes_that_say_nothing(cluster: FakeCluster, well: ScriptedServer) -> None:
    async with ScriptedServer(HANG) as one, ScriptedServer(HANG) as other:
        with anyio.fail_after(2):
            async with make_recorder(one.url, other.url, well.url) as recorder:
                await recorder.record(make_containers(2))

    assert len(cluster.documents) == 2
    assert (len(one.requests), len(other.requests)) == (1, 1)


async def test_where_no_node_answers_it_is_said_before_the_time_is_up() -> None:
    async with ScriptedServer(HANG) as one, ScriptedServer(HANG) as other:
        with anyio.fail_after(1), pytest.raises(RecordError, match="one of the nodes does not answer") as raised:
            await make_recorder(one.url, other.url).__aenter__()

    assert raised.value.in_doubt is False


async def test_a_node_that_is_alone_has_all_the_time_that_there_is() -> None:
    async with ScriptedServer(HANG) as server:
        with anyio.move_on_after(0.2) as scope:
            await make_recorder(server.url).__aenter__()

    assert scope.cancelled_caught


async def test_one_node_hangs_one_is_down_and_all_is_delivered_once(cluster: FakeCluster, well: ScriptedServer) -> None:
    async with ScriptedServer() as down:
        pass
    ledger, log = Ledger(), Log()
    lot = make_containers(200)
    settings = DeliverySettings.model_validate(
        {"timeout": "500ms", "batch": {"count": 5, "wait": "10ms"}, "retry": {"initial": "10ms", "max": "50ms"}}
    )
    async with ScriptedServer(carry_out_and_hang(cluster)) as hanging:
        delivery = Delivery(
            "es",
            "elasticsearch",
            lambda: make_recorder(well.url, hanging.url, down.url, manage_template=False),
            MemoryBuffer(BufferSettings(), ledger),
            ledger,
            settings,
            log,  # type: ignore[arg-type]
        )
        for container in lot:
            delivery.offer(make_poll(container))
        delivery.close()
        with anyio.fail_after(20):
            await delivery.run()

    statistics = delivery.statistics()
    assert sorted(cluster.ids) == [container.id for container in lot]
    assert (statistics.recorded, statistics.waiting, statistics.drops) == (200, 0, 0)
    assert statistics.duplicates == len(hanging.requests) * 5
    assert statistics.is_balanced
    assert 1 <= len(hanging.requests) <= 4


async def test_a_node_that_is_busy_is_passed_over(cluster: FakeCluster, well: ScriptedServer) -> None:
    async with (
        ScriptedServer(Answer({}, 503)) as busy,
        make_recorder(well.url, busy.url, manage_template=False) as recorder,
    ):
        for _ in range(4):
            with contextlib.suppress(RecordError):
                await recorder.record(make_containers(1))

    assert len(busy.requests) == 1


async def test_requests_that_are_under_way_are_counted_however_they_end(well: ScriptedServer) -> None:
    async with ScriptedServer(HANG) as hanging, make_recorder(well.url, hanging.url, manage_template=False) as recorder:
        [other, one] = pool_of(recorder).all()
        assert isinstance(one, PlainNode)
        assert isinstance(other, PlainNode)
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(recorder.record, make_containers(1))
            await hanging.until(lambda: bool(hanging.requests))
            under_way = one.under_way
            group.cancel_scope.cancel()

    assert under_way >= 1
    assert (one.under_way, other.under_way) == (0, 0)
