"""What a process finds that another one left: whole, cut short, or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_driver import FOLDER, make_disk_buffer, take_all
from simulated_files import SimulatedFiles

from contracts.buffer import ALL, LIMITS, assert_law, ids, poll, wall
from expvastic.buffers.disk import DiskBuffer
from expvastic.outcomes.ledger import Ledger
from samples import make_container, make_containers


def left_by_another(*puts: int, sync: str = "never") -> tuple[SimulatedFiles, list[str]]:
    """The files of a process that put so many containers, time after time, and was killed; and the ids."""
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync=sync)
    first = 0
    for number, count in enumerate(puts, 1):
        buffer.put(poll(*make_containers(count, first=first), number=number, knowledge=b"k%d" % number), 0.0)
        first += count
    files.kill()
    return files, ids(make_containers(first))


def newest(files: SimulatedFiles, suffix: str) -> Path:
    return max(path for path in files.entries if path.suffix == suffix)


def copy_of(files: SimulatedFiles) -> SimulatedFiles:
    """The same files, for another try."""
    copy = SimulatedFiles()
    for path, content in files.entries.items():
        file = copy.open(path, new=True)
        if content.data:
            copy.write(file, bytes(content.data), 0)
        copy.close(file)
    return copy


def reopened(files: SimulatedFiles) -> tuple[DiskBuffer, Ledger]:
    ledger = Ledger(wall)
    buffer = make_disk_buffer(files, ledger)
    assert ledger.totals["offered"] == ledger.settled + buffer.waiting
    return buffer, ledger


def test_what_was_put_is_there_after_a_kill_as_it_was() -> None:
    files = SimulatedFiles()
    put = make_container(3, reader="größe", **{"expvar.a": 1.5, "expvar.b": "text"})
    make_disk_buffer(files).put(poll(put, number=4, knowledge=b"knows"), 0.0)
    files.kill()

    buffer, ledger = reopened(files)

    (record,) = take_all(buffer)
    assert (record.container.id, record.container.time, record.container.reader) == (put.id, put.time, put.reader)
    assert record.container.document == put.document
    assert list(record.container) == list(put)
    assert (record.tries, record.in_doubt) == (0, False)
    assert buffer.last_polls == {"app": (4, b"knows")}
    assert_law(buffer, ledger)


def test_a_poll_without_containers_leaves_its_knowledge() -> None:
    files = SimulatedFiles()
    make_disk_buffer(files).put(poll(number=9, knowledge=b"start mark"), 0.0)
    files.kill()

    buffer, _ = reopened(files)

    assert buffer.last_polls == {"app": (9, b"start mark")}
    assert buffer.waiting == 0


@pytest.mark.parametrize("end", ["kill", "close"])
def test_what_was_handed_out_comes_back_in_doubt_and_the_rest_untried(end: str) -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    for container in make_containers(9):
        buffer.put(poll(container), 0.0)
    first = buffer.take(LIMITS, 0.0)
    buffer.settle(first[1:2])
    buffer.take(LIMITS, 0.0, newest=True)
    if end == "close":
        buffer.close(1.0)
    files.kill()

    batch = take_all(reopened(files)[0])

    seen = [(record.container.id[-1], bool(record.tries), record.in_doubt) for record in batch]
    assert sorted(seen) == [(name, name in "02678", name in "02678") for name in "02345678"]


def test_after_a_clean_end_it_is_known_which_tries_left_no_doubt() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(3)), 0.0)
    buffer.give_back(buffer.take(LIMITS, 0.0), 0.0)
    buffer.close(1.0)

    assert [(record.tries, record.in_doubt) for record in take_all(reopened(files)[0])] == [(1, False)] * 3


def test_a_put_that_was_cut_short_counts_as_never_written() -> None:
    files, names = left_by_another(2, 3)
    path = newest(files, ".segment")
    whole = len(files.entries[path].data)
    first_put = len(left_by_another(2)[0].entries[path].data)
    for size in range(first_put, whole):
        copy = copy_of(files)
        del copy.entries[path].data[size:]

        buffer, ledger = reopened(copy)

        assert ids(take_all(buffer)) == names[:2]
        assert buffer.last_polls == {"app": (1, b"k1")}
        assert buffer.errors == ({"torn": 1} if size > first_put else {})
        assert ledger.totals["offered"] == 2
        assert len(copy.entries[path].data) == first_put


def test_a_file_that_was_made_longer_but_not_written_is_cut() -> None:
    files, names = left_by_another(2, 3)
    files.entries[newest(files, ".segment")].data.extend(bytes(5_000))

    buffer, _ = reopened(files)

    assert ids(take_all(buffer)) == names
    assert buffer.errors == {"torn": 1}


@pytest.mark.parametrize("bit", [0, 6])
@pytest.mark.parametrize("puts", [(2, 3), (5,)])
def test_a_damaged_record_costs_itself_alone(bit: int, puts: tuple[int, ...]) -> None:
    files, names = left_by_another(*puts)
    path = newest(files, ".segment")
    start = len(left_by_another(2)[0].entries[path].data) if len(puts) > 1 else 24
    for place in range(start, len(files.entries[path].data)):
        copy = copy_of(files)
        copy.entries[path].data[place] ^= 1 << bit

        buffer, ledger = reopened(copy)
        left = ids(take_all(buffer))

        assert [name for name in names if name in left] == left
        assert len(left) == 5 - ledger.shed["corrupt"] >= 4
        assert buffer.errors == {"corrupt": 1}
        assert [loss.reason for loss in buffer.take_losses()] == ["corrupt"] * (5 - len(left))
        assert ledger.totals["offered"] == 5


def test_damage_in_a_file_that_is_not_looked_through_is_found_when_it_is_read() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(50)), 0.0)
    buffer.close(0.0)
    data = files.entries[newest(files, ".segment")].data
    for name in (b"app-000010", b"app-000011", b"app-000049"):
        data[data.index(name)] ^= 1

    buffer, ledger = reopened(files)
    batch = take_all(buffer)

    assert len(batch) == 47
    assert buffer.errors == {"corrupt": 3} == ledger.shed
    assert (buffer.waiting, buffer.out) == (0, 47)
    buffer.settle(batch)
    assert buffer.waiting + buffer.out == 0
    assert ledger.totals["offered"] == 50


def test_without_progress_all_that_is_stored_counts_as_tried() -> None:
    files, names = left_by_another(2, 3)
    files.entries[newest(files, ".progress")].data[30] ^= 1

    buffer, ledger = reopened(files)
    batch = take_all(buffer)

    assert ids(batch) == names
    assert all(record.tries == 1 and record.in_doubt for record in batch)
    assert buffer.last_polls == {"app": (2, b"k2")}
    assert ledger.totals["offered"] == 5


def test_damage_within_the_progress_lets_what_follows_it_count_as_tried() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(9)), 0.0)
    buffer.settle(buffer.take(LIMITS, 0.0))
    intact = len(files.entries[newest(files, ".progress")].data)
    buffer.settle(buffer.take(LIMITS, 0.0))
    files.kill()
    files.entries[newest(files, ".progress")].data[intact + 10] ^= 1

    batch = take_all(reopened(files)[0])

    assert len(batch) == 6
    assert all(record.tries and record.in_doubt for record in batch)


def test_the_end_of_a_progress_that_was_cut_short_is_ignored() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files)
    buffer.put(poll(*make_containers(9)), 0.0)
    buffer.settle(buffer.take(LIMITS, 0.0))
    files.kill()
    data = files.entries[newest(files, ".progress")].data
    del data[-1:]

    assert len(take_all(reopened(files)[0])) == 9


def test_the_progress_before_is_used_while_the_newest_is_not_whole() -> None:
    files, names = left_by_another(2, 3, sync="interval")
    path = newest(files, ".progress")
    later = path.with_name(f"{int(path.stem) + 7:010d}.progress")
    files.close(files.open(later, new=True))
    files.entries[later].data.extend(files.entries[path].data[:20])

    batch = take_all(reopened(files)[0])

    assert ids(batch) == names
    assert not any(record.tries for record in batch)


def test_numbers_that_were_settled_before_the_disk_lost_them_are_not_those_of_new_records() -> None:
    files, _ = left_by_another(4)
    path = newest(files, ".segment")
    size = len(files.entries[path].data)
    buffer, _ = reopened(files)
    buffer.put(poll(*make_containers(4, first=10)), 0.0)
    buffer.settle(buffer.take(ALL, 0.0))
    files.kill()
    later = newest(files, ".segment")
    del files.entries[later].data[24:]
    assert later != path
    assert size

    buffer, _ = reopened(files)
    buffer.put(poll(*make_containers(4, first=20)), 0.0)
    files.kill()

    assert ids(take_all(reopened(files)[0])) == ids(make_containers(4, first=20))


def test_a_name_of_the_books_survives_with_its_counts() -> None:
    files = SimulatedFiles()
    ledger = Ledger(wall)
    buffer = make_disk_buffer(files, ledger)
    buffer.put(poll(*make_containers(9)), 0.0)
    batch = buffer.take(ALL, 0.0)
    for record in batch[:4]:
        ledger.record("app", record.container.time, "duplicates")
    ledger.refuse("app", batch[4].container.time, "mapping")
    buffer.settle(batch[:5])
    files.kill()

    found = reopened(files)[1]

    assert found.totals == {"offered": 9, "recorded": 4, "duplicates": 4}
    assert found.refused == {"mapping": 1}
    assert [*found.minutes.rows("app")] == [*ledger.minutes.rows("app")]


def test_segments_go_as_soon_as_all_is_settled() -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="never")
    for number in range(40):
        buffer.put(poll(make_container(number, text="x" * 10_000)), 0.0)
    before = sum(path.suffix == ".segment" for path in files.entries)
    buffer.settle(take_all(buffer))

    after = [path for path in files.entries if path.suffix == ".segment"]

    assert before == 6
    assert len(after) == 1
    assert buffer.weight == sum(len(content.data) for content in files.entries.values())


def test_an_age_limit_counts_from_the_put_through_a_restart() -> None:
    files, names = left_by_another(2)
    buffer = make_disk_buffer(files, max_age=100.0)
    buffer.expire(99.0)
    assert buffer.waiting == len(names)

    buffer.expire(101.0)

    assert [loss.id for loss in buffer.take_losses()] == names


@pytest.mark.parametrize("when_full", ["shed_oldest", "shed_newest"])
def test_a_smaller_limit_applies_to_what_is_stored(when_full: str) -> None:
    files = SimulatedFiles()
    buffer = make_disk_buffer(files, sync="interval")
    for number in range(60):
        buffer.put(poll(make_container(number, text="x" * 10_000)), 0.0)
    buffer.close(0.0)
    ledger = Ledger(wall)

    buffer = make_disk_buffer(files, ledger, max_bytes=300_000, when_full=when_full)
    assert buffer.waiting == 60
    buffer.put(poll(make_container(99)), 0.0)

    lost = [loss.id for loss in buffer.take_losses()]
    if when_full == "shed_newest":
        assert lost == ["app-000099"]
        assert buffer.waiting == 60
    else:
        assert buffer.weight <= 300_000
        assert lost == ids(make_containers(len(lost)))
        assert buffer.waiting == 61 - len(lost)
    assert_law(buffer, ledger)
    buffer.settle(take_all(buffer))
    assert FOLDER / "lock" in files.entries
