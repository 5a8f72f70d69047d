"""A bulk that is more than a server takes: in pieces, however the server says so; and what is too large alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from fake_cluster import CuttingServer, FakeCluster, body_of, error, item, make_recorder, record_patiently, sizes

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchRecorder
from expvastic.recorders.elasticsearch.suspects import Suspects
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
    batch = [*make_containers(5), padded(5, 90_000), *make_containers(5, first=6)]

    server = ScriptedServer(limited(cluster, 50_000, Answer("", 413)))
    async with server, make_recorder(server.url) as recorder:
        verdicts = await recorder.record(batch)

    refused = verdicts[5]
    assert [verdict.outcome for verdict in verdicts].count(Outcome.RECORDED) == 10
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "413 too large")
    assert (refused.destination, refused.field) == ("metrics-expvastic-default", "")
    assert cluster.ids == [container.id for container in batch if container is not batch[5]]


async def test_a_small_document_that_is_answered_413_is_kept_and_the_others_are_written(cluster: FakeCluster) -> None:
    batch = [*make_containers(5), padded(5, 60_000), *make_containers(5, first=6)]

    server = ScriptedServer(limited(cluster, 50_000, Answer("", 413)))
    async with server, make_recorder(server.url) as recorder:
        verdicts = await recorder.record(batch)

    kept = verdicts[5]
    assert [verdict.outcome for verdict in verdicts].count(Outcome.RECORDED) == 10
    assert (kept.outcome, kept.reason) == (Outcome.BLOCKED, "413 too large")
    assert "is too much for the server, or for a proxy before it" in kept.detail


async def test_a_server_that_takes_nothing_is_not_asked_for_every_document(cluster: FakeCluster) -> None:
    batch = [*make_containers(255), padded(255, 90_000)]

    server = ScriptedServer(limited(cluster, 100, Answer("", 413)))
    async with server, make_recorder(server.url, manage_template=False) as recorder:
        verdicts = await recorder.record(batch)

    assert [verdict.outcome for verdict in verdicts] == [Outcome.BLOCKED] * 255 + [Outcome.REFUSED]
    assert len(sizes(server)) < 30


@pytest.mark.parametrize("kind", ["es_rejected_execution_exception", "rejected_execution_exception"])
async def test_a_server_without_the_memory_for_a_bulk_gets_smaller_ones_until_it_bears_more(
    cluster: FakeCluster, kind: str
) -> None:
    server = ScriptedServer(limited(cluster, 30_000, error(429, kind)))
    async with server, make_recorder(server.url) as recorder:
        for _ in range(2):
            with pytest.raises(RecordError, match=kind):
                await recorder.record(make_containers(500))
        outcomes = await record_patiently(recorder, make_containers(500), tries=4)
        server._respond = cluster  # it has its memory back
        for first in range(500, 3_000, 500):
            await record_patiently(recorder, make_containers(500, first=first), tries=2)

    assert outcomes == [Outcome.RECORDED] * 500
    assert cluster.ids == [container.id for container in make_containers(3_000)]
    assert sizes(server)[-1] == 500


async def test_documents_that_a_server_has_no_memory_for_make_the_next_bulks_smaller(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    items = [item(429, "es_rejected_execution_exception") for _ in range(500)]
    async with make_recorder(server.url) as recorder:
        cluster.faults[BULK] = [Answer({"errors": True, "items": items})]
        outcomes = await record_patiently(recorder, make_containers(500), tries=2)

    assert outcomes == [Outcome.RECORDED] * 500
    assert sizes(server)[0] == 500
    assert max(sizes(server)[1:]) in range(200, 300)


async def test_a_wish_for_fewer_requests_is_no_reason_for_smaller_ones(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    async with make_recorder(server.url) as recorder:
        cluster.faults[BULK] = [Answer("too many requests", 429)] * 5
        await record_patiently(recorder, make_containers(500), tries=6)

    assert sizes(server) == [500] * 6


async def test_a_connection_cut_in_a_large_bulk_makes_the_next_try_smaller(cluster: FakeCluster) -> None:
    batch = [padded(number, 100_000) for number in range(40)]

    async with ScriptedServer(limited(cluster, 1_000_000, RESET)) as server, make_recorder(server.url) as recorder:
        outcomes = await record_patiently(recorder, batch, tries=4)

    assert set(outcomes) <= {Outcome.RECORDED, Outcome.DUPLICATE}
    assert cluster.ids == [container.id for container in batch]


async def test_a_large_document_that_breaks_the_connection_again_and_again_is_refused(cluster: FakeCluster) -> None:
    batch = [*make_containers(3), padded(3, 1_500_000), *make_containers(3, first=4)]

    async with CuttingServer(cluster, 1_000_000) as server, make_recorder(server.url) as recorder:
        outcomes = await record_patiently(recorder, batch, tries=9)

    assert outcomes[3] is Outcome.REFUSED
    assert outcomes.count(Outcome.REFUSED) == 1
    assert sorted(cluster.ids) == [container.id for container in batch if container is not batch[3]]


async def test_two_large_documents_of_one_batch_are_both_refused(cluster: FakeCluster) -> None:
    batch = [padded(0, 1_500_000), padded(1, 1_500_000), *make_containers(1, first=2)]

    async with CuttingServer(cluster, 1_000_000) as server, make_recorder(server.url) as recorder:
        outcomes = await record_patiently(recorder, batch, tries=12)

    assert outcomes == [Outcome.REFUSED, Outcome.REFUSED, Outcome.RECORDED]


async def test_the_evidence_against_a_large_document_outlives_the_recorder(cluster: FakeCluster) -> None:
    async with CuttingServer(cluster, 1_000_000) as server:
        settings = make_recorder(server.url).settings
        for _ in range(4):
            async with ElasticsearchRecorder(settings) as recorder:
                with pytest.raises(RecordError):
                    await recorder.record([padded(0, 1_500_000)])
        async with ElasticsearchRecorder(settings) as recorder:
            verdicts = await recorder.record([padded(0, 1_500_000)])

    assert [verdict.outcome for verdict in verdicts] == [Outcome.REFUSED]


async def test_a_large_document_that_goes_through_after_a_few_cuts_is_recorded(cluster: FakeCluster) -> None:
    async with CuttingServer(cluster, 1_000_000, cuts=4) as server, make_recorder(server.url) as recorder:
        outcomes = await record_patiently(recorder, [padded(0, 1_500_000)], tries=5)

    assert outcomes == [Outcome.RECORDED]


async def test_a_document_below_a_megabyte_is_never_refused_for_a_cut(cluster: FakeCluster) -> None:
    async with CuttingServer(cluster, 500_000, cuts=20) as server, make_recorder(server.url) as recorder:
        outcomes = await record_patiently(recorder, [padded(0, 999_000)], tries=21)

    assert outcomes == [Outcome.RECORDED]


async def test_a_connection_cut_after_the_whole_body_says_nothing_about_its_size(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    async with make_recorder(server.url) as recorder:
        cluster.faults[BULK] = [RESET] * 10
        outcomes = await record_patiently(recorder, [padded(0, 1_500_000)], tries=11)

    assert outcomes == [Outcome.RECORDED]


def test_the_oldest_suspects_are_forgotten() -> None:
    suspects = Suspects()
    cuts = [suspects.was_cut(b"first") for _ in range(4)]
    for number in range(100):
        suspects.was_cut(b"%d" % number)

    assert [*cuts, suspects.was_cut(b"first")] == [False] * 5


async def test_cuts_of_a_server_that_is_not_well_do_not_count(cluster: FakeCluster) -> None:
    async with CuttingServer(cluster, 1_000_000, cuts=9) as server, make_recorder(server.url) as recorder:
        await recorder.record(make_containers(1))
        cluster.faults["GET /"] = [*[Answer(cluster.root)] * 4, RESET]  # the fifth time nobody is well
        outcomes = await record_patiently(recorder, [padded(1, 1_500_000)], tries=10)

    assert outcomes == [Outcome.RECORDED]


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
