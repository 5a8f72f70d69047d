"""The file recorder's rotation: by size, by age, compressed, limited in number, over restarts and crashes."""

from __future__ import annotations

import errno
import gzip
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from file_lines import ids, ids_of, outcomes, wait_for_tidying, write

from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.file import FileRecorder, FileSettings
from samples import START, make_container, make_containers

NOON = START / 1e6


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.ndjson"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_recorder(path: Path, clock: Clock, **settings: Any) -> FileRecorder:
    return FileRecorder(FileSettings(path=str(path), **settings), clock=clock)


def names(path: Path) -> list[str]:
    wait_for_tidying()
    return sorted(entry.name for entry in path.parent.iterdir())


def ids_packed(path: Path) -> list[str]:
    return [msgspec.json.decode(line)["_id"] for line in gzip.decompress(path.read_bytes()).splitlines()]


def name_of(descriptor: int, folder: Path) -> str:
    [name] = [
        entry.name for entry in [folder, *folder.iterdir()] if os.path.samestat(entry.stat(), os.fstat(descriptor))
    ]
    return name


async def test_without_settings_it_never_rotates(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock) as recorder:
        for number in range(20):
            clock.now += 86_400 * 365
            await recorder.record([make_container(number)])

    assert names(path) == ["samples.ndjson"]


async def test_a_file_is_rotated_before_it_would_be_too_large(path: Path, clock: Clock) -> None:
    size = len(make_container().document) + len('"_id":"app-000000",\n')

    async with make_recorder(path, clock, rotate_bytes=2 * size) as recorder:
        for number in range(5):
            await recorder.record([make_container(number)])

    assert names(path) == [
        "samples-20261121T033100Z-001.ndjson",
        "samples-20261121T033100Z-002.ndjson",
        "samples.ndjson",
    ]
    assert ids(path.with_name("samples-20261121T033100Z-001.ndjson")) == ["app-000000", "app-000001"]
    assert ids(path.with_name("samples-20261121T033100Z-002.ndjson")) == ["app-000002", "app-000003"]
    assert ids(path) == ["app-000004"]


async def test_a_batch_is_never_torn_over_two_files_and_an_empty_file_takes_any(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock, rotate_bytes=1) as recorder:
        await recorder.record(make_containers(3))
        await recorder.record(make_containers(3, first=3))

    assert ids(path.with_name("samples-20261121T033100Z-001.ndjson")) == ids_of(make_containers(3))
    assert ids(path) == ids_of(make_containers(3, first=3))


async def test_a_file_is_rotated_when_its_first_line_is_old(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock, rotate_age="1h") as recorder:
        await recorder.record([make_container(0)])
        clock.now = NOON + 3599
        await recorder.record([make_container(1)])
        clock.now = NOON + 3600
        await recorder.record([make_container(2)])

    assert names(path) == ["samples-20261121T043100Z-001.ndjson", "samples.ndjson"]
    assert ids(path) == ["app-000002"]


async def test_the_age_is_known_after_a_restart(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock, rotate_age="1h") as recorder:
        await recorder.record([make_container(0)])
    clock.now = NOON + 3600
    async with make_recorder(path, clock, rotate_age="1h") as recorder:
        await recorder.record([make_container(1)])

    assert ids(path) == ["app-000001"]
    assert len(names(path)) == 2


async def test_the_age_of_a_file_whose_first_line_has_no_time_is_that_of_its_last_change(
    path: Path, clock: Clock
) -> None:
    path.write_bytes(b'{"_id":"a","@timestamp":"yesterday"}\n')
    os.utime(path, (NOON, NOON))

    clock.now = NOON + 3600
    async with make_recorder(path, clock, rotate_age="1h") as recorder:
        await recorder.record([make_container(1)])

    assert len(names(path)) == 2


async def test_the_age_begins_anew_with_each_file(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock, rotate_age="1h") as recorder:
        for number in range(4):
            clock.now = NOON + number * 1800
            await recorder.record([make_container(number * 1800)])

    assert ids(path) == ["app-003600", "app-005400"]


async def test_rotated_names_rise_even_when_the_clock_steps_back(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock, rotate_bytes=1, keep=2) as recorder:
        for number in range(4):
            clock.now = NOON - number * 86_400
            await recorder.record([make_container(number)])

    assert ids(path.with_name("samples-20261120T033100Z-002.ndjson")) == ["app-000001"]
    assert ids(path.with_name("samples-20261120T033100Z-003.ndjson")) == ["app-000002"]


async def test_a_name_that_is_taken_is_never_overwritten(path: Path, clock: Clock) -> None:
    taken = path.with_name("samples-20261121T033100Z-001.ndjson.gz")
    taken.write_bytes(b"precious")

    async with make_recorder(path, clock, rotate_bytes=1) as recorder:
        await recorder.record([make_container(0)])
        await recorder.record([make_container(1)])

    assert taken.read_bytes() == b"precious"
    assert ids(path.with_name("samples-20261121T033100Z-002.ndjson")) == ["app-000000"]


@pytest.mark.parametrize("packed", [False, True])
async def test_what_was_rotated_is_known_after_a_restart(path: Path, clock: Clock, packed: bool) -> None:
    async with make_recorder(path, clock, rotate_bytes=1, gzip=packed) as recorder:
        await recorder.record(make_containers(2))
        await recorder.record(make_containers(1, first=2))
    wait_for_tidying()

    verdicts = await write(path, make_containers(4))

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 3 + [Outcome.RECORDED]


async def test_what_was_rotated_is_known_at_once(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock, rotate_bytes=1) as recorder:
        await recorder.record(make_containers(2))
        await recorder.record(make_containers(2, first=2))
        verdicts = await recorder.record(make_containers(2))

    assert outcomes(verdicts) == [Outcome.DUPLICATE] * 2


async def test_a_rotated_file_is_compressed_with_the_same_mode(path: Path, clock: Clock) -> None:
    async with make_recorder(path, clock, rotate_bytes=1, gzip=True) as recorder:
        await recorder.record(make_containers(3))
        path.chmod(0o600)
        await recorder.record(make_containers(1, first=3))

    assert names(path) == ["samples-20261121T033100Z-001.ndjson.gz", "samples.ndjson"]
    packed = path.with_name("samples-20261121T033100Z-001.ndjson.gz")
    assert ids_packed(packed) == ids_of(make_containers(3))
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600


async def test_only_the_newest_rotated_files_are_kept_and_no_others_touched(path: Path, clock: Clock) -> None:
    others = ["samples-20250101.ndjson", "samples-20250101T000000Z-001.ndjson.bak", "x-20250101T000000Z-001.ndjson"]
    for name in others:
        path.with_name(name).write_text("precious")

    async with make_recorder(path, clock, rotate_bytes=1, keep=2, gzip=True) as recorder:
        for number in range(6):
            clock.now += 1
            await recorder.record([make_container(number)])

    kept = ["samples-20261121T033105Z-001.ndjson.gz", "samples-20261121T033106Z-001.ndjson.gz", "samples.ndjson"]
    assert names(path) == sorted(others + kept)
    assert ids_packed(path.with_name(kept[1])) == ["app-000004"]


async def test_what_a_crash_left_of_compressing_is_finished(path: Path, clock: Clock) -> None:
    for number in range(3):
        await write(path, [make_container(number)])
        path.rename(path.with_name(f"samples-20261121T03310{number}Z-001.ndjson"))
    first, second = (path.with_name(f"samples-20261121T03310{number}Z-001.ndjson") for number in range(2))
    path.with_name(first.name + ".gz").write_bytes(gzip.compress(first.read_bytes()))  # the plain one not yet removed
    path.with_name(second.name + ".gz.tmp").write_bytes(b"\x1f\x8b half")

    async with make_recorder(path, clock, gzip=True) as recorder:
        await recorder.record([make_container(3)])

    packed = [f"samples-20261121T03310{number}Z-001.ndjson.gz" for number in range(3)]
    assert names(path) == [*packed, "samples.ndjson"]
    assert [ids_packed(path.with_name(name)) for name in packed] == [["app-000000"], ["app-000001"], ["app-000002"]]


async def test_twins_left_by_a_crash_count_as_one_file(path: Path, clock: Clock) -> None:
    for number in range(3):
        plain = path.with_name(f"samples-20261121T03310{number}Z-001.ndjson")
        await write(plain, [make_container(number)])
        path.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes()))

    async with make_recorder(path, clock, keep=2) as recorder:
        await recorder.record([make_container(3)])

    assert len(names(path)) == 5
    assert names(path)[0].startswith("samples-20261121T033101Z")


async def test_a_disk_too_full_for_compressing_costs_no_batch_and_is_made_good(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(descriptor: int) -> None:
        if name_of(descriptor, path.parent).endswith(".tmp"):
            raise OSError(errno.ENOSPC, "No space left on device")

    async with make_recorder(path, clock, rotate_bytes=1, gzip=True) as recorder:
        await recorder.record([make_container(0)])
        monkeypatch.setattr(os, "fsync", no_room)
        verdicts = await recorder.record([make_container(1)])
        after_failure = names(path)
        monkeypatch.undo()
        await recorder.record([make_container(2)])

    assert outcomes(verdicts) == [Outcome.RECORDED]
    assert after_failure == ["samples-20261121T033100Z-001.ndjson", "samples.ndjson"]
    assert names(path) == [
        "samples-20261121T033100Z-001.ndjson.gz",
        "samples-20261121T033100Z-002.ndjson.gz",
        "samples.ndjson",
    ]


async def test_a_rotation_that_fails_is_said_and_tried_again(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    async with make_recorder(path, clock, rotate_bytes=1) as recorder:
        await recorder.record([make_container(0)])
        monkeypatch.setattr(Path, "rename", refuse)
        with pytest.raises(RecordError, match="Permission denied; let this user write there"):
            await recorder.record([make_container(1)])
        monkeypatch.undo()
        await recorder.record([make_container(1)])

    assert ids(path) == ["app-000001"]
    assert ids(path.with_name("samples-20261121T033100Z-001.ndjson")) == ["app-000000"]


async def test_all_is_brought_to_the_disk_at_rotation_and_at_closing(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append(name_of(descriptor, path.parent))

    async with make_recorder(path, clock, rotate_bytes=1) as recorder:
        await recorder.record([make_container(0)])
        monkeypatch.setattr(os, "fsync", note)
        await recorder.record([make_container(1)])
        at_rotation, synced[:] = list(synced), []

    assert at_rotation[0] == "samples.ndjson"
    assert path.parent.name in at_rotation
    assert synced == ["samples.ndjson"]


async def test_ids_are_known_over_several_rotated_files(path: Path) -> None:
    batch = make_containers(12)
    settings = FileSettings(path=str(path), rotate_bytes=1)
    async with FileRecorder(settings) as recorder:
        for container in batch:
            await recorder.record([container])

    async with FileRecorder(settings) as recorder:
        verdicts = await recorder.record(batch)

    assert [verdict.outcome for verdict in verdicts] == [Outcome.DUPLICATE] * 12
