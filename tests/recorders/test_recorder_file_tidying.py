"""The file recorder's rotated files: tidied behind its back, which costs no batch and loses no line."""

from __future__ import annotations

import fcntl
import gzip
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from file_lines import ids, ids_of, outcomes, tidiers, wait_for_tidying, write

from expvastic.recorder import Outcome
from expvastic.recorders.file import FileRecorder, FileSettings, archive
from expvastic.recorders.file.archive import Archive
from expvastic.recorders.file.tidying import tidy_soon
from samples import make_container, make_containers

STAMP = "samples-20261121T033100Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.ndjson"


def held_up(reached: threading.Event, may_go_on: threading.Event) -> Callable[..., None]:
    pack = archive._pack

    def slowly(plain: Path, *target: object) -> None:
        reached.set()
        may_go_on.wait()
        pack(plain, *target)  # type: ignore[arg-type]

    return slowly


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


async def test_batches_are_written_while_a_large_file_is_compressed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, may_go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(archive, "_pack", held_up(reached, may_go_on))

    async with FileRecorder(FileSettings(path=str(path), rotate_bytes=1, gzip=True)) as recorder:
        with anyio.fail_after(5):
            for number in range(4):
                assert outcomes(await recorder.record([make_container(number)])) == [Outcome.RECORDED]
            await anyio.to_thread.run_sync(reached.wait)
        threads = tidiers()
    may_go_on.set()
    wait_for_tidying()

    assert len(threads) == 1
    assert threads[0].daemon
    packed = [entry for entry in sorted(path.parent.iterdir()) if entry.suffix == ".gz"]
    lines = b"".join(gzip.decompress(entry.read_bytes()) for entry in packed)
    assert lines.count(b"\n") == 3
    assert ids(path) == ["app-000003"]
    assert len(names(path)) == 4


async def test_what_another_process_is_compressing_is_left_to_it(path: Path) -> None:
    rotated = path.with_name(f"{STAMP}-001.ndjson")
    await write(rotated, make_containers(1))
    temporary = rotated.with_name(rotated.name + ".gz.tmp")
    temporary.write_bytes(b"half")

    with temporary.open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        await write(path, make_containers(1, first=1), gzip=True)
        wait_for_tidying()

        assert temporary.read_bytes() == b"half"
        assert ids(rotated) == ["app-000000"]


def test_a_temporary_file_that_was_replaced_is_not_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = path.with_name(f"{STAMP}-001.ndjson.gz.tmp")
    temporary.write_bytes(b"old")

    def replace(*_: object) -> None:
        temporary.rename(path.with_name(f"{STAMP}-001.ndjson.gz"))
        temporary.write_bytes(b"new")

    monkeypatch.setattr(fcntl, "flock", replace)
    Archive(path, gzip=True, keep=None).tidy()

    assert temporary.read_bytes() == b"new"


def test_a_name_that_was_not_seen_because_it_was_being_compressed_is_not_given_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.with_name(f"{STAMP}-001.ndjson.gz").write_bytes(b"")
    path.with_name(f"{STAMP}-002.ndjson").write_bytes(b"")
    rotated = Archive(path, gzip=True, keep=None)
    monkeypatch.setattr(Archive, "_found", lambda *_: [])

    assert rotated.next_path(1795231860).name == f"{STAMP}-003.ndjson"


async def test_a_rotated_file_that_is_compressed_while_it_is_looked_for_is_read_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(path, make_containers(2))
    plain = path.with_name(f"{STAMP}-001.ndjson")
    packed = plain.with_name(plain.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    answers = [plain, packed]
    monkeypatch.setattr(Archive, "newest_first", lambda _: [answers.pop(0)])

    verdicts = await write(path, make_containers(2))

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 2


async def test_rotated_files_that_vanish_all_the_time_cost_only_their_ids(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Archive, "newest_first", lambda _: [path.with_name("gone.ndjson")])

    assert outcomes(await write(path, make_containers(2))) == [Outcome.RECORDED] * 2


async def test_a_large_compressed_file_is_not_inflated_at_opening(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(path, make_containers(2))
    packed = path.with_name(f"{STAMP}-001.ndjson.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()

    monkeypatch.setattr("expvastic.recorders.file.ids.INFLATED_UP_TO", packed.stat().st_size)
    small = await write(path, make_containers(2))
    monkeypatch.setattr("expvastic.recorders.file.ids.INFLATED_UP_TO", packed.stat().st_size - 1)
    large = await write(path, make_containers(2))

    assert outcomes(small) == [Outcome.DUPLICATE] * 2
    assert outcomes(large) == [Outcome.RECORDED] * 2
    assert ids(path) == ids_of(make_containers(2))


def test_without_another_thread_tidying_waits_for_its_next_chance(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.with_name(f"{STAMP}-001.ndjson").write_bytes(b"{}\n")
    rotated = Archive(path, gzip=True, keep=None)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    tidy_soon(path, rotated)
    monkeypatch.undo()
    before = names(path)
    tidy_soon(path, rotated)
    wait_for_tidying()

    assert before == [f"{STAMP}-001.ndjson"]
    assert names(path) == [f"{STAMP}-001.ndjson.gz"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_tidying_costs_one_round_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.with_name(f"{STAMP}-001.ndjson").write_bytes(b"{}\n")

    def fail(_: Archive) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(Archive, "tidy", fail)
    tidy_soon(path, Archive(path, gzip=True, keep=None))
    wait_for_tidying()
    monkeypatch.undo()
    tidy_soon(path, Archive(path, gzip=True, keep=None))
    wait_for_tidying()

    assert names(path) == [f"{STAMP}-001.ndjson.gz"]
