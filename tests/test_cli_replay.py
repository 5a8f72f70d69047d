"""``expvastic replay``: what a file recorder wrote goes to another recorder, exactly, and only once."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from expvastic.buffer import BufferSettings
from expvastic.buffers.memory import MemoryBuffer
from expvastic.cli.feeding import Feed
from expvastic.cli.known import KnownIds
from expvastic.datatypes import Container
from expvastic.delivery import Delivery, DeliverySettings
from expvastic.outcomes.ledger import Ledger
from expvastic.recorders.file.lines import line_of
from expvastic.recorders.file.readback import LONGEST, lines_in, parse
from fakes import FakeSink, Log
from program import PATIENCE, command, run
from recorders.fake_cluster import FakeCluster, item
from samples import START, make_container, make_containers, make_poll
from scripted_http import Answer, Request, ScriptedServer

CONFIG = """
readers:
  own: {type: self}
recorders:
  out: {type: file, path: out.ndjson}
  cluster: {type: elasticsearch, endpoint: %s, index_name: app, retry: {initial: 50ms, max: 100ms}}
routes:
  main: {readers: own, recorders: [out, cluster]}
"""
NOBODY = "127.0.0.1:1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yml").write_text(CONFIG % NOBODY)
    return tmp_path


def lines(containers: Sequence[Container]) -> bytes:
    return b"".join(map(line_of, containers))


def replay(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("replay", "-c", "c.yml", *arguments, folder=folder)


async def replay_into(cluster: FakeCluster, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    async with ScriptedServer(cluster) as server:
        (folder / "c.yml").write_text(CONFIG % server.url)
        return await anyio.to_thread.run_sync(partial(replay, folder, *arguments, "--to", "cluster"))


# -- where it goes --


def test_lines_arrive_byte_for_byte_and_a_second_time_changes_nothing(folder: Path) -> None:
    written = lines(make_containers(10_500))  # more than a file recorder remembers
    (folder / "in.ndjson").write_bytes(written)

    first = replay(folder, "in.ndjson", "--to", "out")
    second = replay(folder, "in.ndjson", "--to", "out")

    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == "read 10500 lines: 10500 recorded, 0 there already, 0 refused, 0 bad lines\n"
    assert second.stdout == "read 10500 lines: 0 recorded, 10500 there already, 0 refused, 0 bad lines\n"
    assert (folder / "out.ndjson").read_bytes() == written


def test_a_file_replayed_into_itself_stays_as_it_is(folder: Path) -> None:
    (folder / "out.ndjson").write_bytes(lines(make_containers(600)))
    (folder / "out-20261121T033100Z-001.ndjson.gz").write_bytes(gzip.compress(lines(make_containers(600, "old"))))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    done = replay(folder, "out.ndjson", "out-20261121T033100Z-001.ndjson.gz", "--to", "out")

    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_plain_and_compressed_files_are_told_apart_by_what_is_in_them(folder: Path) -> None:
    (folder / "plain.gz").write_bytes(lines(make_containers(2)))
    (folder / "packed.ndjson").write_bytes(gzip.compress(lines(make_containers(2, first=2))))

    done = replay(folder, "plain.gz", "packed.ndjson", "--to", "out")

    assert done.returncode == 0
    assert (folder / "out.ndjson").read_bytes() == lines(make_containers(4))


def test_standard_input_is_read_too(folder: Path) -> None:
    packed = gzip.compress(lines(make_containers(3)))
    done = subprocess.run(
        command("replay", "-", "--to", "out", "-c", "c.yml"), cwd=folder, input=packed, capture_output=True
    )

    assert done.returncode == 0
    assert (folder / "out.ndjson").read_bytes() == lines(make_containers(3))


async def test_documents_reach_a_cluster_under_their_ids_and_are_known_again(folder: Path) -> None:
    cluster = FakeCluster()
    (folder / "in.ndjson").write_bytes(lines(make_containers(1_200)))

    first = await replay_into(cluster, folder, "in.ndjson")
    second = await replay_into(cluster, folder, "in.ndjson")

    assert (first.returncode, second.returncode) == (0, 0)
    assert second.stdout == "read 1200 lines: 0 recorded, 1200 there already, 0 refused, 0 bad lines\n"
    assert cluster.ids == [container.id for container in make_containers(1_200)]
    assert [document for _, _, document in cluster.documents] == [
        json.loads(container.document) for container in make_containers(1_200)
    ]


async def test_a_stream_that_rolled_over_meanwhile_gets_nothing_twice(folder: Path) -> None:
    cluster = FakeCluster()
    cluster.streams.add("app")
    cluster.roll_over("app")
    (folder / "in.ndjson").write_bytes(lines(make_containers(5)))

    await replay_into(cluster, folder, "in.ndjson")
    cluster.roll_over("app")
    second = await replay_into(cluster, folder, "in.ndjson")

    assert second.stdout == "read 5 lines: 0 recorded, 5 there already, 0 refused, 0 bad lines\n"
    assert len(cluster.documents) == 5


# -- what goes wrong --


class Refusing(FakeCluster):
    """Refuses one document, whatever is left of it."""

    def _bulk(self, request: Request) -> Answer:
        actions = [json.loads(line)["create"]["_id"] for line in request.body.split(b"\n")[:-1:2]]
        kept = super()._bulk(request)
        assert isinstance(kept.body, dict)
        items = [
            item(400, "document_parsing_exception", "no") if known == "app-000001" else kept_item
            for known, kept_item in zip(actions, kept.body["items"], strict=True)  # type: ignore[call-overload]
        ]
        return Answer({"errors": True, "items": items})


async def test_what_is_refused_is_counted_with_its_reason(folder: Path) -> None:
    (folder / "in.ndjson").write_bytes(lines(make_containers(3)))

    done = await replay_into(Refusing(), folder, "in.ndjson")

    assert done.returncode == 1
    assert done.stdout == (
        "read 3 lines: 2 recorded, 0 there already, 1 refused (1 x 400 document_parsing_exception), 0 bad lines\n"
    )
    assert [line["event"] for line in map(json.loads, done.stderr.splitlines())] == ["document refused"]


def test_bad_lines_are_counted_and_the_first_of_each_file_is_named(folder: Path) -> None:
    good = lines(make_containers(1))
    (folder / "one").write_bytes(good + b"\n[]\nnonsense\n")
    (folder / "two").write_bytes(b'{"@timestamp":"2026-11-21T03:31:00Z"}\n')

    done = replay(folder, "one", "two", "--to", "out")

    assert done.returncode == 1
    assert done.stdout == "read 4 lines: 1 recorded, 0 there already, 0 refused, 3 bad lines\n"
    assert done.stderr == "expvastic: one:3: no JSON object\nexpvastic: two:1: no _id as its first member\n"


def test_a_compressed_file_that_is_cut_gives_what_it_has(folder: Path) -> None:
    (folder / "cut").write_bytes(gzip.compress(lines(make_containers(5_000)))[:20_000])
    (folder / "whole").write_bytes(lines(make_containers(1, "other")))

    done = replay(folder, "cut", "whole", "--to", "out")

    written = (folder / "out.ndjson").read_bytes()
    assert done.returncode == 1
    assert done.stderr.startswith("expvastic: cut: not read to the end, after line ")
    assert done.stderr.endswith(": the compressed data is cut or damaged\n")
    assert written.endswith(lines(make_containers(1, "other")))
    assert written.count(b"\n") > 100


def test_a_recorder_that_takes_nothing_is_given_up_and_it_is_said_what_was_not_sent(folder: Path) -> None:
    (folder / "in.ndjson").write_bytes(lines(make_containers(7)))
    with (folder / "out.ndjson").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = replay(folder, "in.ndjson", "--to", "out", "--timeout", "1s")

    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert done.stdout.endswith("0 bad lines, 7 not known to be recorded\n")
    assert last.startswith("expvastic: gave up on recorder out after 1 s without progress: cannot write ")
    assert last.endswith("; not all was sent; it is safe to run this again")


def test_progress_is_one_line_that_is_rewritten_on_a_terminal(folder: Path) -> None:
    (folder / "in.ndjson").write_bytes(lines(make_containers(7)))
    controller, terminal = pty.openpty()
    arguments = command("replay", "in.ndjson", "--to", "cluster", "--timeout", "700ms", "-c", "c.yml")

    done = subprocess.run(arguments, cwd=folder, stderr=terminal, stdout=subprocess.PIPE, timeout=PATIENCE)
    os.close(terminal)
    shown = os.read(controller, 100_000)
    os.close(controller)

    progress = b"read 7 lines: 0 recorded, 0 there already, 0 refused, 0 bad lines, 7 not known to be recorded"
    assert shown.count(b"\x1b[K" + progress + b"\r") >= 1
    assert done.stdout == progress + b"\n"


def test_standard_input_that_is_closed_is_said(folder: Path) -> None:
    done = subprocess.run(
        shlex.join(command("replay", "-", "--to", "out", "-c", "c.yml")) + " <&-",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr == "expvastic: standard input: not read to the end, after line 0: it is closed\n"


def test_an_interrupt_ends_it_though_nothing_comes_in(folder: Path) -> None:
    arguments = command("replay", "-", "--to", "out", "-c", "c.yml")
    with subprocess.Popen(arguments, cwd=folder, stdin=-1, stdout=-1, stderr=-1, text=False) as process:
        assert process.stdin
        process.stdin.write(lines(make_containers(501)))
        process.stdin.flush()
        until = time.monotonic() + PATIENCE
        while not (folder / "out.ndjson").exists() or not (folder / "out.ndjson").stat().st_size:
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        code = process.wait(PATIENCE)
        assert process.stdout
        assert process.stderr
        told, complaint = process.stdout.read(), process.stderr.read()

    assert code == 130
    assert told.startswith(b"read 501 lines: ")
    assert complaint == b"expvastic: interrupted; it is safe to run this again\n"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["in.ndjson", "--to", "outt"], 2, "replay --to: no recorder outt in c.yml; did you mean out?"),
        (["in.ndjson", "--to", "own"], 2, "replay --to: no recorder own in c.yml; there is out, cluster"),
        (["in.ndjson", "--to", "out", "--timeout", "soon"], 2, "replay --timeout: not a duration"),
        (["nowhere", "--to", "out"], 1, "expvastic: replay: nowhere: No such file or directory"),
        (["in.ndjson", ".", "--to", "out"], 1, "expvastic: replay: . is a folder; name the files in it"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_sent(
    arguments: list[str], code: int, complaint: str, folder: Path
) -> None:
    (folder / "in.ndjson").write_bytes(lines(make_containers(1)))

    done = replay(folder, *arguments)

    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (code, 1, "")
    assert done.stderr.startswith(complaint)
    assert not (folder / "out.ndjson").exists()


def test_without_a_configuration_it_is_asked_for(tmp_path: Path) -> None:
    done = run("replay", "x", "--to", "y", folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "which configuration? give it with -c FILE" in done.stderr


# -- lines --


@pytest.mark.parametrize(
    "document",
    [
        b'"@timestamp":"2026-11-21T03:31:00Z","n":123456789012345678901234567890,"f":1.50e-7,"z":-0.0}',
        b' "@timestamp" : "2026-11-21T04:31:00+01:00" , "a" : { "_id" : 1 } }',
        b'"@timestamp":"2026-11-21T03:31:00","n":1e400}',
        '"@timestamp":"2026-11-21T03:31:00.000000Z","ü":"\u2028"}'.encode(),
    ],
)
def test_a_document_is_the_bytes_of_its_line_without_the_id(document: bytes) -> None:
    found = parse(b'{"_id":"a\\"b",' + document + b"\n")

    assert found.id == 'a"b'
    assert found.time == START
    assert found.document == b"{" + document.strip()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b'{"_id":"a","@timestamp":"2026-11-21T03:31:00Z"', "no JSON object"),
        (b'{"_id":"a","@timestamp":"2026-11-21T03:31:00Z","x":"\xff"}', "no JSON object"),
        (b'{"_id":"a","@timestamp":"2026-11-21T03:31:00Z","x":NaN}', "no JSON object"),
        (b'{"_id":"a","x":' + b"[" * 100_000, "no JSON object"),
        (b"{}", "no _id as its first member"),
        (b'{"_id":7,"@timestamp":"2026-11-21T03:31:00Z"}', "no _id as its first member"),
        (b'{"@timestamp":"2026-11-21T03:31:00Z","_id":"a"}', "no _id as its first member"),
        (b'{"_id":"a","@timestamp":"2026-11-21T03:31:00Z","_id":"b"}', "no _id as its first member"),
        (b'{"_id":"a"}', "no _id as its first member"),
        (b'{"_id":"\\ud800","@timestamp":"2026-11-21T03:31:00Z"}', "no JSON object"),
        (b'{"_id":"","@timestamp":"2026-11-21T03:31:00Z"}', "an _id that is empty or longer than 512 bytes"),
        (b'{"_id":"%s","x":1}' % (b"a" * 513), "an _id that is empty or longer than 512 bytes"),
        (b'{"_id":"a","x":1}', "no usable @timestamp"),
        (b'{"_id":"a","@timestamp":1795231860000}', "no usable @timestamp"),
        (b'{"_id":"a","@timestamp":"yesterday"}', "no usable @timestamp"),
    ],
)
def test_a_line_of_somebody_else_is_refused_with_the_reason(line: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}$"):
        parse(line)


def test_a_line_without_end_takes_bounded_memory_and_costs_itself_alone(tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.write(b"x" * (2 * LONGEST + 5) + b"\nnext\n" + b"y" * LONGEST)

    with (tmp_path / "long").open("rb") as file:
        found = list(lines_in(file))

    assert [len(line) for line in found] == [LONGEST, 5, LONGEST]
    assert found[1] == b"next\n"


def test_what_is_appended_while_it_is_read_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "growing").write_bytes(b"a\nb\nc\n")

    with (tmp_path / "growing").open("rb") as file:
        found = list(lines_in(file, 3))

    assert found == [b"a\n", b"b\n"]


# -- bounds --


def test_known_ids_are_told_from_new_ones() -> None:
    known = KnownIds()
    ids = [f"id-{number}" for number in range(20_000)] + ["", "ü", "\udc80"]

    assert all(map(known.add, ids))
    assert not any(map(known.add, ids))
    assert known.add("another")


@pytest.mark.virtual_time
async def test_no_more_is_held_than_the_limit_and_nothing_is_shed() -> None:
    limit, heights = 30_000, []
    sink = FakeSink(acts=[0.5] * 20)
    delivery = _delivery(sink, limit * 2)
    feed = Feed(delivery, limit=limit, patience=5.0)

    async with anyio.create_task_group() as group:
        group.start_soon(delivery.run)
        for place in range(0, 400, 10):
            assert await feed.offer(make_poll(*make_containers(10, first=place)))
            heights.append(delivery.buffer.weight)
        assert await feed.finish()
        group.cancel_scope.cancel()

    assert max(heights) <= limit
    assert [container.id for container in sink.recorded] == [container.id for container in make_containers(400)]
    assert not delivery.ledger.shed


@pytest.mark.virtual_time
async def test_a_document_larger_than_the_limit_goes_alone() -> None:
    sink = FakeSink()
    delivery = _delivery(sink, 100_000)
    feed = Feed(delivery, limit=1_000, patience=5.0)
    large = make_container(0, **{"expvar.text": "x" * 5_000})

    async with anyio.create_task_group() as group:
        group.start_soon(delivery.run)
        assert await feed.offer(make_poll(large))
        assert await feed.offer(make_poll(make_container(1)))
        assert await feed.finish()
        group.cancel_scope.cancel()

    assert [container.id for container in sink.recorded] == [large.id, make_container(1).id]


def _delivery(sink: FakeSink, max_bytes: int) -> Delivery:
    settings: Any = DeliverySettings.model_validate({"batch": {"count": 10, "newest_every": 0, "wait": "1ms"}})
    ledger = Ledger()
    buffer = MemoryBuffer(BufferSettings(max_bytes=max_bytes), ledger)
    log: Any = Log()
    return Delivery("sink", "fake", sink.make, buffer, ledger, settings, log)
