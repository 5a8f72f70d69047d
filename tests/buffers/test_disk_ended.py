"""The buffer on disk on a machine that ends in the middle of any call, with syncs that fail and then lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from disk_driver import run_sync
from failing_machine import FailingFiles, FailingMachine

from contracts.buffer import ids
from expvastic.buffers.disk.progress import decode_progress, segment_of
from expvastic.buffers.disk.segments import segment_path

SYNC = ("always", "interval", "never")


@pytest.mark.parametrize("sync", SYNC)
@pytest.mark.parametrize("sync_failures", [0.0, 0.3])
def test_ended_at_any_call_it_has_what_was_put_and_not_what_was_settled(sync: str, sync_failures: float) -> None:
    for seed in range(20):
        machine = FailingMachine(seed, sync)
        for _ in range(3):
            machine.files.sync_failures = sync_failures
            machine.run_until_end(machine.draw.randrange(1, 120))
            machine.files.sync_failures = 0.0
            machine.files.kill()
            doubtful = machine.under_way
            found = {record.container.id: record.tries for record in machine.find()}

            assert set(machine.put) - machine.settled - doubtful <= found.keys()
            assert not (machine.settled - doubtful) & found.keys()
            assert all(tries for name, tries in found.items() if name in machine.handed)
            assert machine.polls_put <= machine.buffer.last_polls.get("app", (0, b""))[0] <= machine.polls
            assert not machine.buffer.take_losses()
            machine.handed |= found.keys()
            machine.settled = set(machine.put) - found.keys()


@pytest.mark.parametrize("sync", SYNC)
@pytest.mark.parametrize("when_full", ["shed_oldest", "shed_newest"])
def test_ended_at_any_call_while_it_is_full_and_the_disk_is_too_it_loses_nothing_but_what_it_sheds(
    sync: str, when_full: str
) -> None:
    for seed in range(20):
        machine = FailingMachine(seed, sync, max_bytes=300_000, when_full=when_full)
        for _ in range(4):
            machine.watch_losses()
            machine.files.sync_failures, machine.files.may_be_full = 0.2, True
            machine.run_until_end(machine.draw.randrange(1, 200))
            machine.files.sync_failures, machine.files.may_be_full, machine.files.room = 0.0, False, None
            machine.files.kill()
            doubtful = machine.under_way
            found = set(ids(machine.find()))

            assert set(machine.put) - machine.settled - machine.lost - doubtful <= found
            machine.settled = set(machine.put) - found


@pytest.mark.parametrize("sync", ["always", "interval"])
def test_though_syncs_fail_and_then_lie_what_the_disk_had_survives_the_power(sync: str) -> None:
    for seed in range(40):
        machine = FailingMachine(seed, sync)
        for _ in range(3):
            machine.run_until_end(machine.draw.randrange(1, 60))
            machine.files.kill()
            safe = set(ids(machine.find()))
            machine.settled = set(machine.put) - safe
            run_sync(machine.buffer)
            machine.files.sync_failures = 0.3
            machine.run_until_end(machine.draw.randrange(1, 60))
            machine.files.sync_failures = 0.0
            doubtful = machine.under_way
            machine.files.lose_power(machine.draw)
            found = set(ids(machine.find()))

            assert safe - machine.settled - doubtful <= found
            machine.settled = set(machine.put) - found
            run_sync(machine.buffer)


@pytest.mark.parametrize("sync", SYNC)
def test_no_file_goes_while_the_newest_progress_counts_on_it(sync: str) -> None:
    for seed in range(10):
        machine = FailingMachine(seed, sync, max_bytes=300_000)
        machine.files.sync_failures = 0.4
        remove = machine.files.remove
        removed: list[str] = []

        def watched(path: Path, files: FailingFiles = machine.files, remove: Callable[[Path], None] = remove) -> None:
            assert path not in counted_on(files)
            removed.append(path.name)  # noqa: B023
            remove(path)

        machine.files.remove = watched  # type: ignore[method-assign]
        machine.run_until_end(1_000)

        assert any(name.endswith(".segment") for name in removed)


def counted_on(files: FailingFiles) -> set[Path]:
    """The segments with records that are not settled, by what is written of them."""
    newest = max(path for path in files.entries if path.suffix == ".progress")
    read = decode_progress(bytes(files.entries[newest].data))
    assert read is not None
    gone = [number for step in read.steps for first, end in step.gone for number in range(first, end)]
    told = {stored.file: stored for stored in read.checkpoint.segments}
    for stored in (stored for step in read.steps for stored in step.stored):
        told.setdefault(stored.file, stored)
        told[stored.file].end = stored.end
    segments = [segment_of(stored) for stored in told.values()]
    for segment in segments:
        for number in gone:
            segment.settle(number, number + 1)
    return {segment_path(newest.parent, segment.file) for segment in segments if segment.left}
