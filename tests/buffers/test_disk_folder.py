"""A folder that cannot be used: one line that says why, and nothing touched; and how ours are made."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from disk_driver import FOLDER, make_disk_buffer, take_all
from isal import isal_zlib
from simulated_files import SimulatedFiles, failing

from contracts.buffer import ids, poll, wall
from contracts.touching import heard_by_the_system
from expvastic.buffer import BufferSettings, Record
from expvastic.buffers.disk import DiskBuffer, inspect, read_ledger, read_waiting
from expvastic.errors import StateError
from expvastic.outcomes.ledger import Ledger
from samples import START, make_container, make_containers


def disk_buffer(folder: Path) -> DiskBuffer:
    return DiskBuffer(BufferSettings(max_bytes=10**7), Ledger(wall), folder, wall=wall)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_making_a_buffer_touches_nothing(tmp_path: Path) -> None:
    with heard_by_the_system() as heard:
        disk_buffer(tmp_path / "buffer")

    assert heard == []


def test_the_folder_and_its_files_are_the_owners_alone(tmp_path: Path) -> None:
    buffer = disk_buffer(tmp_path / "recorders" / "es")
    buffer.open(0.0)
    buffer.put(poll(*make_containers(3)), 0.0)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "recorders" / "es").iterdir()}

    assert stat.S_IMODE((tmp_path / "recorders" / "es").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert sorted(name.split(".")[-1] for name in modes) == ["lock", "progress", "segment"]
    buffer.close(0.0)


def test_two_processes_cannot_use_one_folder(tmp_path: Path) -> None:
    buffer = disk_buffer(tmp_path)
    buffer.open(0.0)
    before = contents(tmp_path)
    program = (
        "import sys; from pathlib import Path; from expvastic.buffers.disk import DiskBuffer\n"
        "from expvastic.buffer import BufferSettings; from expvastic.outcomes.ledger import Ledger\n"
        f"DiskBuffer(BufferSettings(), Ledger(), Path({str(tmp_path)!r})).open(0.0)\n"
    )

    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert f"StateError: {tmp_path} is in use by another process" in other.stderr
    assert contents(tmp_path) == before
    buffer.close(0.0)
    disk_buffer(tmp_path).open(0.0)


@pytest.mark.parametrize("name", ["notes.txt", "0000000001.segment", "0000000001.progress", "1.segment"])
def test_files_of_something_else_are_not_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is a letter to somebody else, and long enough to be looked at", encoding="ascii")
    before = contents(tmp_path)

    with pytest.raises(StateError, match=rf"holds files of something else: {name}; give"):
        disk_buffer(tmp_path).open(0.0)

    assert {file: data for file, data in contents(tmp_path).items() if file != "lock"} == before


@pytest.mark.parametrize("suffix", ["segment", "progress"])
def test_files_of_another_version_are_not_touched(tmp_path: Path, suffix: str) -> None:
    buffer = disk_buffer(tmp_path)
    buffer.open(0.0)
    buffer.put(poll(*make_containers(3)), 0.0)
    buffer.close(0.0)
    (path,) = tmp_path.glob(f"*.{suffix}")
    data = bytearray(path.read_bytes())
    data[8] = 9
    if suffix == "segment":
        data[20:24] = isal_zlib.crc32(bytes(data[:20])).to_bytes(4, "little")
    path.write_bytes(data)
    before = contents(tmp_path)

    with pytest.raises(StateError, match=rf"{path.name} is of version 9, and this expvastic knows version 1"):
        disk_buffer(tmp_path).open(0.0)

    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("make_folder", errno.EACCES),
        ("list", errno.EACCES),
        ("lock", errno.EROFS),
        ("read", errno.EIO),
        ("open", errno.EROFS),
        ("write", errno.ENOSPC),
        ("rename", errno.EROFS),
    ],
)
def test_a_folder_that_the_system_refuses_is_said_in_one_line(call: str, code: int) -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(3)), 0.0)
    files.kill()
    before = {path: bytes(content.data) for path, content in files.entries.items()}
    files.trouble = failing(call, code=code)

    with pytest.raises(
        StateError, match=f"^{FOLDER} cannot be used: trouble; see to its owner, its mode and its disk$"
    ):
        make_disk_buffer(files)

    assert {path: bytes(content.data) for path, content in files.entries.items()} == before
    assert files.open_files == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_said_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(StateError, match="cannot be used"):
        disk_buffer(tmp_path).open(0.0)


def test_a_file_in_the_place_of_the_folder_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "es").write_text("", encoding="ascii")

    with pytest.raises(StateError, match="cannot be used: File exists"):
        disk_buffer(tmp_path / "es").open(0.0)


@pytest.mark.parametrize("suffix", ["segment", "progress"])
def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(suffix: str, tmp_path: Path) -> None:
    buffer = disk_buffer(tmp_path)
    buffer.open(0.0)
    buffer.put(poll(*make_containers(3)), 0.0)
    buffer.close(0.0)
    [name] = [path for path in tmp_path.iterdir() if path.suffix == f".{suffix}"]
    name.unlink()
    os.mkfifo(name)

    with pytest.raises(StateError):
        disk_buffer(tmp_path).open(0.0)


def test_a_header_with_a_flipped_bit_is_still_ours() -> None:
    for place in range(24):
        files = SimulatedFiles()
        make_disk_buffer(files).put(poll(*make_containers(3)), 0.0)
        files.kill()
        (path,) = (path for path in files.entries if path.suffix == ".segment")
        files.entries[path].data[place] ^= 4

        assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(3))


def test_what_waits_can_be_read_beside_a_running_process(tmp_path: Path) -> None:
    ledger = Ledger(wall)
    buffer = DiskBuffer(BufferSettings(max_bytes=10**7), ledger, tmp_path, wall=wall)
    buffer.open(0.0)
    for container in make_containers(9):
        buffer.put(poll(container), 0.0)
    batch = take_all(buffer)
    for record in batch[:2]:
        ledger.record("app", record.container.time)
    buffer.settle(batch[:2])
    buffer.give_back(batch[2:], 0.0)
    before = contents(tmp_path)

    stock = inspect(tmp_path)

    assert (stock.waiting, stock.segments) == (7, 1)
    assert (stock.oldest, stock.newest) == (START + 2_000_000, START + 8_000_000)
    assert stock.bytes == buffer.weight == sum(map(len, before.values()))
    assert ids(read_waiting(tmp_path)) == ids(make_containers(7, first=2))
    assert read_ledger(tmp_path, wall).totals == {"offered": 9, "recorded": 2}
    assert contents(tmp_path) == before
    buffer.close(0.0)


def test_a_buffer_that_is_empty_is_read_as_such(tmp_path: Path) -> None:
    buffer = disk_buffer(tmp_path)
    buffer.open(0.0)
    buffer.close(0.0)

    stock = inspect(tmp_path)

    assert (stock.waiting, stock.segments, stock.oldest, stock.newest) == (0, 0, 0, 0)
    assert list(read_waiting(tmp_path)) == []


@pytest.mark.parametrize("read", [inspect, read_ledger, lambda folder: list(read_waiting(folder))])
def test_where_no_buffer_is_none_is_read(tmp_path: Path, read: Callable[[Path], object]) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StateError, match="holds no buffer: check state_dir"):
            read(folder)
    (tmp_path / "letter").write_text("dear", encoding="ascii")

    with pytest.raises(StateError, match="holds files of something else: letter"):
        read(tmp_path)


def test_reading_goes_on_while_files_vanish() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="never")
    for number in range(40):
        buffer.put(poll(make_container(number, text="x" * 10_000)), 0.0)
    batch = take_all(buffer)
    settled: list[Record] = []

    def settle_meanwhile(call: str, name: str) -> None:
        if call == "open" and name.endswith(".segment") and not settled:
            settled.extend(batch[:20])
            buffer.settle(settled)

    files.trouble = settle_meanwhile

    assert inspect(FOLDER, files=files).waiting == 20
    waiting = read_waiting(FOLDER, files=files)
    assert next(waiting).id == "app-000020"
    buffer.settle(batch[20:])
    assert set(ids(waiting)) <= set(ids(batch[20:]))


@pytest.mark.slow
def test_memory_does_not_grow_with_what_is_stored(tmp_path: Path) -> None:
    program = (
        "import sys, tracemalloc\n"
        "from pathlib import Path\n"
        "from expvastic.buffer import BatchSettings, BufferSettings\n"
        "from expvastic.buffers.disk import DiskBuffer\n"
        "from expvastic.datatypes import Container, Poll\n"
        "from expvastic.outcomes.ledger import Ledger\n"
        "settings = BufferSettings(max_bytes=10**9, segment_bytes=2**20)\n"
        f"buffer = DiskBuffer(settings, Ledger(), Path({str(tmp_path)!r}))\n"
        "buffer.open(0.0)\n"
        "tracemalloc.start()\n"
        "def fill(first):\n"
        "    for number in range(first, first + 100_000, 1_000):\n"
        "        put = [Container(f'id-{n:09d}', n, 'app', b'{}') for n in range(number, number + 1_000)]\n"
        "        buffer.put(Poll('app', number, put, b'k'), 0.0)\n"
        "    return tracemalloc.get_traced_memory()[0]\n"
        "first, second = fill(0), fill(100_000)\n"
        "for _ in range(40):\n"
        "    buffer.give_back(buffer.take(BatchSettings(count=500), 0.0), 99.0)\n"
        "third = tracemalloc.get_traced_memory()[0]\n"
        "print(buffer.waiting, second - first, third - second)\n"
        "buffer.close(0.0)\n"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)

    assert run.returncode == 0, run.stderr
    waiting, more, given_back = map(int, run.stdout.split())
    assert waiting == 200_000
    assert more < 200_000
    assert given_back < 200_000
