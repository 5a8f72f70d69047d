"""The file recorder when lines are torn, the disk is full or slow, and batches are tried again."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from file_lines import ids, ids_of, outcomes, wait_for_lock, write
from held_up_disk import Disk, cancel_in_mid_write, patiently, write_patiently

from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.file import FileRecorder, FileSettings
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
        await cancel_in_mid_write(recorder, disk, batch)
        with pytest.raises(RecordError, match="an earlier write has not ended; check the disk"):
            await recorder.record(batch)
        disk.may_go_on.set()
        verdicts = await patiently(recorder, batch)

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 3
    assert ids(path) == ids_of(batch)


async def test_a_recorder_left_in_mid_write_closes_when_the_write_ends(path: Path) -> None:
    disk, batch = Disk(), make_containers(3)
    disk.may_go_on.clear()

    async with disk.recorder(path) as recorder:
        await cancel_in_mid_write(recorder, disk, batch)
    with pytest.raises(RecordError, match="an earlier write has not ended; check the disk"):
        await write(path, batch)
    disk.may_go_on.set()
    with anyio.fail_after(5):
        await anyio.to_thread.run_sync(wait_for_lock, path)
    verdicts = await write_patiently(path, batch)

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 3
    assert ids(path) == ids_of(batch)


async def test_a_recorder_that_was_left_writes_no_more(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        pass

    with pytest.raises(RecordError):
        await recorder.record([make_container()])

    assert not path.exists()


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
