"""What a data stream that rolled over holds already is found; where there is nothing to find, nobody is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_cluster import FakeCluster, error, item, make_recorder

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome, Searched
from expvastic.recorders.elasticsearch import ElasticsearchRecorder
from samples import START, make_container, make_containers
from scripted_http import RESET, Answer, AnyAnswer, Request, ScriptedServer

STREAM = "metrics-expvastic-default"
BULK = "POST /_bulk"
RESOLVE = f"GET /_resolve/index/{STREAM}"
FIRST, SECOND = f".ds-{STREAM}-000001", f".ds-{STREAM}-000002"
SEARCH = f"POST /{FIRST}/_mget"


@pytest.fixture
def cluster() -> FakeCluster:
    """One whose stream is there and was never rolled over."""
    cluster = FakeCluster()
    cluster.streams.add(STREAM)
    cluster.roll_over(STREAM)
    return cluster


@pytest.fixture
async def server(cluster: FakeCluster) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(cluster) as server:
        yield server


def searches(cluster: FakeCluster) -> list[str]:
    """The indices that were searched, in turn."""
    return [request.split("/")[1] for request in cluster.asked if "/_mget" in request]


def write_and_break(cluster: FakeCluster) -> None:
    """The next bulk is carried out, but nobody hears of it."""

    def swallow(request: Request) -> AnyAnswer:
        cluster(request)
        return RESET

    cluster.faults[BULK] = [swallow]


async def find(url: str, *batch: Container, **settings: Any) -> list[bool]:
    async with make_recorder(url, **settings) as recorder:
        return list(await recorder.find(batch))


async def test_a_batch_whose_answer_was_lost_before_a_rollover_is_found(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    written, new = make_containers(3), make_containers(2, first=3)
    async with make_recorder(server.url) as recorder:
        write_and_break(cluster)
        with pytest.raises(RecordError) as raised:
            await recorder.record(written)
        cluster.roll_over(STREAM)
        found = await recorder.find([*written, *new])
        verdicts = await recorder.record(new)

    assert raised.value.in_doubt
    assert isinstance(recorder, Searched)
    assert found == [True, True, True, False, False]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 2
    assert sorted(cluster.ids) == [container.id for container in make_containers(5)]


async def test_a_stream_that_never_rolled_over_is_not_searched(cluster: FakeCluster, server: ScriptedServer) -> None:
    assert await find(server.url, *make_containers(2)) == [False, False]
    assert searches(cluster) == []


async def test_what_is_a_plain_index_by_its_answers_is_not_even_asked_about(server: ScriptedServer) -> None:
    async with make_recorder(server.url, index_name="app-%{+yyyy.MM.dd}") as recorder:
        await recorder.record(make_containers(1))
        before = len(server.requests)
        found = await recorder.find(make_containers(2))

    assert found == [False, False]
    assert len(server.requests) == before


@pytest.mark.parametrize("answer", [None, error(403, "security_exception"), Answer("<html>no</html>", 405)])
async def test_a_plain_index_or_what_may_not_be_looked_at_is_asked_about_once(
    cluster: FakeCluster, server: ScriptedServer, answer: Answer | None
) -> None:
    cluster.streams.clear()
    cluster.indices.add(STREAM)
    cluster.faults[RESOLVE] = [answer] if answer else []

    async with make_recorder(server.url, manage_template=False) as recorder:
        found = [await recorder.find(make_containers(2)) for _ in range(3)]

    assert found == [[False, False]] * 3
    assert [request for request in cluster.asked if "_resolve" in request] == [RESOLVE]


async def test_what_is_not_there_yet_may_be_a_stream_the_next_time(server: ScriptedServer) -> None:
    async with make_recorder(server.url, index_name="app", manage_template=False) as recorder:
        found = [await recorder.find(make_containers(1)) for _ in range(2)]

    assert found == [[False], [False]]
    assert [request.path for request in server.requests][1:] == ["/_resolve/index/app"] * 2


async def test_the_newest_three_of_the_older_indices_are_searched_that_of_the_last_answer_first(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    async with make_recorder(server.url) as recorder:
        for number in range(6):
            await recorder.record([make_container(number)])
            cluster.roll_over(STREAM) if number not in (1, 5) else None
        before = await recorder.find([make_container(7)])
        asked = searches(cluster)
        cluster.roll_over(STREAM)
        await recorder.find([make_container(5), make_container(7)])

    assert before == [False]
    assert asked == [f".ds-{STREAM}-{number:06}" for number in (4, 3, 2)]
    assert searches(cluster)[3:] == [f".ds-{STREAM}-{number:06}" for number in (5, 4, 3)]


async def test_an_index_written_to_long_ago_is_searched_before_newer_ones(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    batch = make_containers(2)
    async with make_recorder(server.url) as recorder:
        await recorder.record(batch[:1])
        write_and_break(cluster)
        with pytest.raises(RecordError):
            await recorder.record(batch[1:])
    for _ in range(6):
        cluster.roll_over(STREAM)
    async with ElasticsearchRecorder(recorder.settings) as successor:
        found = await successor.find(batch[1:])

    assert found == [True]
    assert searches(cluster)[0] == FIRST, "the successor knows what its predecessor saw"


async def test_the_failure_stores_index_is_not_where_the_documents_are(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    stored = item(201, failure_store="used", index=f".fs-{STREAM}-000002")
    cluster.faults[BULK] = [Answer({"errors": False, "items": [stored]})]
    async with make_recorder(server.url) as recorder:
        await recorder.record(make_containers(1))
        cluster.roll_over(STREAM)
        await recorder.find(make_containers(1))

    assert searches(cluster) == [FIRST]


async def test_an_alias_that_rolled_over_is_searched_too(cluster: FakeCluster, server: ScriptedServer) -> None:
    cluster.aliases.add("app")
    for _ in range(2):
        cluster.roll_over("app")
    cluster.documents.append(("app-000001", make_container(0).id, {}))

    found = await find(server.url, *make_containers(2), index_name="app")

    assert found == [True, False]


async def test_an_alias_for_a_stream_that_rolled_over_is_searched(cluster: FakeCluster, server: ScriptedServer) -> None:
    cluster.roll_over(STREAM)
    cluster.aliases.add("app")
    cluster.holders["app"] = [STREAM]
    cluster.documents.append((FIRST, make_container(1).id, {}))

    found = await find(server.url, *make_containers(2), index_name="app")

    assert found == [False, True]


async def test_each_destination_of_a_batch_is_searched_for_its_own(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    for day in ("21", "22"):
        cluster.streams.add(f"app-{day}")
        cluster.roll_over(f"app-{day}")
        cluster.roll_over(f"app-{day}")
    batch = [make_container(number, time=START + number * 86_400_000_000) for number in (0, 1)]
    cluster.documents.append((".ds-app-22-000001", batch[1].id, {}))
    cluster.documents.append((".ds-app-22-000001", batch[0].id, {}))

    found = await find(server.url, *batch, index_name="app-%{+dd}", mode="data_stream")

    assert found == [False, True]


async def test_ids_are_asked_for_by_the_thousand(cluster: FakeCluster, server: ScriptedServer) -> None:
    cluster.roll_over(STREAM)
    batch = make_containers(2_001)
    cluster.documents.append((FIRST, batch[2_000].id, {}))

    found = await find(server.url, *batch)

    assert found == [False] * 2_000 + [True]
    assert searches(cluster) == [FIRST] * 3


async def test_an_empty_batch_asks_for_nothing(server: ScriptedServer) -> None:
    assert await find(server.url) == []
    assert len(server.requests) == 1


def failing(kind: str) -> Answer:
    return Answer({"docs": [{"error": {"type": kind}}]})


@pytest.mark.parametrize(
    "answer",
    [
        error(403, "security_exception"),
        error(404, "index_not_found_exception"),
        failing("index_not_found_exception"),
        failing("index_closed_exception"),
        failing("security_exception"),
    ],
)
async def test_where_it_may_not_be_asked_nothing_is_found(
    cluster: FakeCluster, server: ScriptedServer, answer: Answer
) -> None:
    cluster.roll_over(STREAM)
    cluster.faults[SEARCH] = [answer]

    assert await find(server.url, make_container()) == [False]


@pytest.mark.parametrize("request_", [RESOLVE, SEARCH])
@pytest.mark.parametrize(
    "answer",
    [
        error(401, "security_exception"),
        error(429, "circuit_breaking_exception"),
        error(503, "cluster_block_exception"),
        Answer("<html>", 502),
        Answer("<html>welcome</html>"),
        Answer({"docs": [], "indices": 7}),
        failing("no_shard_available_action_exception"),
        RESET,
    ],
)
async def test_what_cannot_be_told_now_raises_and_stays_in_doubt(
    cluster: FakeCluster, server: ScriptedServer, request_: str, answer: AnyAnswer
) -> None:
    cluster.roll_over(STREAM)
    if request_ == RESOLVE and answer == failing("no_shard_available_action_exception"):
        answer = RESET
    cluster.faults[request_] = [answer]

    async with make_recorder(server.url) as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.find(make_containers(1))
        found = await recorder.find(make_containers(1))

    assert raised.value.in_doubt
    assert str(raised.value).startswith(server.url)
    assert found == [False]


async def test_a_cluster_that_is_gone_raises_and_stays_in_doubt(cluster: FakeCluster, server: ScriptedServer) -> None:
    async with make_recorder(server.url) as recorder:
        await server.__aexit__(None, None, None)
        with pytest.raises(RecordError) as raised:
            await recorder.find(make_containers(1))

    assert raised.value.in_doubt
