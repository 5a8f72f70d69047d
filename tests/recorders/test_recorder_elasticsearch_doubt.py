"""Whether what failed may have been recorded all the same; and that what was answered is never sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio
import pytest
from fake_cluster import FakeCluster, body_of, error, item, make_recorder, record_patiently

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome
from samples import make_containers
from scripted_http import CUT, RESET, Answer, AnyAnswer, Raw, Request, ScriptedServer

BULK = "POST /_bulk"
HTML = "<html><body>Bad gateway</body></html>"
GOOD = Answer({"errors": False, "items": [item(201), item(201)]}).encode()


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def server(cluster: FakeCluster) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(cluster) as server:
        yield server


# -- a batch that failed as a whole --


@pytest.mark.parametrize(
    ("answer", "in_doubt"),
    [
        (error(401, "security_exception"), False),
        (Answer("", 401), False),
        (error(403, "cluster_block_exception"), False),
        (Answer(HTML, 403), False),
        (Answer(HTML, 404), False),
        (error(429, "es_rejected_execution_exception"), False),
        (Answer("slow down", 429), False),
        (error(503, "cluster_block_exception", "no master"), False),
        (error(503, "unavailable_shards_exception"), True),
        (error(500, "some_exception"), True),
        (error(400, "illegal_argument_exception"), True),
        (Answer(HTML, 502, {"content-type": "text/html"}), True),
        (Answer(HTML, 502), True),
        (Answer(HTML, 503), True),
        (Answer(HTML, 504), True),
        (Answer("", 408), True),
        (Answer(HTML), True),
        (Answer({"errors": False, "items": [item(201)]}), True),
        (Answer(GOOD.partition(b"\r\n\r\n")[2][:-9]), True),
        (Raw(GOOD[:-20]), True),
        (RESET, True),
        (CUT, True),
    ],
)
async def test_only_who_was_turned_away_was_not_recorded_for_certain(
    cluster: FakeCluster, server: ScriptedServer, answer: AnyAnswer, in_doubt: bool
) -> None:
    cluster.faults[BULK] = [answer]

    async with make_recorder(server.url) as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.record(make_containers(2))

    assert raised.value.in_doubt is in_doubt


async def test_without_a_connection_nothing_was_recorded(server: ScriptedServer) -> None:
    async with make_recorder(server.url, manage_template=False) as recorder:
        await server.__aexit__(None, None, None)
        with pytest.raises(RecordError, match="is Elasticsearch running") as raised:
            await record_patiently(recorder, make_containers(1), tries=2)

    assert raised.value.in_doubt is False


@pytest.mark.parametrize("answer", [RESET, Answer(HTML, 502), Answer(HTML), error(401, "security_exception")])
async def test_who_could_not_enter_has_recorded_nothing(answer: AnyAnswer) -> None:
    async with ScriptedServer(answer) as server:
        with pytest.raises(RecordError) as raised:
            await make_recorder(server.url).__aenter__()

    assert raised.value.in_doubt is False


@pytest.mark.parametrize("answer", [RESET, Answer(HTML, 502), Answer(HTML), error(401, "security_exception")])
async def test_without_its_template_nothing_was_recorded(
    cluster: FakeCluster, server: ScriptedServer, answer: AnyAnswer
) -> None:
    cluster.faults["GET /_index_template/expvastic-metrics-expvastic-default"] = [answer]

    async with make_recorder(server.url) as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.record(make_containers(2))

    assert raised.value.in_doubt is False


async def test_a_proxy_that_cannot_be_reached_has_passed_nothing_on() -> None:
    with pytest.raises(RecordError) as raised:
        await make_recorder("http://es.example:9200", proxy="http://127.0.0.1:9").__aenter__()

    assert "the proxy cannot be reached" in str(raised.value)
    assert raised.value.in_doubt is False


# -- a batch in several pieces --


def after(first: int, then: AnyAnswer, cluster: FakeCluster) -> Callable[[Request], AnyAnswer]:
    """The cluster takes at most 40 documents at once; after so many bulks it has taken it answers otherwise, once."""
    taken = 0

    def answer(request: Request) -> AnyAnswer:
        nonlocal taken
        if not request.path.startswith("/_bulk"):
            return cluster(request)
        if body_of(request).count(b"\n") > 80:
            return Answer("", 413)
        taken += 1
        return then if taken == first + 1 else cluster(request)

    return answer


@pytest.mark.parametrize(
    ("failure", "in_doubt"),
    [(error(429, "es_rejected_execution_exception"), False), (Answer(HTML, 502), True), (RESET, True), (CUT, True)],
)
async def test_pieces_that_were_answered_keep_their_verdicts(
    cluster: FakeCluster, failure: AnyAnswer, in_doubt: bool
) -> None:
    batch = make_containers(100)
    async with ScriptedServer(after(2, failure, cluster)) as server, make_recorder(server.url) as recorder:
        verdicts = await recorder.record(batch)
        before = list(cluster.ids)
        left = [known for known, verdict in zip(batch, verdicts, strict=True) if verdict.outcome is Outcome.AGAIN]
        outcomes = await record_patiently(recorder, left, tries=2)

    words = [verdict.outcome.value for verdict in verdicts]
    assert words == ["recorded"] * 50 + ["again"] * 50
    assert {verdict.reason for verdict in verdicts[50:75]} == {"bulk failed"}
    assert {verdict.reason for verdict in verdicts[75:]} == {"bulk before it failed"}
    assert {verdict.destination for verdict in verdicts} == {"metrics-expvastic-default"}
    assert all(verdict.detail.startswith(server.url) for verdict in verdicts[50:75])
    assert [verdict.in_doubt for verdict in verdicts] == [False] * 50 + [in_doubt] * 25 + [False] * 25
    assert before == [container.id for container in batch[:50]]
    assert outcomes == [Outcome.RECORDED] * 50
    assert cluster.ids == [container.id for container in batch]


async def test_a_first_piece_that_fails_fails_all(cluster: FakeCluster) -> None:
    async with ScriptedServer(after(0, RESET, cluster)) as server, make_recorder(server.url) as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.record(make_containers(100))
        verdicts = await recorder.record(make_containers(100))

    assert raised.value.in_doubt
    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 100


async def test_credentials_that_are_refused_in_the_middle_drop_the_recorder_and_leave_the_batch_in_doubt(
    cluster: FakeCluster,
) -> None:
    refusal = error(401, "security_exception")
    async with ScriptedServer(after(1, refusal, cluster)) as server, make_recorder(server.url) as recorder:
        with pytest.raises(RecorderLost) as raised:
            await recorder.record(make_containers(100))

    assert raised.value.in_doubt
    assert len(cluster.documents) == 25


async def test_what_is_left_when_half_of_the_callers_time_is_gone_is_put_off(cluster: FakeCluster) -> None:
    now = anyio.current_time()
    times = iter([now, now, now + 400, now + 600])

    async with ScriptedServer(after(9, RESET, cluster)) as server, make_recorder(server.url) as recorder:
        recorder._sender._clock = lambda: next(times)
        with anyio.fail_after(1_000):
            verdicts = await recorder.record(make_containers(100))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 50 + [Outcome.AGAIN] * 50
    assert {(verdict.reason, verdict.in_doubt) for verdict in verdicts[50:]} == {("no time left", False)}
    assert len(cluster.documents) == 50


# -- documents whose outcome is unknown --


@pytest.mark.parametrize(
    ("status", "in_doubt"),
    [(429, False), (503, True), (500, True), (504, True), (408, True), (403, False), (400, False), (201, False)],
)
async def test_an_item_that_a_server_failed_at_may_have_been_written(
    cluster: FakeCluster, server: ScriptedServer, status: int, in_doubt: bool
) -> None:
    cluster.faults[BULK] = [Answer({"errors": True, "items": [item(status, "some_exception")]})]

    async with make_recorder(server.url) as recorder:
        [verdict] = await recorder.record(make_containers(1))

    assert verdict.in_doubt is in_doubt
