"""The reader of expvastic itself: the ancestor's names, one page per recorder and reader, names as labels."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping

import anyio
import pytest
from msgspec.structs import replace

from contracts.reader import ReaderContract
from expvastic.accounts import process_fields, recorder_fields
from expvastic.datatypes import Page
from expvastic.readers.self import SelfReader, SelfSettings
from expvastic.telemetry import DeliveryStatistics, ProcessStatistics, ReaderStatistics, Snapshot

ANCESTRAL = [
    *("Recorders", "Readers", "Read Jobs", "Record Jobs", "Errored Jobs", "Records Distributed", "DataType Objects"),
    *("DataType Objects Errors", "Unidentified JSON Count", "StringType Count", "FloatType Count", "GCListType Count"),
    *("ByteType Count", "Expvar Reads", "ElasticSearch Records"),
]
READER = ReaderStatistics(
    type="expvar",
    target="http://localhost:1234/debug/vars",
    state="reading",
    interval=1.0,
    polls=12,
    readings=9,
    failures={"connect": 2, "not_json": 1},
    failing_since=0.0,
    last_error="",
    missed=3,
    containers=9,
    values={"float": 1, "integer": 20, "string": 4, "string_list": 1, "float_list": 2, "gc_list": 5, "byte": 6},
    left_out={"null": 7},
    clock_steps=1,
    last_success=1_795_231_860.5,
    last_duration=0.25,
    left_out_names={"expvar.secret_name": {"null": 7}},
)
RECORDER = DeliveryStatistics(
    type="elasticsearch",
    destination="http://localhost:9200/expvastic",
    state="closed",
    offered=2**53 + 1,
    recorded=2**53 - 13,
    duplicates=1,
    conflicts=0,
    shared=0,
    failure_store=0,
    salvaged=0,
    replayed=0,
    refused={"400 mapper_parsing_exception": 2},
    shed={"full": 4},
    waiting=5,
    out=3,
    weight=4096,
    enqueued=30,
    consumed=22,
    buffer_errors={},
    quarantined=2,
    lanes=1,
    retried=1,
    blocked=0,
    batches=4,
    failures=1,
    drops=0,
    last_success=1_795_231_861.0,
    last_error="",
)
SNAPSHOT = Snapshot(
    version="1",
    agent_id="agent",
    host="host",
    time=1_795_231_900.5,
    started=1_795_231_800.0,
    state="running",
    process=ProcessStatistics(cpu=1.5, memory=50_000_000, threads=3, tasks=7),
    readers={"my.app": READER, "own": replace(READER, type="self", failures={}, values={"integer": 30}, left_out={})},
    recorders={"es": RECORDER, "file": replace(RECORDER, type="file", refused={}, shed={}, recorded=2**53 - 7)},
)


def reader_of(snapshot: Snapshot, **settings: object) -> SelfReader:
    return SelfReader(SelfSettings.model_validate(settings), lambda: snapshot)


def of_dataset(pages: tuple[Page, ...], dataset: str) -> dict[str, Mapping[str, object]]:
    """The bodies of a dataset by their label."""
    bodies: dict[str, Mapping[str, object]] = {}
    for page in pages:
        if page.dataset == dataset:
            assert isinstance(page.body, Mapping)
            bodies["/".join(page.labels.values())] = page.body
    return bodies


class TestSelfReader(ReaderContract):
    @contextlib.asynccontextmanager
    async def make(self) -> AsyncIterator[SelfReader]:
        yield reader_of(SNAPSHOT)


async def test_the_process_has_the_ancestor_s_totals_under_its_names() -> None:
    reading = await reader_of(SNAPSHOT).read()

    [process] = of_dataset(reading.pages, "expvastic.process").values()
    assert process == process_fields(SNAPSHOT)
    assert set(ANCESTRAL) <= set(process)
    assert (process["Readers"], process["Recorders"], process["Read Jobs"], process["Expvar Reads"]) == (2, 2, 24, 9)
    assert process["ElasticSearch Records"] == 2**53 - 13


async def test_the_process_says_what_it_costs() -> None:
    reading = await reader_of(SNAPSHOT).read()

    [process] = of_dataset(reading.pages, "expvastic.process").values()
    assert (process["cpu_seconds"], process["resident_bytes"], process["uptime_seconds"]) == (1.5, 50_000_000, 100.5)


async def test_each_recorder_has_a_page_without_empty_maps() -> None:
    reading = await reader_of(SNAPSHOT).read()

    recorders = of_dataset(reading.pages, "expvastic.recorder")
    assert list(recorders) == ["es", "file"]
    assert recorders["es"]["offered"] == 2**53 + 1
    assert recorders["es"]["shed_by_reason"] == {"full": 4}
    assert set(recorder_fields(RECORDER)) - set(recorders["file"]) == {"shed_by_reason", "buffer_errors_by_type"}


async def test_each_reader_has_a_page_with_its_polls_and_failures_by_reason() -> None:
    reading = await reader_of(SNAPSHOT).read()

    readers = of_dataset(reading.pages, "expvastic.reader")
    assert list(readers) == ["my.app", "own"]
    assert readers["my.app"]["polls"] == 12
    assert readers["my.app"]["failures_by_reason"] == {"connect": 2, "not_json": 1}
    assert "failures_by_reason" not in readers["own"]


async def test_names_of_users_things_and_of_their_values_are_never_field_names() -> None:
    reading = await reader_of(SNAPSHOT).read()

    bodies = json.dumps([page.body for page in reading.pages])
    assert [name for name in ("my.app", "own", '"es"', "secret_name") if name in bodies] == []


@pytest.mark.virtual_time
async def test_readers_have_a_page_at_most_once_in_their_own_interval() -> None:
    reader = reader_of(SNAPSHOT, reader_interval="60s")
    counts = []
    for _ in range(14):
        counts.append(len(of_dataset((await reader.read()).pages, "expvastic.reader")))
        await anyio.sleep(10)

    assert counts == [2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 2, 0]


def test_it_has_no_address_and_stands_below_expvar() -> None:
    assert reader_of(SNAPSHOT).target == ""
    assert SelfReader.prefix == "expvar"
