"""Whose data lies in the state directory: recorders under any name, moved, renamed, gone, given to one another."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expvastic.errors import StateError
from expvastic.state import Mark, State
from expvastic.state.names import file_name, name_of
from state_folders import CALLS, CLUSTER, ES, fill, holds, tree

NAMES = (
    *("es", "ES", "a b", "a/b", "a%2Fb", ".", "..", ".es", "%2Ees", "-x", "Grüße", "🦔", "a~b", "con", "a\\b", "*"),
    *("x" * 200, "x" * 201, "x" * 5_000, "é" * 100, "é" * 101, "y" * 4_999 + "z", "y" * 5_000, "a.new", "lock", "'"),
)


def test_every_name_has_a_file_name_of_its_own_that_any_file_system_takes(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        folders = [state.recorder_folder(name) for name in NAMES]
        for number, name in enumerate(NAMES):
            state.set_mark(Mark(name, "file", str(number)))

        assert [state.mark(name) for name in NAMES] == [
            Mark(name, "file", str(number)) for number, name in enumerate(NAMES)
        ]
        assert sorted(mark.name for mark in state.marks()) == sorted(NAMES)
    assert len(set(folders)) == len(NAMES)
    assert {folder.parent for folder in folders} == {tmp_path / "recorders"}
    assert max(len(folder.name) for folder in folders) <= 200
    assert [name_of(file_name(name)) for name in NAMES if len(name) < 30] == [name for name in NAMES if len(name) < 30]


def test_a_recorder_that_never_had_a_buffer_has_no_mark(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        assert state.mark("es") is None
        assert state.marks() == []
        assert state.held_because("es", CLUSTER, 0, ["es"], holds) == ""


def test_a_recorder_that_goes_where_it_went_is_not_held(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(ES)

        assert state.held_because("es", CLUSTER, 12, ["es"], holds) == ""


def test_a_recorder_with_another_destination_is_held_while_its_buffer_holds_data(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(ES)

        assert state.held_because("es", "http://new", 1, ["es"], holds) == (
            f"its buffer holds 1 container for {CLUSTER}, and the configuration says http://new; "
            "`expvastic buffer adopt es -c FILE` sends them to http://new, "
            "`expvastic buffer discard es -c FILE` drops them"
        )
        assert state.held_because("es", "http://new", 0, ["es"], holds) == ""
        assert state.mark("es") == ES, "asking changes nothing"


def test_a_recorder_whose_mark_is_damaged_is_held_while_its_buffer_holds_data(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(ES)
        (state.recorder_folder("es") / "recorder").write_bytes(b"\0\0")

        said = state.held_because("es", CLUSTER, 3, ["es"], holds)
        assert said.startswith("its buffer holds 3 containers for a destination that is not known, and")
        assert state.marks() == [Mark("es", "", "")]
        state.set_mark(ES)
        assert state.held_because("es", CLUSTER, 3, ["es"], holds) == ""


def test_a_new_recorder_that_looks_like_one_renamed_is_held_while_that_ones_buffer_holds_data(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(Mark("my es", "elasticsearch", CLUSTER))
        assert state.held_because("new", CLUSTER, 0, ["new"], holds) == ""

        fill(state, "my es")

        assert state.held_because("new", CLUSTER, 0, ["new"], holds) == (
            "it looks like my es under a new name, whose buffer holds data for the same destination; "
            "`expvastic buffer adopt new --from 'my es' -c FILE` gives it to new, "
            "`expvastic buffer discard 'my es' -c FILE` drops it"
        )
        assert state.held_because("new", "http://elsewhere", 0, ["new"], holds) == ""
        assert state.held_because("new", CLUSTER, 0, ["new", "my es"], holds) == ""
        state.set_mark(Mark("new", "elasticsearch", CLUSTER))
        assert state.held_because("new", CLUSTER, 5, ["new"], holds) == ""


def test_data_of_recorders_that_are_not_configured_is_found(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        for name in ("a", "b", "c"):
            state.set_mark(Mark(name, "file", name))
        fill(state, "a")
        fill(state, "b")
        fill(state, "without mark")

        assert state.orphans(["b"], holds) == [Mark("a", "file", "a"), Mark("without mark", "", "")]


def test_the_folder_of_a_recorder_that_was_given_to_another_has_the_new_name(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(ES)
        (tmp_path / "recorders" / "es").rename(tmp_path / "recorders" / "new")

        assert state.marks() == [Mark("new", "elasticsearch", CLUSTER)]
        assert state.mark("new") == Mark("new", "elasticsearch", CLUSTER)


def test_a_recorder_can_be_given_the_data_of_another_one(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(Mark("old", "elasticsearch", "http://old"))
        fill(state, "old")
        (state.recorder_folder("old") / "quarantine").mkdir()
        (state.recorder_folder("old") / "quarantine" / "refused").touch()
        (state.recorder_folder("es") / "buffer").mkdir()
        (state.recorder_folder("es") / "buffer" / "lock").touch()

        state.adopt("old", ES)

        assert state.marks() == [ES]
        assert sorted(tree(state.recorder_folder("es"))) == [
            *("buffer", "buffer/data", "quarantine", "quarantine/refused", "recorder")
        ]


def test_a_recorder_that_is_given_a_buffer_keeps_its_own_quarantine_and_the_other_one_is_kept(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        old = Mark("old", "elasticsearch", "http://old")
        state.set_mark(old)
        fill(state, "old")
        for name in ("old", "es"):
            (state.recorder_folder(name) / "quarantine").mkdir()
            (state.recorder_folder(name) / "quarantine" / f"of {name}").touch()

        state.adopt("old", ES)

        assert state.marks() == [ES, old]
        assert (state.recorder_folder("es") / "quarantine" / "of es").exists()
        assert (state.recorder_folder("old") / "quarantine" / "of old").exists()
        assert holds(state.recorder_folder("es") / "buffer")
        assert not holds(state.recorder_folder("old") / "buffer")


def ending_after(left: list[int], call: Callable[..., Any]) -> Callable[..., Any]:
    """A call to the system that ends all when so many calls have been made."""

    def counted(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return call(*arguments, **named)

    return counted


def test_data_that_changes_hands_is_never_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each call to the system in turn, as if the process had ended there."""
    ended = 0
    for calls in range(60):
        with State.open(tmp_path / str(calls)) as state:
            state.set_mark(Mark("old", "elasticsearch", CLUSTER))
            fill(state, "old")
            (state.recorder_folder("es") / "buffer").mkdir()
            (state.recorder_folder("es") / "buffer" / "lock").touch()
            left = [calls]
            with monkeypatch.context() as patch:
                for name in CALLS:
                    patch.setattr(os, name, ending_after(left, getattr(os, name)))
                with contextlib.suppress(KeyboardInterrupt):
                    state.adopt("old", ES)
                    break

            ended += 1
            owners = [name for name in ("old", "es") if (state._folder_of(name) / "buffer" / "data").exists()]
            assert len(owners) == 1
            if owners == ["old"]:
                state.adopt("old", ES)
                assert state.marks() == [ES]
            assert holds(state.recorder_folder("es") / "buffer")
    assert 5 < ended < 59


def test_what_cannot_be_given_is_told(tmp_path: Path) -> None:
    with State.open(tmp_path) as state, pytest.raises(StateError, match="cannot be used"):
        state.adopt("gone", ES)


def test_a_mark_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(ES)
        before = tree(tmp_path)

        def refuse(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "pwrite", refuse)
        state.set_mark(ES)  # nothing to write
        with pytest.raises(StateError, match="the disk is full; make room on it"):
            state.set_mark(Mark("es", "elasticsearch", "http://new"))

        assert tree(tmp_path) == before
