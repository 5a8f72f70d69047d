"""The time-series mode where a server is slow, forgetful or strict: nothing lost, nothing twice, one line each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_cluster import FakeCluster, body_of, error, item, make_recorder

from expvastic.errors import RecordError
from expvastic.recorder import Outcome, Verdict
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, ElasticsearchSettings
from samples import make_container
from scripted_http import Answer, AnyAnswer, Request, ScriptedServer

STREAM = "metrics-expvastic-default"
PLAIN = f"{STREAM}-plain"
INDEX = f".ds-{STREAM}-000001"
OUTSIDE = (
    "the document timestamp [2026-11-25T10:00:00.000Z] is outside of ranges of currently writable indices",
    "time series index @timestamp value [2026-11-22T00:00:00Z] must be smaller than 2026-11-21T00:00:00Z",
    "time series index @timestamp value [2026-11-19T00:00:00Z] must be larger than 2026-11-20T00:00:00Z",
)


class SeriesCluster(FakeCluster):
    """Keeps one document per ``@timestamp`` in the series, and what has an id wherever it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.series: dict[str, dict[str, Any]] = {}  # by the series' own id

    def __call__(self, request: Request) -> AnyAnswer:
        path = request.path.partition("?")[0]
        if self.faults.get(f"{request.method} {path}"):
            return super().__call__(request)
        if path in (f"/{STREAM}/_mapping", f"/{STREAM}/_settings"):
            self.asked.append(f"{request.method} {path}")
            return Answer({INDEX: {"mappings": {}, "settings": {"index": {"mode": "time_series"}}}})
        if path == "/_bulk" and b'"_id"' not in body_of(request).partition(b"\n")[0]:
            self.asked.append(f"{request.method} {path}")
            return self._add(body_of(request).split(b"\n"))
        if path == f"/{INDEX}/_mget":
            ids = json.loads(request.body)["ids"]
            return Answer({"docs": [{"_id": known, "_source": self.series.get(known, {})} for known in ids]})
        return super().__call__(request)

    def _add(self, lines: list[bytes]) -> Answer:
        items = []
        for line in lines[1:-1:2]:
            document = json.loads(line)
            known = f"at-{document['@timestamp']}"
            is_new = known not in self.series
            self.series.setdefault(known, document)
            items.append(item(201 if is_new else 409, "version_conflict_engine_exception", index=INDEX, _id=known))
        return Answer({"errors": True, "items": items})


async def record(cluster: FakeCluster, *numbers: int, **settings: Any) -> list[Verdict]:
    async with ScriptedServer(cluster) as server, make_recorder(server.url, mode="time_series", **settings) as recorder:
        return list(await recorder.record([make_container(number) for number in numbers]))


def outcomes(verdicts: list[Verdict]) -> list[Outcome]:
    return [verdict.outcome for verdict in verdicts]


async def test_the_series_gives_ids_itself_and_has_ours_as_a_field() -> None:
    cluster = SeriesCluster()

    verdicts = await record(cluster, 0, 1)

    assert outcomes(verdicts) == [Outcome.RECORDED] * 2
    assert [document["event.id"] for document in cluster.series.values()] == ["app-000000", "app-000001"]
    assert cluster.documents == []


async def test_a_conflict_that_names_the_place_in_words_alone_is_understood() -> None:
    cluster = SeriesCluster()
    await record(cluster, 0)
    [place] = cluster.series
    taken = item(409, "version_conflict_engine_exception", f"[{place}][tsid@then]: version conflict", index=INDEX)
    cluster.faults["POST /_bulk"] = [Answer({"errors": True, "items": [taken]})]

    assert outcomes(await record(cluster, 0)) == [Outcome.DUPLICATE]


async def test_a_place_taken_by_itself_is_a_duplicate_and_by_another_is_for_the_sibling() -> None:
    cluster = SeriesCluster()
    await record(cluster, 0, 1)
    next(iter(cluster.series.values()))["event.id"] = "another"

    verdicts = await record(cluster, 0, 1, 2)

    assert outcomes(verdicts) == [Outcome.RECORDED, Outcome.DUPLICATE, Outcome.RECORDED]
    assert [(index, known) for index, known, _ in cluster.documents] == [(PLAIN, "app-000000")]


@pytest.mark.parametrize("made_up", [{"event": {"id": "app-000000"}}, {"event.id": "app-000000"}])
async def test_our_id_is_found_however_the_server_writes_its_name(made_up: dict[str, Any]) -> None:
    cluster = SeriesCluster()
    await record(cluster, 0)
    cluster.series = dict.fromkeys(cluster.series, made_up)

    assert outcomes(await record(cluster, 0)) == [Outcome.DUPLICATE]


@pytest.mark.parametrize("words", OUTSIDE)
@pytest.mark.parametrize("is_cause", [False, True])
async def test_what_the_server_calls_outside_of_its_range_goes_to_the_sibling(words: str, is_cause: bool) -> None:
    cluster = SeriesCluster()
    reason = "failed to parse" if is_cause else words
    cause = {"error": {"caused_by": {"type": "illegal_argument_exception", "reason": words}}} if is_cause else {}
    refused = item(400, "document_parsing_exception", reason, **cause)
    cluster.faults["POST /_bulk"] = [Answer({"errors": True, "items": [refused]})]

    [verdict] = await record(cluster, 0)

    assert (verdict.outcome, verdict.destination) == (Outcome.RECORDED, PLAIN)
    assert [known for _, known, _ in cluster.documents] == ["app-000000"]


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, Outcome.REFUSED), (403, Outcome.BLOCKED), (429, Outcome.AGAIN), (503, Outcome.AGAIN)]
)
async def test_any_other_answer_stands(status: int, outcome: Outcome) -> None:
    cluster = SeriesCluster()
    cluster.faults["POST /_bulk"] = [Answer({"errors": True, "items": [item(status, "some_exception", "no")]})]

    [verdict] = await record(cluster, 0)

    assert verdict.outcome is outcome
    assert cluster.documents == []


async def test_if_it_cannot_be_told_who_is_there_it_is_tried_again_in_doubt() -> None:
    cluster = SeriesCluster()
    await record(cluster, 0)
    cluster.faults[f"POST /{INDEX}/_mget"] = [error(503, "unavailable_shards_exception")]

    taken, new = await record(cluster, 0, 1)

    assert (taken.outcome, taken.in_doubt) == (Outcome.AGAIN, True)
    assert new.outcome is Outcome.RECORDED
    assert cluster.documents == []


async def test_what_the_series_took_stands_if_the_sibling_does_not_answer() -> None:
    cluster = SeriesCluster()
    await record(cluster, 0)
    next(iter(cluster.series.values()))["event.id"] = "another"

    def answer_series_then_fail(request: Request) -> AnyAnswer:
        cluster.faults["POST /_bulk"] = [error(503, "cluster_block_exception")]
        return cluster._add(body_of(request).split(b"\n"))

    cluster.faults["POST /_bulk"] = [answer_series_then_fail]

    first, second = await record(cluster, 0, 1)

    assert (first.outcome, second.outcome) == (Outcome.AGAIN, Outcome.RECORDED)
    assert "503" in first.detail


async def test_nothing_but_events_and_no_answer_is_an_error() -> None:
    cluster = SeriesCluster()
    event = make_container(0, **{"event.dataset": "expvar.gc"})
    cluster.faults["POST /_bulk"] = [error(503, "cluster_block_exception")]

    async with ScriptedServer(cluster) as server, make_recorder(server.url, mode="time_series") as recorder:
        with pytest.raises(RecordError):
            await recorder.record([event])
        [verdict] = await recorder.record([event])

    assert (verdict.outcome, verdict.destination) == (Outcome.RECORDED, PLAIN)


async def test_a_destination_that_is_no_series_is_blocked_whoever_manages_templates() -> None:
    for manages in (True, False):
        cluster = SeriesCluster()
        plain = Answer({INDEX: {"mappings": {}, "settings": {"index": {"mode": "standard"}}}})
        cluster.faults[f"GET /{STREAM}/_settings"] = [plain]

        [verdict] = await record(cluster, 0, manage_template=manages)

        assert (verdict.outcome, verdict.reason) == (Outcome.BLOCKED, "no usable template")
        assert f"{STREAM} is no time series" in verdict.detail
        assert cluster.documents == []
        assert cluster.series == {}


async def test_a_product_without_time_series_is_told() -> None:
    [verdict] = await record(FakeCluster("opensearch"), 0)

    assert verdict.outcome is Outcome.BLOCKED
    assert "needs Elasticsearch 8.7 or newer, and this is OpenSearch 3.8.0; take mode: data_stream" in verdict.detail


@pytest.mark.parametrize("status", [200, 403, 404])
async def test_documents_in_doubt_are_looked_for_in_the_series(status: int) -> None:
    cluster = SeriesCluster()
    hits = {"hits": {"hits": [{"_source": {"event.id": "app-000001"}}]}}
    cluster.faults[f"POST /{STREAM}/_refresh"] = [Answer({})]
    cluster.faults[f"POST /{STREAM}/_search"] = [Answer(hits) if status == 200 else error(status, "no")]

    async with ScriptedServer(cluster) as server, make_recorder(server.url, mode="time_series") as recorder:
        found = await recorder.find([make_container(0), make_container(1)])

    assert found == [False, status == 200]


async def test_documents_in_doubt_are_looked_for_in_a_sibling_that_rolled_over() -> None:
    cluster = SeriesCluster()
    event = make_container(0, **{"event.dataset": "expvar.gc"})
    cluster.streams.add(PLAIN)
    cluster.roll_over(PLAIN)

    async with ScriptedServer(cluster) as server, make_recorder(server.url, mode="time_series") as recorder:
        await recorder.record([event])
        cluster.roll_over(PLAIN)
        cluster.faults = {f"POST /{STREAM}/_refresh": [Answer({})], f"POST /{STREAM}/_search": [Answer({})]}
        found = await recorder.find([event, make_container(1)])

    assert found == [True, False]


@pytest.mark.parametrize("path", ["_refresh", "_search"])
async def test_a_cluster_that_cannot_tell_now_is_asked_later(path: str) -> None:
    cluster = SeriesCluster()
    cluster.faults = {f"POST /{STREAM}/_refresh": [Answer({})], f"POST /{STREAM}/_search": [Answer("<html>")]}
    cluster.faults[f"POST /{STREAM}/{path}"] = [error(503, "no")]

    async with ScriptedServer(cluster) as server, make_recorder(server.url, mode="time_series") as recorder:
        with pytest.raises(RecordError, match="503"):
            await recorder.find([make_container(0)])


def test_a_date_in_the_name_and_a_time_series_exclude_each_other() -> None:
    settings = {"endpoint": "localhost:9200", "mode": "time_series"}

    with pytest.raises(ValueError, match="goes with a name without a date"):
        ElasticsearchSettings.model_validate({**settings, "index_name": "app-%{+yyyy}"})
    with pytest.raises(ValueError, match="longer than"):
        ElasticsearchSettings.model_validate({**settings, "index_name": "a" * 252})
    assert ElasticsearchRecorder(ElasticsearchSettings.model_validate(settings)).destination.endswith(STREAM)
