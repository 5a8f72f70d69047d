"""The buffer on disk in a tight place: syncs that fail or hang, files that vanish, clocks that are set."""

from __future__ import annotations

import copy
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from disk_driver import FOLDER, SMALL, make_disk_buffer, run_sync, take_all
from simulated_files import SimulatedFiles, failing

from contracts.buffer import ALL, ids, poll, wall
from expvastic.buffer import BatchSettings, BufferSettings
from expvastic.buffers.disk import DiskBuffer, inspect
from expvastic.buffers.disk.files import SystemFiles
from expvastic.buffers.disk.reading import Clock
from expvastic.errors import StateError
from expvastic.outcomes.ledger import Ledger
from samples import make_container, make_containers

WELL: Callable[[str, str], None] = lambda call, name: None  # noqa: E731


def test_with_always_a_put_that_had_to_be_written_anew_survives_the_power() -> None:
    for seed in range(20):
        files = SimulatedFiles()
        buffer = make_disk_buffer(files, sync="always")
        buffer.put(poll(*make_containers(3), number=1), 0.0)
        files.trouble = failing("sync .segment", times=1)
        buffer.put(poll(*make_containers(2, first=3), number=2), 0.0)
        files.trouble = WELL
        files.lose_power(random.Random(seed))

        assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(5))


def test_what_a_killed_process_wrote_is_brought_to_the_disk_by_the_next() -> None:
    for seed in range(20):
        files = SimulatedFiles()
        make_disk_buffer(files, sync="interval").put(poll(*make_containers(6)), 0.0)
        files.kill()
        run_sync(make_disk_buffer(files, sync="interval"))
        files.lose_power(random.Random(seed))

        assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(6))


@pytest.mark.parametrize("failures", [1, 1_000])
def test_where_the_progress_is_not_on_the_disk_no_file_goes_to_make_room(failures: int) -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval", max_bytes=300_000)
    for number in range(20):
        buffer.put(poll(make_container(number, text="x" * 10_000)), 0.0)
    run_sync(buffer)
    buffer.settle(take_all(buffer))
    removed: list[str] = []
    fail = failing("sync .progress", times=failures)

    def trouble(call: str, name: str) -> None:
        fail(call, name)
        if call == "remove":
            removed.append(name)

    files.trouble = trouble
    number = 20
    while not buffer.errors["sync"]:
        assert not removed
        buffer.put(poll(make_container(number, text="x" * 10_000)), 0.0)
        number += 1

    assert bool(removed) == (failures == 1)  # at the second try, with a file of its own
    assert bool(buffer.errors["full"]) == (failures > 1)
    files.kill()
    assert len(take_all(make_disk_buffer(files))) == number - 20 - buffer.errors["full"]


def test_a_job_that_hangs_holds_nothing_up_and_lets_nothing_go() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval", max_bytes=10**7)
    for number in range(20):
        buffer.put(poll(make_container(number, text="x" * 10_000)), 0.0)
    buffer.settle(take_all(buffer))
    hangs, goes_on = threading.Event(), threading.Event()
    main = threading.get_ident()
    in_thread: list[str] = []

    def trouble(call: str, name: str) -> None:
        if call == "sync" and threading.get_ident() != main:
            in_thread.append(name)
            hangs.set()
            assert goes_on.wait(30)

    files.trouble = trouble
    job = buffer.begin_sync()
    assert job is not None
    thread = threading.Thread(target=job)
    thread.start()
    assert hangs.wait(30)
    buffer.put(poll(*make_containers(3, first=20)), 0.0)
    buffer.close(1.0)
    left = SimulatedFiles()
    left.entries, left._durable, left._changes = copy.deepcopy((files.entries, files._durable, files._changes))
    left.lose_power(random.Random(5))
    goes_on.set()
    thread.join()
    buffer.end_sync(None)

    assert in_thread
    assert ids(take_all(make_disk_buffer(left))) == ids(make_containers(3, first=20))
    assert files.open_files == 0


def test_a_sync_in_another_thread_needs_none_of_the_files_that_are_closed_meanwhile(tmp_path: Path) -> None:
    settings = BufferSettings(segment_bytes=2**16, max_bytes=10**7)
    buffer = DiskBuffer(settings, Ledger(wall), tmp_path, wall=wall)
    buffer.open(0.0)
    for number in range(300):
        buffer.put(poll(make_container(number, text="x" * 5_000), number=number + 1), 0.0)
        job = buffer.begin_sync() if number % 3 == 0 else None
        thread = threading.Thread(target=job) if job else None
        if thread:
            thread.start()
        buffer.settle(buffer.take(BatchSettings(count=1), 0.0))
        buffer.put(poll(make_container(number + 1_000, text="x" * 5_000)), 0.0)
        buffer.settle(buffer.take(BatchSettings(count=1), 0.0))
        if thread:
            thread.join()
            buffer.end_sync(None)

    assert not buffer.errors
    assert buffer.waiting == 0
    buffer.close(0.0)
    assert len([*tmp_path.iterdir()]) == 2


def test_a_poll_without_a_number_tells_nothing_of_its_reader() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(make_container(0), number=7, knowledge=b"knows"), 0.0)
    buffer.put(poll(make_container(1), number=0), 0.0)
    buffer.put(poll(make_container(2, reader="other"), number=0, reader="other"), 0.0)

    assert buffer.last_polls == {"app": (7, b"knows")}
    files.kill()
    found = make_disk_buffer(files)
    assert found.last_polls == {"app": (7, b"knows")}
    found.close(0.0)
    assert make_disk_buffer(files).last_polls == {"app": (7, b"knows")}


@pytest.mark.parametrize("step", [-3_600.0, 3_600.0])
def test_a_clock_that_is_set_makes_nothing_older_or_younger(step: float) -> None:
    time = [1_000_000.0]
    files = SimulatedFiles()
    settings = BufferSettings(**SMALL, max_age=100.0)
    buffer = DiskBuffer(settings, Ledger(wall), FOLDER, files=files, wall=lambda: time[0])
    buffer.open(0.0)
    buffer.put(poll(*make_containers(2)), 0.0)
    time[0] += step
    for number in range(2, 302):  # more than is kept in memory
        buffer.put(poll(make_container(number, text="x" * 20_000)), 0.0)
    time[0] -= step
    buffer.put(poll(make_container(302)), 0.0)

    assert {record.put_at for record in take_all(buffer)} == {0.0}


def test_what_is_shed_does_not_hurry_what_is_left() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, max_bytes=300_000)
    limits = BatchSettings(count=10_000, bytes=280_000, wait=60.0)
    for number in range(100):
        buffer.put(poll(make_container(number, text="x" * 5_000)), 1.0)
        assert buffer.due_in(limits, 1.0) == 60.0

    assert buffer.errors["full"]
    assert sum(len(record.container.document) for record in take_all(buffer)) < 280_000


def test_what_comes_back_in_any_order_is_remembered_in_one_piece() -> None:
    buffer = make_disk_buffer(SimulatedFiles())
    buffer.put(poll(*make_containers(500)), 0.0)
    batch = take_all(buffer)
    random.Random(1).shuffle(batch)
    for record in batch:
        buffer.give_back([record], 5.0)

    (group,) = buffer._line.back.values()

    assert [tuple(span) for span in group.spans] == [(0, 500, 1, False)]
    assert buffer.take(ALL, 4.0) == []
    assert ids(buffer.take(ALL, 5.0)) == ids(make_containers(500))


@pytest.mark.parametrize("suffix", [".segment", ".progress"])
def test_a_file_that_vanishes_at_every_look_costs_a_reader_itself_or_one_line(suffix: str) -> None:
    files = SimulatedFiles()
    make_disk_buffer(files).put(poll(*make_containers(3)), 0.0)

    def trouble(call: str, name: str) -> None:
        if call == "open" and name.endswith(suffix):
            raise FileNotFoundError(name)

    files.trouble = trouble
    if suffix == ".segment":
        assert inspect(FOLDER, files=files).waiting == 0
    else:
        with pytest.raises(StateError, match="changes faster than it can be read: try again"):
            inspect(FOLDER, files=files)


def test_a_file_that_cannot_be_opened_for_its_sync_is_synced_the_next_time() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval")
    buffer.put(poll(*make_containers(3)), 0.0)
    job = buffer.begin_sync()
    assert job is not None
    files.trouble = failing("open .segment")
    with pytest.raises(OSError, match="trouble"):
        job()
    buffer.end_sync(OSError("trouble"))
    files.trouble = WELL
    run_sync(buffer)
    files.lose_power(random.Random(0))

    assert buffer.errors == {"sync": 1}
    assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(3))


def test_a_put_whose_end_is_damaged_is_there_though_the_next_one_is_cut_short() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(5), number=1, knowledge=b"knows"), 0.0)
    buffer.put(poll(make_container(5), number=2), 0.0)
    files.kill()
    (data,) = (content.data for path, content in files.entries.items() if path.suffix == ".segment")
    for damaged in (b"app-000003", b"app-000004", b"knows"):
        data[data.index(damaged)] ^= 1
    del data[-1:]

    assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(3))


def test_a_folder_is_made_with_those_above_it_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "recorders" / "es" / "buffer"

    SystemFiles().make_folder(folder)

    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3


def test_a_clock_that_is_set_again_and_again_is_remembered_within_limits() -> None:
    clock = Clock()
    for number in range(5_000):
        clock.note(number, 10.0 * number)

    assert clock.at(4_999) == (49_990.0, float("inf"))
    assert clock.at(4_998) == (49_980.0, 4_999)
    assert len(clock._numbers) == 1_000


def test_what_is_settled_is_kept_in_memory_no_longer() -> None:
    containers = make_containers(20)
    buffer = make_disk_buffer(SimulatedFiles(), sync="never")
    before = sys.getrefcount(containers[0])
    for place in range(20):
        buffer.put(poll(containers[place]), 0.0)
    batch = take_all(buffer)
    buffer.give_back(batch[10:], 0.0)
    buffer.settle(batch[:10])
    del batch
    after = sys.getrefcount(containers[0])

    assert after == before
    assert ids(take_all(buffer)) == ids(containers[10:])
