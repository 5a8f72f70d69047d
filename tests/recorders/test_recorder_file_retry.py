"""The file recorder when lines are torn, the disk is full or slow, and batches are tried again."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from file_lines import ids, ids_of, outcomes, wait_for_lock, write

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome, Verdict
from expvastic.recorders.file import FileRecorder, FileSettings
from expvastic.recorders.file.journal import Journal
from expvastic.recorders.file.turns import Gate, Turn
from samples import make_container, make_containers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.ndjson"


# -- torn lines --


async def test_a_line_torn_at_any_byte_is_cut_and_written_again_when_tried_again(path: Path) -> None:
    batch = make_containers(3)
    await write(path, batch)
    whole = path.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1

    for length in range(last, len(whole)):
        path.write_bytes(whole[:length])
        verdicts = await write(path, batch)
        assert outcomes(verdicts) == [Outcome.DUPLICATE, Outcome.DUPLICATE, Outcome.RECORDED], length
        assert path.read_bytes() == whole


async def test_a_first_line_torn_at_any_byte_is_cut(path: Path) -> None:
    [container] = make_containers(1)
    await write(path, [container])
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        await write(path, [container])
        assert path.read_bytes() == whole


@pytest.mark.parametrize("garbage", [b"\0\0\0\n", b'{"_id":"app-000009","a":\n', b"[1]\n", b'{"a":1}\n', b'"\xff"\n'])
async def test_a_last_line_that_is_no_document_is_cut(path: Path, garbage: bytes) -> None:
    await write(path, make_containers(2))
    whole = path.read_bytes()
    path.write_bytes(whole + garbage)

    await write(path, make_containers(2))

    assert path.read_bytes() == whole


async def test_a_torn_line_longer_than_a_block_is_cut(path: Path) -> None:
    await write(path, make_containers(1))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"_id":"x","text":"' + b"x" * 200_000)

    await write(path, make_containers(1))

    assert path.read_bytes() == whole


async def test_lines_longer_than_a_block_are_kept(path: Path) -> None:
    batch = [make_container(number, **{"expvar.text": "x" * 200_000}) for number in range(2)]

    await write(path, batch)
    verdicts = await write(path, batch)

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 2
    assert ids(path) == ids_of(batch)


# -- trying again --


class Disk:
    """Writes as ``os.write`` does until told otherwise."""

    def __init__(self) -> None:
        self.room = sys.maxsize
        self.error = errno.ENOSPC
        self.pace = sys.maxsize
        self.reached = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self.reached.set()
        self.may_go_on.wait()
        if not self.room:
            raise OSError(self.error, os.strerror(self.error))
        written = os.write(descriptor, data[: min(self.room, self.pace)])
        self.room -= written
        return written

    def recorder(self, path: Path, **settings: Any) -> FileRecorder:
        return FileRecorder(FileSettings(path=str(path), **settings), write=self.write)


async def test_a_batch_that_is_written_in_small_pieces_arrives_whole(path: Path) -> None:
    disk = Disk()
    disk.pace = 10

    async with disk.recorder(path) as recorder:
        await recorder.record(make_containers(20))

    assert ids(path) == ids_of(make_containers(20))


@pytest.mark.parametrize("room", [0, 1, 100, 150, 400])
async def test_a_full_disk_leaves_whole_lines_and_the_rest_comes_when_there_is_room(path: Path, room: int) -> None:
    disk, batch = Disk(), make_containers(5)

    async with disk.recorder(path) as recorder:
        disk.room = room
        with pytest.raises(RecordError, match="No space left on device; make room on the disk"):
            await recorder.record(batch)
        kept = ids(path)
        disk.room = sys.maxsize
        verdicts = await recorder.record(batch)

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * len(kept) + [Outcome.RECORDED] * (5 - len(kept))
    assert ids(path) == ids_of(batch)


async def test_a_disk_error_is_said_and_got_over(path: Path) -> None:
    disk = Disk()
    disk.error = errno.EIO

    async with disk.recorder(path) as recorder:
        disk.room = 200
        with pytest.raises(RecordError, match="Input/output error; check the disk"):
            await recorder.record(make_containers(5))
        disk.room = sys.maxsize
        await recorder.record(make_containers(5))

    assert ids(path) == ids_of(make_containers(5))


async def test_while_a_cancelled_write_goes_on_others_fail_at_once_and_then_know_its_lines(path: Path) -> None:
    disk, batch = Disk(), make_containers(3)
    disk.may_go_on.clear()

    async with disk.recorder(path) as recorder:
        await _cancel_in_mid_write(recorder, disk, batch)
        with pytest.raises(RecordError, match="an earlier write has not ended; check the disk"):
            await recorder.record(batch)
        disk.may_go_on.set()
        verdicts = await _patiently(recorder, batch)

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 3
    assert ids(path) == ids_of(batch)


async def test_a_recorder_left_in_mid_write_closes_when_the_write_ends(path: Path) -> None:
    disk, batch = Disk(), make_containers(3)
    disk.may_go_on.clear()

    async with disk.recorder(path) as recorder:
        await _cancel_in_mid_write(recorder, disk, batch)
    with pytest.raises(RecordError, match="an earlier write has not ended; check the disk"):
        await write(path, batch)
    disk.may_go_on.set()
    with anyio.fail_after(5):
        await anyio.to_thread.run_sync(wait_for_lock, path)
    verdicts = await _write_patiently(path, batch)

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 3
    assert ids(path) == ids_of(batch)


async def test_a_recorder_that_was_left_writes_no_more(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        pass

    with pytest.raises(RecordError):
        await recorder.record([make_container()])

    assert not path.exists()


async def test_a_path_that_hangs_costs_one_thread_however_many_recorders_try_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, may_go_on = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        reached.set()
        may_go_on.wait()

    monkeypatch.setattr(Journal, "look", hang)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, path, make_containers(1))
        await anyio.to_thread.run_sync(reached.wait)
        tasks.cancel_scope.cancel()
    threads = threading.active_count()
    try:
        for _ in range(20):
            with (
                anyio.fail_after(5),
                pytest.raises(RecordError, match="an earlier write has not ended; check the disk"),
            ):
                await write(path, make_containers(1))
        more = threading.active_count() - threads
    finally:
        monkeypatch.undo()
        may_go_on.set()

    assert more == 0
    assert outcomes(await _write_patiently(path, make_containers(1))) == [Outcome.RECORDED]


async def test_a_path_that_hangs_is_no_hindrance_to_others(path: Path) -> None:
    disk = Disk()
    disk.may_go_on.clear()

    async with disk.recorder(path) as recorder:
        await _cancel_in_mid_write(recorder, disk, make_containers(1))
        verdicts = await write(path.with_name("others.ndjson"), make_containers(1))
        disk.may_go_on.set()

    assert outcomes(verdicts) == [Outcome.RECORDED]


async def test_a_file_that_hangs_in_closing_is_not_opened_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()

    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        await recorder.record(make_containers(1))
        monkeypatch.setattr(os, "fsync", lambda _: may_go_on.wait())
        monkeypatch.setattr("expvastic.recorders.file._CLOSE_LIMIT", 0.05)
    with pytest.raises(RecordError, match="an earlier write has not ended; check the disk"):
        await write(path, make_containers(2))
    may_go_on.set()
    monkeypatch.undo()

    assert outcomes(await _write_patiently(path, make_containers(2))) == [Outcome.DUPLICATE, Outcome.RECORDED]


async def test_a_call_that_is_cancelled_before_its_thread_began_leaves_the_file_to_the_next(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        for checkpoints in range(8):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_patiently, recorder, make_containers(1))
                    for _ in range(checkpoints):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
        await _patiently(recorder, make_containers(1))

    assert ids(path) == ids_of(make_containers(1))


def test_a_turn_that_was_given_up_is_not_taken_and_leaves_the_gate_once() -> None:
    gate, calls = Gate(), list[int]()
    assert gate.enter()
    turn = Turn(gate, lambda: calls.append(1))

    turn.give_up()
    assert gate.enter()
    turn()
    turn.give_up()

    assert calls == []
    assert not gate.enter()


async def test_the_lines_of_a_torn_batch_are_known_however_many_there_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expvastic.recorders.file.journal.IDS_KEPT", 10)
    disk, batch = Disk(), make_containers(40)

    async with disk.recorder(path) as recorder:
        disk.room = 30 * (len(batch[0].document) + len('"_id":"app-000000",\n')) + 20
        with pytest.raises(RecordError, match="make room on the disk"):
            await recorder.record(batch)
        disk.room = sys.maxsize
        verdicts = await recorder.record(batch)

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 30 + [Outcome.RECORDED] * 10
    assert ids(path) == ids_of(batch)


async def _write_patiently(path: Path, batch: list[Container]) -> list[Verdict]:
    with anyio.fail_after(5):
        while True:
            with contextlib.suppress(RecordError):
                return await write(path, batch)


async def test_a_thread_that_begins_after_the_recorder_was_left_writes_nothing(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        pass

    with pytest.raises(RecordError):
        recorder._alone(lambda: recorder._journal.append(make_containers(1)))

    assert not path.exists()


async def _cancel_in_mid_write(recorder: FileRecorder, disk: Disk, batch: list[Container]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recorder.record, batch)
        await anyio.to_thread.run_sync(disk.reached.wait)
        tasks.cancel_scope.cancel()


async def _patiently(recorder: FileRecorder, batch: list[Container]) -> list[Verdict]:
    with anyio.fail_after(5):
        while True:
            with contextlib.suppress(RecordError):
                return list(await recorder.record(batch))


async def test_a_batch_larger_than_the_ids_kept_is_known_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.recorders.file.journal.IDS_KEPT", 10)

    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        await recorder.record(make_containers(25))
        verdicts = await recorder.record(make_containers(25))

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 25


async def test_the_ids_kept_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.recorders.file.journal.IDS_KEPT", 10)

    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        for first in range(0, 100, 5):
            await recorder.record(make_containers(5, first=first))

        assert len(recorder._journal._known) <= 20


async def test_a_batch_that_is_all_known_rotates_nothing(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path), rotate_bytes=1)) as recorder:
        await recorder.record(make_containers(2))
        verdicts = await recorder.record(make_containers(2))

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 2
    assert list(path.parent.iterdir()) == [path]


async def test_a_rotated_file_that_cannot_be_read_costs_only_its_ids(path: Path) -> None:
    path.with_name("samples-20261121T033100Z-001.ndjson.gz").write_bytes(b"\x1f\x8b\x08 no more")

    verdicts = await write(path, make_containers(2))

    assert outcomes(verdicts) == [Outcome.RECORDED] * 2
