"""The file recorder: the contract of all recorders, its lines, and others at its file."""

# a test may wait for its own files and processes

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from file_lines import documents, ids, ids_of, outcomes, write
from pydantic import ValidationError

from contracts.recorder import RecorderContract
from expvastic.errors import RecordError
from expvastic.recorder import Outcome, Recorder
from expvastic.recorders.file import FileRecorder, FileSettings
from samples import make_container, make_containers


class TestFileRecorder(RecorderContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "out"
        self.folder.mkdir()
        self.path = self.folder / "samples.ndjson"

    def make_recorder(self) -> FileRecorder:
        return FileRecorder(FileSettings(path=str(self.path)))

    async def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        return documents(self.path)

    def make_absent(self) -> FileRecorder:
        return FileRecorder(FileSettings(path=str(self.folder / "missing" / "samples.ndjson")))

    async def break_destination(self, recorder: Recorder[Any]) -> bool:
        shutil.rmtree(self.folder)
        return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.ndjson"


# -- lines and entering --


async def test_what_is_answered_as_recorded_is_on_the_disk_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(path.stat().st_size), fsync(descriptor)))
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        await recorder.record(make_containers(3))

        assert synced[-1] == path.stat().st_size > 0


async def test_a_line_is_the_document_with_the_id_as_its_first_member(path: Path) -> None:
    container = make_container(7)

    await write(path, [container])

    assert path.read_bytes() == b'{"_id":"app-000007",' + container.document[1:] + b"\n"


async def test_an_id_with_quotes_is_escaped_and_known_again(path: Path) -> None:
    container = make_container(reader='a"b\\c\n')

    await write(path, [container])
    verdicts = await write(path, [container])

    assert ids(path) == [container.id]
    assert outcomes(verdicts) == [Outcome.DUPLICATE]


async def test_a_container_that_stands_twice_in_a_batch_is_written_once(path: Path) -> None:
    verdicts = await write(path, [make_container(1), make_container(1)])

    assert outcomes(verdicts) == [Outcome.RECORDED, Outcome.DUPLICATE]
    assert ids(path) == ["app-000001"]


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o640), (0o022, 0o640), (0o077, 0o600)])
async def test_the_file_is_for_its_user_to_write_and_its_group_to_read(path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        await write(path, [make_container()])
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == mode


async def test_entering_creates_nothing(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))):
        pass

    assert list(path.parent.iterdir()) == []


async def test_a_missing_folder_is_said_with_what_to_do(path: Path) -> None:
    missing = path.parent / "missing"

    with pytest.raises(RecordError, match=f"cannot write .*: the folder {missing} does not exist; create it"):
        await write(missing / "samples.ndjson", [])


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a regular file; choose another path"):
        await write(tmp_path, [])


async def test_a_device_is_refused() -> None:
    with pytest.raises(RecordError, match="not a regular file"):
        await write(Path("/dev/null"), [make_container()])


async def test_a_pipe_that_appears_after_entering_is_refused_without_waiting(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        os.mkfifo(path)
        with anyio.fail_after(5), pytest.raises(RecordError, match="not a regular file"):
            await recorder.record([make_container()])


async def test_a_folder_without_permission_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere

    with pytest.raises(RecordError, match=f"the folder {path.parent} cannot be written to; let this user write there"):
        await write(path, [])


async def test_a_file_without_permission_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(path, make_containers(1))
    monkeypatch.setattr(os, "access", lambda asked, _: asked != path)

    with pytest.raises(RecordError, match="the file cannot be read and written; let this user do so"):
        await write(path, [])


async def test_a_file_of_others_is_left_alone(path: Path) -> None:
    path.write_text("root:x:0:0\nno line break at the end")

    with pytest.raises(RecordError, match=r"not written by expvastic .* choose another path"):
        await write(path, [make_container()])

    assert path.read_text() == "root:x:0:0\nno line break at the end"


@pytest.mark.parametrize("bad", ["", "a\0b"])
def test_a_path_that_cannot_be_is_refused_in_the_settings(bad: str) -> None:
    with pytest.raises(ValidationError):
        FileSettings(path=bad)


def test_the_destination_is_absolute_and_plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert FileRecorder(FileSettings(path="a/../b.ndjson")).destination == f"{tmp_path}/b.ndjson"


async def test_a_symbolic_link_stays_and_what_it_leads_to_is_written_and_rotated(tmp_path: Path, path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    lasting = tmp_path / "elsewhere" / "samples.ndjson"
    path.symlink_to(lasting)

    await write(path, make_containers(1))
    await write(path, make_containers(1, first=1), rotate_bytes=1)

    assert path.is_symlink()
    assert ids(lasting) == ["app-000001"]
    assert len(list(lasting.parent.iterdir())) == 2


# -- others at the file --


async def test_a_second_recorder_on_the_same_file_is_told_so(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as first:
        await first.record(make_containers(1))

        with pytest.raises(RecordError, match="another process or an unfinished write holds the file"):
            await write(path, make_containers(1, first=1))

    assert ids(path) == ["app-000000"]


HOLD = """
import asyncio, sys
from samples import make_containers
from expvastic.recorders.file import FileRecorder, FileSettings

async def hold():
    async with FileRecorder(FileSettings(path=sys.argv[1])) as recorder:
        await recorder.record(make_containers(2))
        print("written", flush=True)
        sys.stdin.readline()

asyncio.run(hold())
"""


async def test_a_file_held_by_another_process_is_free_again_when_that_was_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"written\n"
        with pytest.raises(RecordError, match="another process"):
            await write(path, make_containers(3))
        other.kill()
    verdicts = await write(path, make_containers(3))

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 2 + [Outcome.RECORDED]
    assert ids(path) == ids_of(make_containers(3))


async def test_a_file_that_was_moved_away_is_begun_anew(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        await recorder.record(make_containers(1))
        path.rename(path.with_name("samples.ndjson.1"))
        await recorder.record(make_containers(1, first=1))

    assert ids(path.with_name("samples.ndjson.1")) == ["app-000000"]
    assert ids(path) == ["app-000001"]


async def test_a_file_that_was_deleted_is_begun_anew(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        await recorder.record(make_containers(1))
        path.unlink()
        await recorder.record(make_containers(1, first=1))

    assert ids(path) == ["app-000001"]


async def test_a_file_that_was_emptied_is_gone_on_with(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        await recorder.record(make_containers(2))
        os.truncate(path, 0)
        await recorder.record(make_containers(1, first=2))

    assert ids(path) == ["app-000002"]


async def test_a_file_replaced_while_it_is_opened_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: path.unlink())

    with pytest.raises(RecordError, match="the file was replaced while it was being opened; try again"):
        await write(path, [make_container()])

    assert not path.exists()
