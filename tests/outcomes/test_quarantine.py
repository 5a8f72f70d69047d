from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from expvastic.outcomes.quarantine import Quarantine, Quarantined

NUMBERS = b'{"@timestamp":"2026-11-21T03:31:00.000000Z","a":18446744073709551616,"b":1.0,"c":-0.0,"d":"\\u00e9\\n"}'


def entry(number: int, document: bytes = NUMBERS) -> Quarantined:
    return Quarantined(
        id=f"id-{number:06d}",
        time=1_795_231_860_000_000 + number,
        reader="app",
        destination="metrics-expvastic-default",
        reason="400 document_parsing_exception",
        detail="failed to parse field [expvar.a] of type [double]\n«é»",
        field="expvar.a",
        at=1_795_231_861.25,
        document=document,
    )


def entries(*numbers: int) -> list[Quarantined]:
    return [entry(number) for number in numbers]


def padded(number: int, size: int) -> Quarantined:
    return entry(number, b'{"a":"%b"}' % (b"x" * size))


def numbers(quarantine: Quarantine) -> list[int]:
    return [int(found.id.removeprefix("id-")) for found in quarantine.entries()]


def segments(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.ndjson"))


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "quarantine"


@pytest.fixture
def quarantine(folder: Path) -> Quarantine:
    return Quarantine(folder)


# -- storing --


def test_entries_come_back_as_they_were_oldest_first(quarantine: Quarantine) -> None:
    quarantine.add(entries(3, 1))
    quarantine.add(entries(2))

    assert list(quarantine.entries()) == entries(3, 1, 2)
    assert (quarantine.count, quarantine.torn, quarantine.dropped) == (3, 0, 0)


def test_the_document_stands_in_its_line_as_it_is(folder: Path, quarantine: Quarantine) -> None:
    quarantine.add(entries(1))
    line = (folder / "00000001.ndjson").read_bytes()

    assert line.count(b"\n") == 1
    assert b'"document":' + NUMBERS + b"}\n" in line


def test_an_id_that_is_there_is_not_stored_again(folder: Path, quarantine: Quarantine) -> None:
    assert quarantine.add([*entries(1, 2), entry(1)]) == 2
    assert quarantine.add(entries(2, 3)) == 1
    assert Quarantine(folder).add(entries(1, 2, 3)) == 0
    assert numbers(quarantine) == [1, 2, 3]


def test_only_this_user_may_read_it(folder: Path, quarantine: Quarantine) -> None:
    quarantine.add(entries(1, 2))
    quarantine.remove(["id-000001"])

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_looking_at_a_folder_that_is_not_there_makes_none(folder: Path, quarantine: Quarantine) -> None:
    quarantine.look()

    assert list(quarantine.entries()) == []
    assert quarantine.remove(["id"]) == 0
    assert quarantine.add([]) == 0
    assert quarantine.count == quarantine.bytes == 0
    assert not folder.exists()


def test_a_folder_copied_without_its_lock_can_be_looked_at(folder: Path, quarantine: Quarantine) -> None:
    quarantine.add(entries(1, 2))
    (folder / "lock").unlink()
    copy = Quarantine(folder)
    copy.look()

    assert numbers(copy) == [1, 2]
    assert (copy.count, copy.bytes) == (2, quarantine.bytes)
    assert not (folder / "lock").exists()


def test_a_folder_that_cannot_be_made_is_the_callers_to_tell(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError):
        Quarantine(tmp_path / "file").add(entries(1))
    with pytest.raises(OSError):
        Quarantine(tmp_path / "no" / "such").add(entries(1))


def test_what_others_have_in_the_folder_is_left_alone(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    foreign = ["notes.txt", "1.ndjson", "00000001.ndjson.bak", "x00000001.ndjson"]
    for name in foreign:
        (folder / name).write_text("theirs")
    (folder / "00000001.ndjson").mkdir()
    (tmp_path / "elsewhere").write_text("theirs")
    (folder / "00000002.ndjson").symlink_to(tmp_path / "elsewhere")
    quarantine = Quarantine(folder, max_bytes=4_000)
    for number in range(40):
        quarantine.add(entries(number))
    quarantine.remove([f"id-{number:06d}" for number in range(40)])

    assert quarantine.dropped > 0
    assert quarantine.torn == quarantine.count == 0
    assert [(folder / name).read_text() for name in foreign] == ["theirs"] * 4
    assert (folder / "00000001.ndjson").is_dir()
    assert (folder / "00000002.ndjson").read_text() == "theirs"


# -- bounds --


def test_the_oldest_go_first_and_are_counted(folder: Path) -> None:
    quarantine = Quarantine(folder, max_bytes=20_000)
    for number in range(200):
        quarantine.add(entries(number))

        assert size_of(folder) == quarantine.bytes <= 20_000
    kept = numbers(quarantine)

    assert kept == list(range(200 - len(kept), 200))
    assert (quarantine.count, quarantine.dropped) == (len(kept), 200 - len(kept))
    assert quarantine.bytes > 10_000


@pytest.mark.parametrize("seed", range(10))
def test_the_bound_holds_at_every_moment_for_any_sizes(
    seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while entries are being removed, when a file is there twice."""
    draw = random.Random(seed)
    quarantine = Quarantine(folder, max_bytes=20_000)
    largest = 0
    real_sync = os.fsync

    def watch(descriptor: int) -> None:
        nonlocal largest
        largest = max(largest, size_of(folder))
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    for number in range(150):
        quarantine.add(
            padded(number * 10 + more, draw.choice([0, 500, 3_000, 9_000])) for more in range(draw.randrange(4))
        )
        if draw.random() < 0.3:
            present = [f"id-{known:06d}" for known in numbers(quarantine)]
            quarantine.remove(draw.sample(present, len(present) // 3))

    assert 10_000 < largest <= 20_000


def test_what_could_never_fit_is_dropped_alone(folder: Path) -> None:
    quarantine = Quarantine(folder, max_bytes=20_000)
    quarantine.add(entries(1))

    assert quarantine.add([padded(2, 10_000), *entries(3)]) == 1
    assert numbers(quarantine) == [1, 3]
    assert quarantine.dropped == 1


def test_a_lower_bound_applies_to_what_is_there(folder: Path) -> None:
    Quarantine(folder, max_bytes=100_000).add(entries(*range(200)))
    quarantine = Quarantine(folder, max_bytes=10_000)
    quarantine.add(entries(200))

    assert size_of(folder) <= 10_000
    assert numbers(quarantine)[-1] == 200
    assert quarantine.dropped == 201 - quarantine.count


def test_many_at_once_are_spread_over_segments(folder: Path) -> None:
    quarantine = Quarantine(folder, max_bytes=200_000)

    assert quarantine.add(entries(*range(200))) == 200
    assert len(segments(folder)) > 2
    assert max(path.stat().st_size for path in folder.glob("*.ndjson")) <= 25_000
    assert numbers(quarantine) == list(range(200))


# -- removing --


def test_entries_are_removed_by_id_and_may_come_again(quarantine: Quarantine) -> None:
    quarantine.add(entries(1, 2, 3))

    assert quarantine.remove(["id-000002", "id-000009"]) == 1
    assert numbers(quarantine) == [1, 3]
    assert quarantine.add(entries(2)) == 1
    assert numbers(quarantine) == [1, 3, 2]


def test_the_other_lines_keep_their_bytes(folder: Path, quarantine: Quarantine) -> None:
    quarantine.add(entries(1, 2, 3))
    lines = (folder / "00000001.ndjson").read_bytes().splitlines(keepends=True)
    quarantine.remove(["id-000002"])

    assert (folder / "00000001.ndjson").read_bytes() == lines[0] + lines[2]


def test_a_segment_goes_with_its_last_entry(folder: Path) -> None:
    quarantine = Quarantine(folder, max_bytes=20_000)
    quarantine.add(entries(*range(25)))
    before = segments(folder)
    quarantine.remove(f"id-{number:06d}" for number in range(6))

    assert segments(folder) == before[1:]
    assert quarantine.remove(f"id-{number:06d}" for number in range(6, 25)) == 19
    assert segments(folder) == []
    assert quarantine.bytes == quarantine.count == 0


def test_entries_may_be_added_and_removed_while_others_are_looked_at(folder: Path) -> None:
    """As a replay does, whose documents may be refused again."""
    quarantine = Quarantine(folder, max_bytes=100_000)
    quarantine.add(entries(*range(150)))
    seen = []
    for found in quarantine.entries():
        seen.append(int(found.id[3:]))
        if len(seen) % 10 == 0:
            quarantine.remove(f"id-{number:06d}" for number in seen[-10:])
            quarantine.add(entries(*seen[-10:]))

    assert len(seen) < 300
    assert sorted(set(seen)) == list(range(150))
    assert sorted(numbers(quarantine)) == list(range(150))


def test_a_segment_that_vanishes_while_others_are_looked_at_is_passed_over(folder: Path) -> None:
    quarantine = Quarantine(folder, max_bytes=20_000)
    quarantine.add(entries(*range(25)))
    found = quarantine.entries()
    next(found)
    (folder / segments(folder)[1]).unlink()

    assert 0 < len(list(found)) < 24


# -- torn lines --


def test_a_last_line_cut_anywhere_costs_itself_alone(folder: Path) -> None:
    Quarantine(folder).add(entries(1, 2))
    path = folder / "00000001.ndjson"
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        quarantine = Quarantine(folder)
        quarantine.look()
        is_whole = end == len(whole) - 1
        is_torn = start < end < len(whole) - 1

        assert numbers(quarantine) == ([1, 2] if is_whole else [1])
        assert (quarantine.count, quarantine.torn) == (1 + is_whole, int(is_torn))

        quarantine.add(entries(2, 3))

        assert list(quarantine.entries()) == entries(1, 2, 3)
        assert (quarantine.count, quarantine.torn) == (3, int(is_torn))


@pytest.mark.parametrize(
    "junk", [b"\0" * 100, b"{}\n", b"\xff\n", b"[]\n", b'{"id":"x","document":{}}\n', b"[" * 9_999]
)
def test_a_line_that_is_none_of_ours_is_passed_over_counted_and_kept(folder: Path, junk: bytes) -> None:
    Quarantine(folder).add(entries(1))
    with (folder / "00000001.ndjson").open("ab") as file:
        file.write(junk)
    quarantine = Quarantine(folder)
    quarantine.add(entries(2, 3))
    quarantine.remove(["id-000002"])

    assert numbers(quarantine) == [1, 3]
    assert quarantine.torn == 1
    assert junk.rstrip(b"\n") in (folder / "00000001.ndjson").read_bytes()


def test_a_removal_that_was_cut_off_leaves_everything(folder: Path) -> None:
    quarantine = Quarantine(folder)
    quarantine.add(entries(1, 2))
    (folder / "00000001.ndjson.new").write_bytes(b'{"id":"half')

    assert numbers(quarantine) == [1, 2]

    quarantine.add(entries(3))

    assert numbers(quarantine) == [1, 2, 3]
    assert sorted(path.name for path in folder.iterdir()) == ["00000001.ndjson", "lock"]


# -- the disk --


def failing(error: int, calls: Iterable[int], real: Callable[..., int | None]) -> Callable[..., int | None]:
    """A system call that fails at these of its calls."""
    wanted, count = set(calls), iter(range(1_000_000))

    def call(*arguments: object) -> int | None:
        if next(count) in wanted:
            raise OSError(error, os.strerror(error))
        return real(*arguments)

    return call


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("at", range(4))
def test_what_failed_is_stored_when_it_is_added_again(
    call: str, at: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = Quarantine(folder, max_bytes=20_000)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(errno.ENOSPC, [at], getattr(os, call)))
        with pytest.raises(OSError):
            quarantine.add(entries(*range(25)))
    quarantine.add(entries(*range(25)))

    assert numbers(quarantine) == list(range(25))
    assert quarantine.torn == 0
    assert quarantine.count == 25
    assert quarantine.bytes == size_of(folder)


def test_a_write_that_stops_in_the_middle_leaves_no_trace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quarantine = Quarantine(folder)
    quarantine.add(entries(1))
    before = (folder / "00000001.ndjson").read_bytes()
    real_write, counts = os.write, iter([50])

    def write(descriptor: int, data: memoryview) -> int:
        for count in counts:
            return real_write(descriptor, data[:count])
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(OSError):
            quarantine.add(entries(2))

    assert (folder / "00000001.ndjson").read_bytes() == before


def test_a_failed_removal_removes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quarantine = Quarantine(folder)
    quarantine.add(entries(1, 2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.EIO, [0], os.fsync))
        with pytest.raises(OSError):
            quarantine.remove(["id-000001"])

    assert numbers(quarantine) == [1, 2]
    assert quarantine.remove(["id-000001"]) == 1


class Disk:
    """Knows which files, and which names of a folder, are synced as they are now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: dict[tuple[int, int], object] = {}
        self._real = os.fsync
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, descriptor: int) -> None:
        self._real(descriptor)
        self.synced[self._key(os.fstat(descriptor))] = self._content(Path(f"/proc/self/fd/{descriptor}").resolve())

    def holds(self, *paths: Path) -> bool:
        return all(self.synced.get(self._key(path.stat())) == self._content(path) for path in paths)

    def _key(self, status: os.stat_result) -> tuple[int, int]:
        return status.st_dev, status.st_ino

    def _content(self, path: Path) -> object:
        if path.is_dir():
            return {name.name: name.stat().st_ino for name in path.iterdir() if not name.name.endswith(".new")}
        return path.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="the fake disk finds a descriptor's path in /proc")
def test_all_is_on_the_disk_when_add_or_remove_return(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    disk = Disk(monkeypatch)
    quarantine = Quarantine(folder, max_bytes=100_000)
    for number in range(0, 100, 5):
        quarantine.add(entries(*range(number, number + 5)))
        quarantine.remove([f"id-{number:06d}"])

        assert disk.holds(*folder.glob("*.ndjson"), folder, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="the fake disk finds a descriptor's path in /proc")
def test_what_another_process_wrote_but_did_not_sync_is_synced_before_it_counts_as_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Quarantine(folder).add(entries(1))
    disk = Disk(monkeypatch)

    assert Quarantine(folder).add(entries(1)) == 0
    assert disk.holds(folder / "00000001.ndjson", folder, tmp_path)


# -- several at once --


def test_what_another_one_adds_or_removes_is_seen(folder: Path) -> None:
    first, second = Quarantine(folder), Quarantine(folder)
    first.add(entries(1, 2))
    second.add(entries(2, 3))
    first.remove(["id-000003"])
    second.look()

    assert second.count == 2
    assert second.add(entries(2, 3)) == 1
    assert first.add(entries(3)) == 0
    assert numbers(first) == numbers(second) == [1, 2, 3]


def test_threads_may_share_one(folder: Path) -> None:
    quarantine = Quarantine(folder, max_bytes=1_000_000)

    def work(start: int) -> None:
        for number in range(start, start + 100, 10):
            quarantine.add(entries(*range(number, number + 10)))
            quarantine.look()
            quarantine.remove([f"id-{number:06d}"])

    threads = [threading.Thread(target=work, args=[start]) for start in range(0, 500, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers(quarantine)) == [number for number in range(500) if number % 10]
    assert quarantine.count == 450


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_quarantine import Quarantine, entry
quarantine = Quarantine(Path(sys.argv[1]), max_bytes=4_000_000)
start = int(sys.argv[2])
for number in range(start, start + 10_000):
    quarantine.add([entry(number)])
    print("added", number, flush=True)
    if number % 3 == 0:
        print("removing", number, flush=True)
        quarantine.remove([f"id-{number:06d}"])
"""


def run_until_killed(folder: Path, starts: Iterable[int], draw: random.Random) -> list[tuple[str, int]]:
    """Run a process from each start at the same time, and kill each at some moment; returns what they said."""
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    processes = [subprocess.Popen([*command, str(start), *sys.path], stdout=subprocess.PIPE) for start in starts]
    said = []
    for process in processes:
        assert process.stdout is not None
        said += [process.stdout.readline() for _ in range(draw.randrange(20, 80))]
        process.send_signal(signal.SIGKILL)
    for process in processes:
        said += process.communicate()[0].splitlines(keepends=True)
    words = [line.decode().split() for line in said if line.endswith(b"\n")]
    return [(what, int(number)) for what, number in words]


def test_processes_killed_at_any_moment_leave_all_that_they_stored(folder: Path) -> None:
    draw = random.Random(7)
    for turn in range(4):
        before = set(numbers(Quarantine(folder)))
        said = run_until_killed(folder, [turn * 20_000, turn * 20_000 + 10_000], draw)
        added = {number for what, number in said if what == "added"}
        removing = {number for what, number in said if what == "removing"}
        quarantine = Quarantine(folder)
        quarantine.look()
        found = numbers(quarantine)
        unsaid = set(found) - before - added

        assert len(found) == len(set(found)) == quarantine.count
        assert before | added - removing <= set(found)
        assert len(unsaid) <= 2
        assert len(removing & set(found)) <= 2 * (turn + 1)
        assert quarantine.add([entry(number) for number in found]) == 0
