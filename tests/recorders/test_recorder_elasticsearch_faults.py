"""Whatever goes wrong between us and a cluster: nothing is settled that was not confirmed, and the user is told why."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator

import anyio
import pytest
from fake_cluster import FakeCluster, error, item, make_recorder, record_patiently, sizes

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch.exchange import LARGEST_ANSWER
from samples import make_container, make_containers
from scripted_http import CUT, HANG, RESET, Answer, AnyAnswer, Raw, Request, ScriptedServer

BULK = "POST /_bulk"
PASSWORD = "pass-word-4711"
HTML = "<html><body>Bad gateway</body></html>"
GOOD = Answer({"errors": False, "items": [item(201), item(201)]})


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def server(cluster: FakeCluster) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(cluster) as server:
        yield server


# -- making contact --


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(401, "security_exception", "missing credentials"), RecorderLost, "the credentials were refused"),
        (Answer("Unauthorized", 401, {"content-type": "text/plain"}), RecorderLost, "the credentials were refused"),
        (Answer(HTML, headers={"content-type": "text/html"}), RecordError, "neither Elasticsearch nor OpenSearch"),
        (Answer({"status": "ok"}), RecordError, "neither Elasticsearch nor OpenSearch"),
        (Answer({"version": {"number": "5.6.16"}}), RecordError, "Elasticsearch 5.6.16 is too old; 7.17 or newer"),
        (Answer("[" * 200_000), RecordError, "neither Elasticsearch nor OpenSearch"),
        (Answer({"version": {"number": "2.\n" + "9" * 9_000}}), RecordError, "Elasticsearch 2. 9999"),
        (Answer(HTML, 404), RecordError, "is the path of the endpoint right?"),
        (Answer("", 301, {"location": "http://other.example/"}), RecordError, "redirects are not followed"),
        (Answer(HTML, 502), RecordError, "502"),
        (CUT, RecordError, "closed before the answer was complete"),
        (RESET, RecordError, "closed before the answer was complete"),
        (Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), RecordError, "its answer is not HTTP/1.1"),
    ],
)
async def test_entering_says_what_answers_instead_of_a_cluster(
    answer: AnyAnswer, kind: type[RecordError], words: str
) -> None:
    async with ScriptedServer(answer) as server:
        recorder = make_recorder(f"http://me:{PASSWORD}@{server.endpoint}")
        with pytest.raises(RecordError) as raised:
            await recorder.__aenter__()

    assert type(raised.value) is kind or (kind is RecordError and not isinstance(raised.value, RecorderLost))
    assert str(raised.value).startswith(server.url)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert PASSWORD not in str(raised.value)


async def test_entering_a_host_that_is_not_there_says_so() -> None:
    with pytest.raises(RecordError) as raised:
        await make_recorder(f"http://me:{PASSWORD}@nowhere.invalid:9200").__aenter__()

    assert "http://nowhere.invalid:9200: host name not found" in str(raised.value)


async def test_a_root_that_may_not_be_read_is_no_hindrance(cluster: FakeCluster, server: ScriptedServer) -> None:
    cluster.faults["GET /"] = [error(403, "security_exception")]

    async with make_recorder(server.url) as recorder:
        verdicts = await recorder.record(make_containers(1))

    assert recorder.product.name == ""
    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED]


async def test_refused_credentials_are_not_tried_on_every_node() -> None:
    refused = ScriptedServer(error(401, "security_exception"))
    also = ScriptedServer(error(401, "security_exception"))

    async with refused, also:
        with pytest.raises(RecorderLost):
            await make_recorder(refused.url, also.url, username="me", password=PASSWORD).__aenter__()

    assert len(refused.requests) + len(also.requests) == 1


async def test_entering_may_be_cancelled_while_nobody_answers() -> None:
    async with ScriptedServer(HANG) as server:
        with anyio.move_on_after(0.1) as scope:
            await make_recorder(server.url).__aenter__()

        assert scope.cancelled_caught


async def test_a_file_of_the_settings_that_is_not_there_is_said() -> None:
    with pytest.raises(RecordError, match=r"https://a:443: ca_file /no/such\.pem: No such file"):
        await make_recorder("https://a", ca_file="/no/such.pem").__aenter__()


async def test_recording_without_having_entered_is_our_error(server: ScriptedServer) -> None:
    with pytest.raises(RecordError, match="not entered"):
        await make_recorder(server.url).record(make_containers(1))


# -- a bulk that fails as a whole --


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error(401, "security_exception", "bad key"), "401 security_exception: bad key"),
        (error(403, "security_exception", "no create_doc"), "403 security_exception: no create_doc"),
        (error(403, "cluster_block_exception", "cluster read-only"), "403 cluster_block_exception: cluster read-only"),
    ],
)
async def test_a_bulk_that_is_not_allowed_drops_the_recorder(
    cluster: FakeCluster, server: ScriptedServer, answer: Answer, words: str
) -> None:
    cluster.faults[BULK] = [answer]

    async with make_recorder(server.url) as recorder:
        with pytest.raises(RecorderLost) as raised:
            await recorder.record(make_containers(2))

    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(HTML, 502, {"content-type": "text/html"}), "bulk: 502"),
        (Answer(HTML, 502), "bulk: 502"),
        (Answer(HTML, 502, {"content-type": "nonsense"}), "bulk: 502"),
        (Answer("", 504), "bulk: 504"),
        (error(503, "cluster_block_exception", "no master"), "bulk: 503 cluster_block_exception: no master"),
        (error(400, "illegal_argument_exception", "no newline"), "bulk: 400 illegal_argument_exception: no newline"),
        (Answer(HTML, headers={"content-type": "text/html"}), "bulk: the answer is cut off, or is not that of a bulk"),
        (Answer(GOOD.encode().partition(b"\r\n\r\n")[2][:-9]), "bulk: the answer is cut off"),
        (Answer({"errors": False, "items": [item(201)]}), "bulk: 1 answers for 2 documents"),
        (Answer({"errors": False, "items": [item(201)] * 3}), "bulk: 3 answers for 2 documents"),
        (Answer(b""), "bulk: the answer is cut off"),
        (Raw(GOOD.encode()[:-20]), "the connection was closed in the middle of the answer"),
        (Raw(GOOD.encode()[:-20], then="reset"), "closed before the answer was complete"),
        (Raw(GOOD.encode()[:30]), "the connection was closed"),
        (RESET, "closed before the answer was complete"),
        (CUT, "closed before the answer was complete"),
        (Answer(gzip.compress(b"{}")[:-9], headers={"content-encoding": "gzip"}), "gzip body ends too early"),
        (Answer(b"{}", headers={"content-encoding": "br"}), "content-encoding"),
    ],
)
async def test_a_bulk_without_a_whole_answer_settles_nothing_and_may_be_sent_again(
    cluster: FakeCluster, server: ScriptedServer, answer: AnyAnswer, words: str
) -> None:
    cluster.faults[BULK] = [answer]

    async with make_recorder(f"http://me:{PASSWORD}@{server.endpoint}") as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.record(make_containers(2))
        verdicts = await recorder.record(make_containers(2))

    assert not isinstance(raised.value, RecorderLost)
    assert words in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED] * 2


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None)])
async def test_the_clusters_wish_to_be_left_alone_is_passed_on(
    cluster: FakeCluster, server: ScriptedServer, header: str, seconds: float | None
) -> None:
    cluster.faults[BULK] = [error(429, "es_rejected_execution_exception", **{"Retry-After": header})]

    async with make_recorder(server.url) as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.record(make_containers(1))

    assert raised.value.retry_after == seconds
    assert sizes(server) == [1], "the client itself tries nothing again"


async def test_a_written_batch_whose_answer_was_lost_is_there_already_the_next_time(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    def swallow(request: Request) -> AnyAnswer:
        cluster(request)
        return RESET

    cluster.faults[BULK] = [swallow]

    async with make_recorder(server.url) as recorder:
        with pytest.raises(RecordError):
            await recorder.record(make_containers(3))
        verdicts = await recorder.record(make_containers(3))

    assert [verdict.outcome for verdict in verdicts] == [Outcome.DUPLICATE] * 3
    assert len(cluster.documents) == 3


async def test_a_hanging_bulk_is_left_at_the_callers_deadline_and_the_next_goes_through(
    cluster: FakeCluster, server: ScriptedServer
) -> None:
    cluster.faults[BULK] = [HANG]

    async with make_recorder(server.url) as recorder:
        with anyio.move_on_after(0.1) as scope:
            await recorder.record(make_containers(1))
        verdicts = await recorder.record(make_containers(1))

    assert scope.cancelled_caught
    assert [verdict.outcome for verdict in verdicts] == [Outcome.RECORDED]


@pytest.mark.parametrize(
    "answer",
    [
        Raw([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"] + [b"100000\r\n%b\r\n" % bytes(2**20)] * 40),
        Answer(zlib.compress(bytes(LARGEST_ANSWER * 8), wbits=31), headers={"content-encoding": "gzip"}),
    ],
    ids=["endless", "bomb"],
)
async def test_an_endless_answer_is_cut_off(cluster: FakeCluster, server: ScriptedServer, answer: AnyAnswer) -> None:
    cluster.faults[BULK] = [answer]

    async with make_recorder(server.url) as recorder:
        with pytest.raises(RecordError, match=f"larger than {LARGEST_ANSWER} bytes"):
            await recorder.record(make_containers(1))


async def test_warnings_of_the_server_are_no_warnings_of_ours(cluster: FakeCluster, server: ScriptedServer) -> None:
    cluster.faults["GET /"] = [Answer(cluster.root, headers={"warning": '299 Elasticsearch-9.5.3 "is deprecated"'})]

    async with make_recorder(server.url) as recorder:
        assert recorder.product.version == "9.5.3"


async def test_a_redirect_takes_no_credentials_anywhere(cluster: FakeCluster, server: ScriptedServer) -> None:
    async with ScriptedServer(FakeCluster()) as other:
        cluster.faults[BULK] = [Answer("", 307, {"location": f"{other.url}/_bulk"})]

        async with make_recorder(server.url, username="me", password=PASSWORD) as recorder:
            with pytest.raises(RecordError, match="redirects are not followed"):
                await recorder.record(make_containers(1))

        assert other.requests == []


async def test_when_a_node_goes_the_next_try_takes_another(cluster: FakeCluster, server: ScriptedServer) -> None:
    async with ScriptedServer(cluster) as second, make_recorder(server.url, second.url) as recorder:
        await recorder.record(make_containers(1))
        await server.__aexit__(None, None, None)
        outcomes = [await record_patiently(recorder, [make_container(number)], tries=2) for number in range(1, 7)]

    assert outcomes == [[Outcome.RECORDED]] * 6
    assert len(cluster.documents) == 7
