"""A disk that is full, fails to write, to sync or to read: counted, never a crash, and over when the disk is well."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import pytest
from disk_driver import Driver, make_disk_buffer, run_sync, take_all
from simulated_files import SimulatedFiles, failing

from contracts.buffer import ALL, LIMITS, assert_law, ids, poll, wall
from expvastic.buffers.disk import DiskBuffer
from expvastic.outcomes.ledger import Ledger
from samples import make_container, make_containers

WELL: Callable[[str, str], None] = lambda call, name: None  # noqa: E731


def test_a_full_disk_costs_what_is_put_meanwhile_and_is_over_when_there_is_room() -> None:
    files, ledger = SimulatedFiles(), Ledger(wall)
    buffer = make_disk_buffer(files, ledger, sync="interval")
    buffer.put(poll(*make_containers(5)), 0.0)
    files.room = 700
    buffer.put(poll(*make_containers(5, first=5)), 0.0)
    buffer.put(poll(*make_containers(5, first=10)), 0.0)
    files.room = None
    buffer.put(poll(*make_containers(5, first=15)), 0.0)

    losses = buffer.take_losses()

    assert [loss.id for loss in losses] == ids(make_containers(10, first=5))
    assert {loss.reason for loss in losses} == {"disk"}
    assert buffer.errors["disk"] >= 10
    assert ledger.shed == {"disk": 10}
    assert_law(buffer, ledger)
    files.kill()
    found = make_disk_buffer(files, again := Ledger(wall))
    assert ids(take_all(found)) == ids(make_containers(5)) + ids(make_containers(5, first=15))
    assert not found.errors
    assert again.totals["offered"] == again.settled + 10


def test_what_could_not_be_taken_away_again_is_left_behind_in_its_file() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(5)), 0.0)
    files.room = 700
    files.trouble = failing("truncate")
    buffer.put(poll(*make_containers(5, first=5)), 0.0)
    files.room, files.trouble = None, WELL
    buffer.put(poll(*make_containers(5, first=10)), 0.0)

    assert sum(path.suffix == ".segment" for path in files.entries) == 2
    assert buffer.weight == sum(len(content.data) for content in files.entries.values())
    files.kill()
    assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(5)) + ids(make_containers(5, first=10))


def test_settling_on_a_full_disk_makes_room_on_it() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval")
    for number in range(40):
        buffer.put(poll(make_container(number, text="x" * 10_000)), 0.0)
    files.room = 0
    batch = take_all(buffer)
    buffer.settle(batch)
    buffer.put(poll(make_container(99, text="x" * 10_000)), 0.0)
    buffer.put(poll(make_container(100)), 0.0)
    run_sync(buffer)

    assert files.room > 100_000
    buffer.put(poll(make_container(101)), 0.0)
    assert "app-000101" in ids(take_all(buffer))


def test_settled_stays_settled_though_it_could_not_be_written() -> None:
    files, ledger = SimulatedFiles(), Ledger(wall)
    buffer = make_disk_buffer(files, ledger)
    buffer.put(poll(*make_containers(6)), 0.0)
    batch = buffer.take(LIMITS, 0.0)
    files.trouble = failing("write", "open")
    for record in batch:
        ledger.record("app", record.container.time)
    buffer.settle(batch)

    assert buffer.waiting == 3
    assert buffer.errors["disk"]
    files.trouble = WELL
    run_sync(buffer)
    buffer.close(0.0)
    files.kill()
    found = Ledger(wall)
    assert ids(take_all(make_disk_buffer(files, found))) == ids(make_containers(3, first=3))
    assert found.totals == {"offered": 6, "recorded": 3}


@pytest.mark.parametrize("sync", ["always", "interval"])
def test_after_a_failed_sync_the_segment_is_written_anew(sync: str) -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync=sync)
    buffer.put(poll(*make_containers(6), number=3, knowledge=b"k"), 0.0)
    batch = buffer.take(LIMITS, 0.0)
    buffer.settle(batch[:1])
    files.trouble = failing("sync .segment", times=1)
    buffer.put(poll(*make_containers(2, first=6), number=4, knowledge=b"l"), 0.0)
    run_sync(buffer)
    run_sync(buffer)

    assert buffer.errors == {"sync": 1}
    assert (buffer.waiting, buffer.out) == (5, 2)
    buffer.settle(batch[1:2])
    run_sync(buffer)
    files.lose_power(random.Random(0))
    found = make_disk_buffer(files)
    assert sorted(ids(take_all(found))) == [f"app-{number:06d}" for number in (2, 3, 4, 5, 6, 7)]
    assert found.last_polls == {"app": (4, b"l")}
    assert not found.errors


def test_a_segment_written_anew_is_read_without_progress_too() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval")
    buffer.put(poll(*make_containers(6)), 0.0)
    batch = buffer.take(LIMITS, 0.0)
    buffer.settle(batch[1:2])
    files.trouble = failing("sync .segment", times=1)
    run_sync(buffer)
    run_sync(buffer)
    files.kill()
    for path in [path for path in files.entries if path.suffix == ".progress"]:
        files.entries[path].data[20] ^= 1

    found = make_disk_buffer(files)

    assert ids(take_all(found)) == [f"app-{number:06d}" for number in (0, 2, 3, 4, 5)]
    assert not found.take_losses()


def test_a_progress_that_was_not_synced_is_written_anew() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval")
    buffer.put(poll(*make_containers(6)), 0.0)
    run_sync(buffer)
    buffer.settle(buffer.take(LIMITS, 0.0))
    before = {path for path in files.entries if path.suffix == ".progress"}
    files.trouble = failing("sync .progress", times=1)
    run_sync(buffer)
    run_sync(buffer)

    after = {path for path in files.entries if path.suffix == ".progress"}

    assert buffer.errors == {"sync": 1}
    assert len(after) == 1
    assert not after & before
    files.lose_power(random.Random(0))
    assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(3, first=3))


def test_a_disk_that_never_syncs_is_counted_and_delivered_from_all_the_same() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="always")
    files.trouble = failing("sync", "sync_folder")
    for number in range(20):
        buffer.put(poll(make_container(number)), 0.0)
        run_sync(buffer)

    assert ids(take_all(buffer)) == ids(make_containers(20))
    assert buffer.errors["sync"] >= 20


def test_a_segment_that_cannot_be_opened_for_a_moment_is_read_later() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(6)), 0.0)
    buffer.close(0.0)
    buffer = make_disk_buffer(files)
    files.trouble = failing("open", code=errno.EMFILE)

    assert buffer.take(ALL, 5.0) == []
    assert buffer.errors == {"disk": 1}
    assert buffer.due_in(ALL, 5.25) == 0.75
    assert buffer.take(ALL, 5.5) == []
    files.trouble = WELL
    assert ids(buffer.take(ALL, 6.0)) == ids(make_containers(6))


def test_a_segment_that_the_disk_cannot_read_is_lost() -> None:
    files, ledger = SimulatedFiles(), Ledger(wall)
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(6)), 0.0)
    buffer.close(0.0)
    buffer = make_disk_buffer(files, ledger)
    buffer.put(poll(*make_containers(2, first=6)), 0.0)
    files.trouble = failing("read", code=errno.EIO)

    assert ids(buffer.take(ALL, 5.0)) == ids(make_containers(2, first=6))
    assert ledger.shed == {"corrupt": 6}
    assert ledger.totals["offered"] == ledger.settled + 2


def test_a_job_that_was_begun_and_never_run_is_made_up_for_at_the_end() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval")
    buffer.put(poll(*make_containers(6)), 0.0)
    assert buffer.begin_sync() is not None
    buffer.close(0.0)
    files.lose_power(random.Random(3))

    assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(6))


def test_without_waiting_for_syncs_there_is_nothing_to_sync() -> None:
    buffer = make_disk_buffer(SimulatedFiles(), sync="never")
    buffer.put(poll(*make_containers(6)), 0.0)

    assert buffer.begin_sync() is None


@pytest.mark.parametrize("sync", ["always", "interval", "never"])
@pytest.mark.parametrize("call", ["write", "open", "sync", "truncate", "rename", "remove", "sync_folder", "room"])
@pytest.mark.parametrize("end", ["close", "kill"])
def test_at_whatever_call_the_disk_fails_the_law_holds_and_nothing_comes_twice(sync: str, call: str, end: str) -> None:
    for seed in range(3):
        driver = Driver(seed, sync=sync, max_bytes=400_000)
        draw = random.Random(seed)
        driver._sync = lambda driver=driver: run_sync(driver.buffer)  # type: ignore[method-assign,misc]
        for _ in range(12):
            if call == "room":
                driver.files.room = draw.randrange(3_000) if draw.random() < 0.5 else None
            else:
                failures = failing(call, times=draw.randrange(4), code=errno.EBADF)
                driver.files.trouble = failures
            for _ in range(20):
                driver.step()
        driver.files.room, driver.files.trouble = None, WELL
        if end == "close":
            driver.buffer.close(driver.now)
        driver.files.kill()
        driver.buffer = make_disk_buffer(driver.files, ledger := Ledger(wall), sync=sync)

        found = driver.waiting_ids()
        assert len(found) == len(set(found))
        assert driver.alive <= set(found)
        assert ledger.totals["offered"] == ledger.settled + driver.buffer.waiting
        if end == "close":
            assert driver.alive == set(found)
            assert ledger.shed == driver.ledger.shed
            assert ledger.totals == driver.ledger.totals


def test_what_cannot_be_read_for_a_moment_does_not_expire_but_can_be_cleared() -> None:
    files, ledger = SimulatedFiles(), Ledger(wall)
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(6)), 0.0)
    buffer.close(0.0)
    buffer = make_disk_buffer(files, ledger, max_age=5.0)
    files.trouble = failing("open", code=errno.EMFILE)
    buffer.expire(9.0)
    assert (buffer.waiting, list(buffer.take_losses())) == (6, [])

    buffer.clear("discarded")

    assert buffer.waiting == 0
    assert ledger.shed == {"corrupt": 6}
    assert_law_of_totals(buffer, ledger)


def test_a_segment_that_cannot_be_written_anew_is_tried_again_with_the_next_sync() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval")
    buffer.put(poll(*make_containers(6)), 0.0)
    job = buffer.begin_sync()
    assert job is not None
    files.trouble = failing("sync .segment")
    with pytest.raises(OSError, match="trouble"):
        job()
    files.trouble = failing("open")
    buffer.end_sync(OSError(errno.EIO, "trouble"))
    assert buffer.errors["disk"]
    files.trouble = WELL
    run_sync(buffer)
    run_sync(buffer)
    files.lose_power(random.Random(1))

    assert ids(take_all(make_disk_buffer(files))) == ids(make_containers(6))


def assert_law_of_totals(buffer: DiskBuffer, ledger: Ledger) -> None:
    assert ledger.totals["offered"] == ledger.settled + buffer.waiting + buffer.out
