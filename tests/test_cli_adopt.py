"""``expvastic buffer adopt --from`` where both recorders hold data: it is moved, and none is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import msgspec.structs
import pytest

from expvastic.buffer import BatchSettings, BufferSettings
from expvastic.buffers.disk import DiskBuffer, read_ledger, read_waiting
from expvastic.buffers.disk.files import SystemFiles
from expvastic.cli import adopting
from expvastic.cli.adopting import move_waiting
from expvastic.datatypes import Container, Poll
from expvastic.errors import StateError
from expvastic.outcomes.ledger import Ledger
from expvastic.outcomes.quarantine import Quarantine, Quarantined
from expvastic.state import Mark, State
from program import run
from samples import make_containers

CONFIG = """
settings: {state_dir: state}
readers:
  app: {type: self}
recorders:
  new: {type: file, path: out.ndjson, buffer: {max_bytes: 8 MiB}}
routes:
  main: {readers: app, recorders: new}
"""
ALL = BatchSettings.model_construct(count=10_000, bytes=2**40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yml").write_text(CONFIG)
    State.open(tmp_path / "state").close()
    return tmp_path


def part(folder: Path, name: str, what: str = "buffer") -> Path:
    return folder / "state" / "recorders" / name / what


def opened(path: Path) -> DiskBuffer:
    buffer = DiskBuffer(BufferSettings(type="disk"), Ledger(), path)
    buffer.open(0.0)
    return buffer


def fill(folder: Path, name: str, *polls: Poll, destination: str = "", is_marked: bool = True) -> None:
    """Let containers wait for a recorder."""
    with State.open(folder / "state") as state:
        buffer = opened(state.recorder_folder(name) / "buffer")
        for poll in polls:
            buffer.put(poll, 0.0)
        buffer.close(0.0)
        if is_marked:
            state.set_mark(Mark(name, "file", destination or str(folder / "out.ndjson")))


def refuse(folder: Path, name: str, batch: Sequence[Container]) -> None:
    with State.open(folder / "state") as state:
        Quarantine(state.recorder_folder(name) / "quarantine").add(
            Quarantined(
                id=each.id,
                time=each.time,
                reader=each.reader,
                destination="app",
                at=1.0,
                reason="400",
                detail="",
                field="",
                document=each.document,
            )
            for each in batch
        )


def adopt(folder: Path, name: str = "new", old: str = "old") -> CompletedProcess[str]:
    return run("buffer", "adopt", name, "--from", old, "-c", "c.yml", folder=folder)


def waiting(folder: Path, name: str) -> list[str]:
    return [container.id for container in read_waiting(part(folder, name))]


def ids(count: int, first: int = 0) -> list[str]:
    return [container.id for container in make_containers(count, first=first)]


def poll(count: int, first: int = 0, *, reader: str = "app", number: int = 7, knowledge: bytes = b"old") -> Poll:
    batch = [msgspec.structs.replace(each, reader=reader) for each in make_containers(count, first=first)]
    return Poll(reader, number, batch, knowledge)


def is_lawful(ledger: Ledger, left: int) -> bool:
    return ledger.totals["offered"] == ledger.settled + left


def test_what_waits_for_a_renamed_recorder_joins_what_the_new_one_took_in_meanwhile(folder: Path) -> None:
    fill(folder, "old", poll(3))
    fill(folder, "new", poll(2, 5), is_marked=False)

    done = adopt(folder)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"new: 3 documents of old moved\nnew: 5 documents will be sent to {folder}/out.ndjson\n"
    assert sorted(waiting(folder, "new")) == ids(3) + ids(2, 5)
    assert waiting(folder, "old") == []
    with State.open(folder / "state") as state:
        assert state.mark("new") == Mark("new", "file", f"{folder}/out.ndjson")


def test_the_books_of_both_are_right_and_minutes_with_them(folder: Path) -> None:
    fill(folder, "old", poll(3))
    fill(folder, "new", poll(2, 5))

    adopt(folder)

    old, new = (read_ledger(part(folder, name)) for name in ("old", "new"))
    assert dict(old.shed) == {"moved": 3}
    assert (old.totals["offered"], new.totals["offered"], new.shed.total()) == (3, 5, 0)
    assert is_lawful(old, 0)
    assert is_lawful(new, 5)


def test_what_was_moved_is_delivered_first_in_its_order_and_counts_as_sent_before(folder: Path) -> None:
    fill(folder, "old", poll(3))
    fill(folder, "new", poll(2, 5))

    adopt(folder)

    buffer = opened(part(folder, "new"))
    records = buffer.take(ALL, 1.0)
    assert [record.container.id for record in records] == ids(3) + ids(2, 5)
    assert [record.in_doubt for record in records] == [True] * 3 + [False] * 2
    buffer.close(1.0)


def test_a_reader_goes_on_from_what_the_new_buffer_knows_of_it_or_else_the_old_one(folder: Path) -> None:
    fill(folder, "old", poll(2, number=90), poll(1, 2, reader="other", number=4), poll(0, reader="mute", number=3))
    fill(folder, "new", poll(2, 5, number=2, knowledge=b"new"))

    adopt(folder)

    buffer = opened(part(folder, "new"))
    assert buffer.last_polls == {"app": (2, b"new"), "other": (4, b"old"), "mute": (3, b"old")}
    buffer.close(1.0)


def test_a_buffer_that_is_empty_keeps_its_books_and_its_readers(folder: Path) -> None:
    """Its own place would be taken by the old one's, with what that knew last."""
    fill(folder, "old", poll(2, number=90))
    fill(folder, "new", poll(0, number=91, knowledge=b"new"))

    done = adopt(folder)

    buffer = opened(part(folder, "new"))
    assert (done.returncode, waiting(folder, "new"), buffer.last_polls["app"]) == (0, ids(2), (91, b"new"))
    buffer.close(1.0)


def test_much_is_moved_in_pieces(folder: Path) -> None:
    fill(folder, "old", *(poll(400, first=400 * place) for place in range(4)))
    fill(folder, "new", poll(1, 9_000))

    adopt(folder)

    assert waiting(folder, "new") == ids(1, 9_000) + ids(1_600)
    assert read_ledger(part(folder, "old")).shed.total() == 1_600


def test_without_room_nothing_is_moved(folder: Path) -> None:
    (folder / "c.yml").write_text(CONFIG.replace("8 MiB", "1 MiB"))
    fill(folder, "old", *(poll(500, first=500 * place) for place in range(8)))
    fill(folder, "new", poll(2, 9_000))

    done = adopt(folder)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no room for" in done.stderr
    assert "set max_bytes" in done.stderr
    assert (waiting(folder, "old"), waiting(folder, "new")) == (ids(4_000), ids(2, 9_000))


def test_without_room_on_the_disk_nothing_is_moved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, "old", poll(2))
    fill(folder, "new", poll(1, 5))
    monkeypatch.setattr(adopting.shutil, "disk_usage", lambda _path: _Usage)

    with pytest.raises(StateError, match="the disk has no room"):
        move_waiting(part(folder, "old"), part(folder, "new"), BufferSettings(type="disk"))

    assert (waiting(folder, "old"), waiting(folder, "new")) == (ids(2), ids(1, 5))


class _Usage:
    free = 10  # bytes


class Ends(Exception):
    """The process is gone."""


@pytest.mark.parametrize("step", range(4))
def test_a_process_that_ends_on_the_way_loses_nothing_and_the_next_one_doubles_nothing(
    step: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, "old", *(poll(500, first=500 * place) for place in range(3)))
    fill(folder, "new", poll(2, 9_000))
    with monkeypatch.context() as patch:
        patch.setattr(adopting, "_put", _ending_after(step, adopting._put))
        if step == 3:
            patch.setattr(DiskBuffer, "clear", _ends)
        with pytest.raises(Ends):
            move_waiting(part(folder, "old"), part(folder, "new"), BufferSettings(type="disk"))
    left = waiting(folder, "old")

    done = adopt(folder)

    assert left == ids(1_500)
    assert done.returncode == 0
    assert waiting(folder, "new") == ids(2, 9_000) + ids(1_500)
    assert waiting(folder, "old") == []


def _ends(*_arguments: object) -> None:
    raise Ends


def _ending_after(count: int, put: object) -> object:
    def put_or_end(*arguments: object) -> None:
        nonlocal count
        count -= 1
        if count < 0:
            raise Ends
        put(*arguments)  # type: ignore[operator]

    return put_or_end


def test_a_disk_that_takes_no_more_is_said_and_the_old_buffer_keeps_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, "old", poll(2))
    fill(folder, "new", poll(1, 5))

    def refuse_it(*_arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("expvastic.buffers.disk.store.Store.append", refuse_it)

    with pytest.raises(StateError, match="nothing is lost, but not all could be moved: the disk takes no more"):
        move_waiting(part(folder, "old"), part(folder, "new"), BufferSettings(type="disk"))

    assert (waiting(folder, "old"), waiting(folder, "new")) == (ids(2), ids(1, 5))


def test_a_disk_that_fails_to_sync_is_said_and_the_old_buffer_keeps_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, "old", poll(2))
    fill(folder, "new", poll(1, 5))

    def fail(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(SystemFiles, "sync", fail)
        with pytest.raises(StateError, match="Input/output error"):
            move_waiting(part(folder, "old"), part(folder, "new"), BufferSettings(type="disk"))

    assert waiting(folder, "old") == ids(2)


def test_a_recorder_that_waits_for_the_user_itself_is_to_be_settled_first(folder: Path) -> None:
    fill(folder, "old", poll(2))
    fill(folder, "new", poll(1, 5), destination="/elsewhere.ndjson")

    done = adopt(folder)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "recorder new waits itself: its buffer holds 1 container for /elsewhere.ndjson" in done.stderr
    assert (waiting(folder, "old"), waiting(folder, "new")) == (ids(2), ids(1, 5))


@pytest.mark.parametrize(("own", "told"), [(False, ""), (True, "new has a quarantine of its own")])
def test_the_quarantine_goes_along_unless_there_is_one(own: bool, told: str, folder: Path) -> None:
    fill(folder, "old", poll(2))
    fill(folder, "new", poll(1, 5))
    refuse(folder, "old", make_containers(1, first=20))
    if own:
        refuse(folder, "new", make_containers(1, first=30))

    done = adopt(folder)

    kept = [entry.id for entry in Quarantine(part(folder, "new", "quarantine")).entries()]
    assert told in done.stdout
    assert kept == (ids(1, 30) if own else ids(1, 20))
    assert part(folder, "old", "quarantine").exists() == own
