"""A reader's last poll in the state directory: one of two files is whole at any moment."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from pathlib import Path

import pytest

from expvastic.datatypes import Poll
from expvastic.state import State
from samples import make_containers


def make_poll(number: int, *, count: int = 3, reader: str = "app", knowledge: bytes = b"\0\xff") -> Poll:
    return Poll(reader, number, make_containers(count, reader, first=number * 10), knowledge)


def seen(poll: Poll | None) -> object:
    """All that is kept of a poll."""
    if poll is None:
        return None
    containers = [(each.id, each.time, each.reader, each.document, each.kinds) for each in poll.containers]
    return poll.reader, poll.number, poll.knowledge, containers


def files(folder: Path) -> list[Path]:
    return sorted((folder / "readers").iterdir())


def test_a_reader_that_was_never_kept_has_no_last_poll(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        assert state.last_poll("app") is None


@pytest.mark.parametrize("synced", [True, False])
def test_the_last_poll_is_there_after_a_restart(synced: bool, tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        for number in (1, 2, 3):
            state.keep(make_poll(number), synced=synced)
        state.keep(make_poll(9, reader="other", knowledge=b""), synced=synced)
        state.keep(make_poll(10, reader="other", count=0), synced=synced)

    with State.open(tmp_path) as state:
        assert seen(state.last_poll("app")) == seen(make_poll(3))
        assert seen(state.last_poll("other")) == seen(make_poll(10, reader="other", count=0))
        assert state.last_poll("third") is None


def test_a_container_that_was_kept_tells_its_values(tmp_path: Path) -> None:
    poll = make_poll(1)
    with State.open(tmp_path) as state:
        state.keep(poll, synced=False)

        kept = state.last_poll("app")

    assert kept
    assert [list(container) for container in kept.containers] == [list(container) for container in poll.containers]


def test_each_poll_goes_to_the_file_of_the_one_before_the_last(tmp_path: Path) -> None:
    for number in range(1, 8):
        with State.open(tmp_path) as state:
            before = {path: path.read_bytes() for path in files(tmp_path)} if number > 1 else {}
            state.keep(make_poll(number), synced=False)

        changed = [path for path in files(tmp_path) if path.read_bytes() != before.get(path)]
        assert len(changed) == 1
        assert len(files(tmp_path)) == min(number, 2)
    assert {path.stat().st_mode & 0o777 for path in files(tmp_path)} == {0o600}


def test_readers_with_any_name_are_kept_apart(tmp_path: Path) -> None:
    names = ["a", "a.0", "a.1", "a/b", "A", "..", "x" * 300, "x" * 300 + "y"]
    with State.open(tmp_path) as state:
        for name in names:
            for number in (1, 2):
                state.keep(make_poll(number, reader=name), synced=False)

    with State.open(tmp_path) as state:
        assert [seen(state.last_poll(name)) for name in names] == [seen(make_poll(2, reader=name)) for name in names]


def test_a_poll_that_was_cut_or_changed_anywhere_leaves_the_one_before(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.keep(make_poll(1, count=20), synced=False)
        [first] = files(tmp_path)
        state.keep(make_poll(2, count=1), synced=False)
        [last] = set(files(tmp_path)) - {first}
        whole = last.read_bytes()

        for place in range(len(whole)):
            for torn in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
                last.write_bytes(torn)
                assert seen(state.last_poll("app")) == seen(make_poll(1, count=20))
        last.write_bytes(whole + b"what a longer one before it has left")
        assert seen(state.last_poll("app")) == seen(make_poll(2, count=1))


def test_a_write_that_fails_anywhere_leaves_the_last_poll_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def write_a_part(descriptor: int, data: bytes, offset: int) -> int:
        return write(descriptor, data[: len(data) // 2], offset)

    with State.open(tmp_path) as state:
        state.keep(make_poll(1), synced=False)
        state.keep(make_poll(2), synced=False)
        for number in (3, 4, 5):
            with monkeypatch.context() as patch:
                patch.setattr(os, "pwrite", write_a_part)
                with pytest.raises(OSError, match="No space left"):
                    state.keep(make_poll(number), synced=False)
        with State(tmp_path, "", -1) as another:
            assert seen(another.last_poll("app")) == seen(make_poll(2))

        state.keep(make_poll(6), synced=False)

        assert seen(state.last_poll("app")) == seen(make_poll(6))


def test_what_could_not_be_synced_is_not_taken_for_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with State.open(tmp_path) as state:
        for number in (1, 2):
            state.keep(make_poll(number), synced=True)
        before = [path.read_bytes() for path in files(tmp_path)]
        with monkeypatch.context() as patch:
            patch.setattr("expvastic.state.polls._sync", fail)
            for number in (3, 4):
                with pytest.raises(OSError, match="Input/output"):
                    state.keep(make_poll(number), synced=True)

        kept = [path.read_bytes() for path in files(tmp_path)]
        assert len(set(kept) & set(before)) == 1, "the second failure wrote over the first one, not over the last poll"


def test_a_kept_poll_that_is_another_readers_is_not_taken(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.keep(make_poll(1), synced=False)
        files(tmp_path)[0].rename(tmp_path / "readers" / "other.0")

        assert state.last_poll("other") is None


@pytest.mark.parametrize("body", [b"\xc1", b"\x94", b"\x94\xa3app\x01\xc4\x00\x05"])
def test_what_is_whole_but_no_poll_is_not_taken(body: bytes, tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.keep(make_poll(1), synced=False)
        state.keep(make_poll(2), synced=False)
        [newest] = [path for path in files(tmp_path) if make_poll(2).containers[0].document in path.read_bytes()]
        newest.write_bytes(struct.pack(">8sQI", b"expvpol\x01", len(body), zlib.crc32(body)) + body)

        assert seen(state.last_poll("app")) == seen(make_poll(1))


def test_no_file_stays_open_however_many_readers_are_kept(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        before = len(list(Path("/dev/fd").iterdir()))
        for number in range(300):
            state.keep(make_poll(1, reader=f"r{number}"), synced=False)

        assert len(list(Path("/dev/fd").iterdir())) == before
