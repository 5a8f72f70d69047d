"""``expvastic check --ledger``: the minutes in which a destination holds other than what was recorded are named."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from expvastic.buffer import BatchSettings, BufferSettings
from expvastic.buffers.disk import DiskBuffer
from expvastic.cli.ledger import Bounds, _bounds, _tell
from expvastic.datatypes import Container, Poll
from expvastic.errors import RecordError
from expvastic.outcomes.ledger import Ledger
from expvastic.outcomes.minutes import MINUTE, Row
from expvastic.recorder import Counted
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, ElasticsearchSettings
from expvastic.recorders.file import FileRecorder, FileSettings, counting
from expvastic.recorders.file.lines import line_of
from expvastic.state import Mark, State
from program import run
from real_nodes import Node
from recorders.fake_cluster import FakeCluster, error
from samples import START, make_container
from scripted_http import Answer, AnyAnswer, ScriptedServer

AGENT = "00000000000000aa"
FIRST = START // MINUTE
CONFIG = """
settings: {state_dir: state}
readers:
  own: {type: self}
recorders:
  out: {type: file, path: out.ndjson}
  screen: {type: console}
  cluster: {type: elasticsearch, endpoint: &where "%s", timeout: 5s}
  same: {type: elasticsearch, endpoint: *where, timeout: 5s}
routes:
  main: {readers: own, recorders: [%s]}
"""


def sample(number: int, agent: str = AGENT, time: int = START) -> Container:
    values: dict[str, Any] = {"agent.id": agent}
    return make_container(number, time=time, **values)


def file_of(path: Path) -> FileRecorder:
    return FileRecorder(FileSettings(path=str(path)))


def cluster_of(url: str, **settings: Any) -> ElasticsearchRecorder:
    return ElasticsearchRecorder(ElasticsearchSettings.model_validate({"endpoint": url, **settings}))


async def count(recorder: Any, since: int = FIRST, until: int = FIRST + 10) -> Mapping[int, int]:
    assert isinstance(recorder, Counted)
    async with recorder:  # type: ignore[attr-defined]
        return await recorder.count_by_minute(AGENT, since, until)


# -- counting --


async def test_a_file_recorder_counts_its_lines_plain_and_compressed(tmp_path: Path) -> None:
    minutes = [sample(number, time=START + number % 3 * MINUTE) for number in range(10)]
    others = [sample(90, agent="ff"), sample(91, time=START - MINUTE), sample(92, time=START + 10 * MINUTE)]
    active, rotated, packed = (b"".join(map(line_of, part)) for part in (minutes[:3], minutes[3:6], minutes[6:]))
    (tmp_path / "x.ndjson").write_bytes(active + b"".join(map(line_of, others)) + b'nonsense\n{"_id":"torn')
    (tmp_path / "x-20261121T033100Z-002.ndjson").write_bytes(rotated)
    (tmp_path / "x-20261121T033100Z-001.ndjson.gz").write_bytes(gzip.compress(packed))
    (tmp_path / "x-20261121T033100Z-002.ndjson.gz").write_bytes(gzip.compress(rotated))  # not yet the only one
    (tmp_path / "y.ndjson").write_bytes(active)

    assert await count(file_of(tmp_path / "x.ndjson")) == {FIRST: 4, FIRST + 1: 3, FIRST + 2: 3}


async def test_a_file_that_was_never_written_has_nothing(tmp_path: Path) -> None:
    assert await count(file_of(tmp_path / "x.ndjson")) == {}


async def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(line_of(sample(number)) for number in range(100)))
    (tmp_path / "x-20261121T033100Z-001.ndjson.gz").write_bytes(packed[:-20])

    with pytest.raises(RecordError, match=r"x\.ndjson: the compressed data is cut or damaged"):
        await count(file_of(tmp_path / "x.ndjson"))


@pytest.mark.parametrize(("rotations", "found"), [(0, {FIRST: 2}), (1, {FIRST: 2}), (9, None)])
async def test_a_file_that_rotates_meanwhile_is_counted_anew(
    rotations: int, found: dict[int, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.ndjson").write_bytes(b"".join(line_of(sample(number)) for number in range(2)))
    left = list(range(rotations))
    count_files = counting._count

    def count_and_rotate(*arguments: Any) -> Any:
        counts = count_files(*arguments)
        if left:
            (tmp_path / "x.ndjson").rename(tmp_path / f"x-20261121T033100Z-00{left.pop() + 1}.ndjson")
            (tmp_path / "x.ndjson").touch()
        return counts

    monkeypatch.setattr(counting, "_count", count_and_rotate)
    if found is None:
        with pytest.raises(RecordError, match="its files change faster than they can be counted"):
            await count(file_of(tmp_path / "x.ndjson"))
    else:
        assert await count(file_of(tmp_path / "x.ndjson")) == found


async def test_a_file_that_nobody_wrote_to_since_is_not_read(tmp_path: Path) -> None:
    damaged = tmp_path / "x-20261121T033100Z-001.ndjson.gz"
    damaged.write_bytes(b"\x1f\x8bnonsense")
    os.utime(damaged, (0, 0))

    assert await count(file_of(tmp_path / "x.ndjson")) == {}


def histogram(counts: Mapping[int, int], failed: int = 0) -> Answer:
    buckets = [{"key": minute * 60_000, "doc_count": found} for minute, found in counts.items()]
    return Answer({"_shards": {"failed": failed}, "aggregations": {"minutes": {"buckets": buckets}}})


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def expect(cluster: FakeCluster, *found: AnyAnswer, refresh: AnyAnswer | None = None, name: str = "app") -> None:
    cluster.faults[f"POST /{name}/_refresh"] = [refresh or Answer({})]
    cluster.faults[f"POST /{name}/_search"] = list(found)


async def test_a_cluster_is_asked_for_the_agents_documents_minute_by_minute(cluster: FakeCluster) -> None:
    expect(cluster, histogram({FIRST: 5, FIRST + 2: 1}), refresh=error(403, "security_exception"))

    async with ScriptedServer(cluster) as server:
        found = await count(cluster_of(server.url, index_name="app"))

    question = json.loads(server.requests[-1].body)
    assert found == {FIRST: 5, FIRST + 2: 1}
    assert cluster.asked[-2:] == [f"POST /app/{what}?ignore_unavailable=true" for what in ("_refresh", "_search")]
    assert question["query"]["bool"]["filter"][0] == {"term": {"agent.id": AGENT}}
    span = {"gte": FIRST * 60_000, "lt": (FIRST + 10) * 60_000, "format": "epoch_millis"}
    assert question["query"]["bool"]["filter"][1] == {"range": {"@timestamp": span}}


async def test_where_the_mapping_is_a_foreign_one_the_keyword_beside_the_text_is_asked(cluster: FakeCluster) -> None:
    expect(cluster, histogram({}), histogram({FIRST: 2}))

    async with ScriptedServer(cluster) as server:
        found = await count(cluster_of(server.url, index_name="app"))

    assert found == {FIRST: 2}
    assert b"agent.id.keyword" in server.requests[-1].body


async def test_dated_indices_are_asked_together(cluster: FakeCluster) -> None:
    expect(cluster, histogram({FIRST: 2}), name="app-*")

    async with ScriptedServer(cluster) as server:
        assert await count(cluster_of(server.url, index_name="app-%{+yyyy.MM.dd}")) == {FIRST: 2}


@pytest.mark.parametrize("answer", [Answer({"_shards": {"failed": 0}}), error(404, "index_not_found_exception")])
async def test_what_is_not_there_yet_holds_nothing(answer: Answer, cluster: FakeCluster) -> None:
    expect(cluster, answer, answer)

    async with ScriptedServer(cluster) as server:
        assert await count(cluster_of(server.url, index_name="app")) == {}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (error(403, "security_exception"), "counting documents: 403 security_exception"),
        (error(503, "search_phase_execution_exception"), "counting documents: 503"),
        (histogram({FIRST: 1}, failed=1), "only a part of them could be searched"),
        (Answer({"timed_out": True, "_shards": {"failed": 0}}), "only a part of them could be searched"),
        (Answer("<html>"), "counting documents: not the answer"),
    ],
)
async def test_a_cluster_that_cannot_tell_is_an_error(answer: Answer, words: str, cluster: FakeCluster) -> None:
    expect(cluster, answer)

    async with ScriptedServer(cluster) as server:
        with pytest.raises(RecordError, match=words):
            await count(cluster_of(server.url, index_name="app"))


async def test_a_real_node_counts_what_it_was_given(real_node: Node) -> None:
    batch = [sample(number, time=START + number % 3 * MINUTE) for number in range(10)]
    batch += [sample(90, agent="ff"), sample(91, time=START - 1), sample(92, time=START + 10 * MINUTE)]
    settings = {"index_name": "app-%{+yyyy.MM.dd}"}
    async with cluster_of(real_node.url, **settings) as recorder:
        await recorder.record(batch)

    assert await count(cluster_of(real_node.url, **settings)) == {FIRST: 4, FIRST + 1: 3, FIRST + 2: 3}
    assert await count(cluster_of(real_node.url)) == {}


async def test_a_real_node_that_made_its_own_mapping_is_understood(real_node: Node) -> None:
    pieces = {"type": "text", "analyzer": "simple", "fields": {"keyword": {"type": "keyword"}}}  # of letters alone
    mappings = {"properties": {"@timestamp": {"type": "date"}, "agent": {"properties": {"id": pieces}}}}
    real_node.call("PUT", "/plain", {"mappings": mappings})
    async with cluster_of(real_node.url, index_name="plain") as recorder:
        await recorder.record([sample(number) for number in range(3)])

    assert await count(cluster_of(real_node.url, index_name="plain")) == {FIRST: 3}


# -- comparing --


def test_what_is_under_way_may_be_there_or_not() -> None:
    before = {FIRST: [Row(offered=10, recorded=6, refused=1, elsewhere=1)]}
    after = {FIRST: [Row(offered=14, recorded=9, refused=1, shed=1, elsewhere=1)]}

    assert _bounds(before, after, FIRST, FIRST + 1) == {FIRST: Bounds(5, 11)}


def test_what_another_recorder_of_the_place_wrote_is_counted_with_it() -> None:
    rows = {FIRST: [Row(offered=5, recorded=5), Row(offered=5, recorded=5, elsewhere=4)]}

    assert _bounds(rows, rows, FIRST, FIRST + 1) == {FIRST: Bounds(6, 6)}


def test_minutes_outside_of_the_day_are_not_compared() -> None:
    rows = {minute: [Row(offered=1, recorded=1)] for minute in (FIRST - 1, FIRST, FIRST + 1)}

    assert list(_bounds(rows, rows, FIRST, FIRST + 1)) == [FIRST]


def test_each_minute_that_differs_is_named_up_to_twenty(capsys: pytest.CaptureFixture[str]) -> None:
    bounds = {FIRST + place: Bounds(2, 4) for place in range(30)}
    found = {minute: minute % 2 * 5 for minute in bounds} | {FIRST + 99: 1}

    assert not _tell("recorder es", bounds, found)

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "recorder es: 31 minutes compared, 76 documents found, 31 minutes with a difference"
    assert {line.partition("Z ")[2] for line in told[1:21]} == {
        "expected 2 to 4, found 0 (-2)",
        "expected 2 to 4, found 5 (+1)",
    }
    assert told[1].startswith("  2026-11-21 03:31Z ")
    assert told[21:] == ["  and 11 more"]


# -- the command --


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_config(tmp_path, "out, screen")
    return tmp_path


def write_config(folder: Path, recorders: str, url: str = "127.0.0.1:1") -> None:
    (folder / "c.yml").write_text(CONFIG % (url, recorders))


def record(folder: Path, name: str, batch: Sequence[Container], settled: int, destination: str = "somewhere") -> str:
    """Offer a batch to a recorder's buffer and settle some of it, as a run would; returns the agent's id."""
    with State.open(folder / "state") as state:
        ledger = Ledger()
        buffer = DiskBuffer(BufferSettings(type="disk"), ledger, state.recorder_folder(name) / "buffer")
        buffer.open(0.0)
        buffer.put(Poll("app", 1, batch), 0.0)
        records = buffer.take(BatchSettings(), 1e9)[:settled]
        for each in records:
            ledger.record("app", each.container.time)
        buffer.settle(records)
        buffer.close(0.0)
        state.set_mark(Mark(name, "file", destination))
        return state.agent_id


def batch_of(agent: str, count: int = 9) -> list[Container]:
    """Some of this minute, some of the two before."""
    now = int(time.time()) * 1_000_000 - 5 * MINUTE
    return [sample(number, agent, time=now + number % 3 * MINUTE) for number in range(count)]


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return run("check", "--ledger", "-c", "c.yml", folder=folder)


@pytest.fixture
def agent(folder: Path) -> str:
    with State.open(folder / "state") as state:
        return state.agent_id


def test_a_file_that_holds_what_was_recorded_agrees(folder: Path, agent: str) -> None:
    batch = batch_of(agent)
    record(folder, "out", batch, settled=9)
    record(folder, "screen", batch, settled=9)
    (folder / "out.ndjson").write_bytes(b"".join(map(line_of, batch)))

    done = check(folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "recorder out: 3 minutes compared, 9 documents found, no difference",
        "recorder screen: not compared; standard output cannot be asked what it holds",
    ]


def test_what_a_recorder_recorded_under_its_former_name_is_compared_with_it(folder: Path, agent: str) -> None:
    batch = batch_of(agent)
    record(folder, "former", batch[:4], settled=4, destination=str(folder / "out.ndjson"))
    record(folder, "another", batch[:4], settled=4)
    record(folder, "out", batch[4:], settled=5)
    (folder / "out.ndjson").write_bytes(b"".join(map(line_of, batch)))

    done = check(folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "recorders out, former: 3 minutes compared, 9 documents found, no difference\n"


def test_a_document_that_is_missing_is_named_by_its_minute(folder: Path, agent: str) -> None:
    batch = batch_of(agent)
    record(folder, "out", batch, settled=9)
    (folder / "out.ndjson").write_bytes(b"".join(map(line_of, batch[1:])))

    done = check(folder)

    minute = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(batch[0].time / 1e6))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "recorder out: 3 minutes compared, 8 documents found, 1 minute with a difference",
        f"  {minute} expected 3, found 2 (-1)",
    ]


@pytest.mark.parametrize("written", [6, 8, 9])
def test_what_waits_may_be_there_or_not(written: int, folder: Path, agent: str) -> None:
    batch = batch_of(agent)
    record(folder, "out", batch, settled=6)
    (folder / "out.ndjson").write_bytes(b"".join(map(line_of, batch[:written])))

    assert check(folder).returncode == 0


def test_it_looks_beside_a_process_that_is_at_work(folder: Path, agent: str) -> None:
    batch = batch_of(agent)
    record(folder, "out", batch, settled=9)
    (folder / "out.ndjson").write_bytes(b"".join(map(line_of, batch)))
    files = sorted((folder / "state").rglob("*"))

    with State.open(folder / "state"):
        done = check(folder)

    assert done.returncode == 0
    assert sorted((folder / "state").rglob("*")) == files


async def test_recorders_that_share_a_destination_are_compared_together(folder: Path, agent: str) -> None:
    cluster, batch = FakeCluster(), batch_of(agent)
    expect(cluster, histogram({each.time // MINUTE: 3 for each in batch}), name="metrics-expvastic-default")
    record(folder, "cluster", batch[:6], settled=6)
    record(folder, "same", batch[6:], settled=3)

    async with ScriptedServer(cluster) as server:
        write_config(folder, "cluster, same", server.url)
        done = await anyio.to_thread.run_sync(partial(check, folder))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "recorders cluster, same: 3 minutes compared, 9 documents found, no difference\n"


def test_a_destination_that_cannot_be_reached_is_one_line(folder: Path, agent: str) -> None:
    record(folder, "cluster", batch_of(agent), settled=9)
    write_config(folder, "cluster")

    done = check(folder)

    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (1, "", 1)
    assert done.stdout.startswith("recorder cluster: cannot be compared: http://127.0.0.1:1: ")


def _leave_it(_: Path) -> None:
    """There is no state directory."""


def _forget_state_dir(folder: Path) -> None:
    (folder / "c.yml").write_text((folder / "c.yml").read_text().replace("state_dir: state", "log_level: info"))


def _make_state_dir(folder: Path) -> None:
    State.open(folder / "state").close()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_leave_it, "expvastic: state_dir "),
        (_forget_state_dir, "expvastic: there is no state_dir in c.yml"),
        (_make_state_dir, "expvastic: there is no ledger in "),
    ],
)
def test_without_a_ledger_it_says_why_in_one_line(prepare: Callable[[Path], None], words: str, folder: Path) -> None:
    prepare(folder)

    done = check(folder)

    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (1, 1, "")
    assert done.stderr.startswith(words)
