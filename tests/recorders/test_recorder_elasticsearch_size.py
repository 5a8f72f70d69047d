"""A bulk that is more than a server takes: in pieces, however the server says so; and what is too large alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from fake_cluster import FakeCluster, body_of, make_recorder, record_patiently, sizes

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from samples import make_container, make_containers
from scripted_http import RESET, Answer, AnyAnswer, Raw, Request, ScriptedServer

BULK = "POST /_bulk"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def server(cluster: FakeCluster) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(cluster) as server:
        yield server


def padded(number: int, size: int) -> Container:
    return make_container(number, **{"expvar.text": "x" * size})


def limited(cluster: FakeCluster, limit: int, refusal: AnyAnswer) -> Callable[[Request], AnyAnswer]:
    """The cluster behind something that takes no larger bodies; as servers do, it counts inflated bytes."""
    return lambda request: refusal if len(body_of(request)) > limit else cluster(request)


@pytest.mark.parametrize(
    "refusal",
    [
        Answer("", 413, {"content-type": "text/html"}),
        Answer("", 413, close=True),
        Raw(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n", then="keep"),
        Answer("<html>", 413, {"content-type": "application/octet-stream"}),
    ],
)
@pytest.mark.parametrize("compress", [False, True])
async def test_a_bulk_that_is_too_large_goes_in_pieces(
    cluster: FakeCluster, refusal: AnyAnswer, compress: bool
) -> None:
    batch = make_containers(100)

    server = ScriptedServer(limited(cluster, 5_000, refusal))
    async with server, make_recorder(server.url, compress=compress) as recorder:
        verdicts = await recorder.record(batch)
        first = sizes(server)
        await recorder.record(make_containers(100, first=100))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 100
    assert cluster.ids == [container.id for container in make_containers(200)]
    later = sizes(server)[len(first) :]
    assert max(first) == 100
    assert max(later) <= 25, "what is too large is not tried again"


async def test_a_document_that_is_too_large_alone_is_refused_and_the_others_are_written(cluster: FakeCluster) -> None:
    batch = [*make_containers(5), padded(5, 9_000), *make_containers(5, first=6)]

    server = ScriptedServer(limited(cluster, 5_000, Answer("", 413)))
    async with server, make_recorder(server.url) as recorder:
        verdicts = await recorder.record(batch)

    refused = verdicts[5]
    assert [verdict.outcome for verdict in verdicts].count(Outcome.RECORDED) == 10
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "413 too large")
    assert (refused.destination, refused.field) == ("metrics-expvastic-default", "")
    assert cluster.ids == [container.id for container in batch if container is not batch[5]]


async def test_a_connection_cut_in_a_large_bulk_makes_the_next_try_smaller(cluster: FakeCluster) -> None:
    batch = [padded(number, 100_000) for number in range(40)]

    async with ScriptedServer(limited(cluster, 1_000_000, RESET)) as server, make_recorder(server.url) as recorder:
        outcomes = await record_patiently(recorder, batch, tries=4)

    assert set(outcomes) <= {Outcome.RECORDED, Outcome.DUPLICATE}
    assert cluster.ids == [container.id for container in batch]


async def test_a_large_document_that_breaks_the_connection_twice_is_refused(cluster: FakeCluster) -> None:
    batch = [*make_containers(3), padded(3, 1_500_000), *make_containers(3, first=4)]

    async with ScriptedServer(limited(cluster, 1_000_000, RESET)) as server, make_recorder(server.url) as recorder:
        outcomes = await record_patiently(recorder, batch, tries=6)

    assert outcomes[3] is Outcome.REFUSED
    assert outcomes.count(Outcome.REFUSED) == 1
    assert sorted(cluster.ids) == [container.id for container in batch if container is not batch[3]]


async def test_a_large_document_is_not_refused_while_the_server_is_not_well(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    async with make_recorder(server.url) as recorder:
        await recorder.record(make_containers(1))
        cluster.faults[BULK] = [RESET] * 3
        cluster.faults["GET /"] = [RESET] * 3
        for _ in range(3):
            with pytest.raises(RecordError):
                await recorder.record([padded(1, 1_500_000)])
        verdicts = await recorder.record([padded(1, 1_500_000)])

    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED]


async def test_a_small_bulk_whose_connection_breaks_is_neither_cut_nor_refused(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    async with make_recorder(server.url) as recorder:
        cluster.faults[BULK] = [RESET] * 5
        for _ in range(5):
            with pytest.raises(RecordError):
                await recorder.record([padded(0, 1_000)])
        await recorder.record(make_containers(100))

    assert sizes(server)[-1] == 100
