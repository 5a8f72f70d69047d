"""The state directory: whose it is, and what it refuses, whatever moment a process ends at."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from expvastic.errors import StateError
from expvastic.state import State, peek
from state_folders import CALLS, ES, tree


def complaint(path: Path) -> str:
    """The one line that a directory is refused with."""
    with pytest.raises(StateError) as caught:
        State.open(path, patience=0.0)
    said = str(caught.value)
    assert said.isprintable()
    assert said.startswith(f"state_dir {path}: ")
    return said.partition(": ")[2]


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


def test_a_missing_directory_is_made_for_our_eyes_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with State.open(tmp_path / "state") as state:
            state.set_mark(ES)
    finally:
        os.umask(before)

    assert modes(tmp_path / "state") == {
        ".": 0o700,
        "instance": 0o600,
        "lock": 0o600,
        "recorders": 0o700,
        "recorders/es": 0o700,
        "recorders/es/recorder": 0o600,
    }
    assert json.loads((tmp_path / "state" / "instance").read_text()) == {"format": 1, "agent_id": state.agent_id}


def test_a_directory_keeps_its_agent_id_and_another_one_has_another(tmp_path: Path) -> None:
    ids = []
    for name in ("a", "a", "b"):
        with State.open(tmp_path / name) as state:
            ids.append(state.agent_id)

    assert ids[0] == ids[1] != ids[2]
    assert all(len(found) == 16 and int(found, 16) >= 0 for found in ids)


def test_an_empty_directory_is_taken_and_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    State.open(tmp_path).close()

    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_the_root_of_a_fresh_file_system_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()

    with State.open(tmp_path) as state:
        assert state.agent_id


def test_a_relative_path_counts_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with State.open(Path("state")) as state:
        monkeypatch.chdir("/")
        state.set_mark(ES)

    assert (tmp_path / "state" / "recorders" / "es" / "recorder").is_file()


def test_a_working_directory_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(StateError, match=r"^state_dir state: cannot be used"):
        State.open(Path("state"))


def test_a_file_system_that_cannot_sync_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def sync_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_files_only)

    with State.open(tmp_path / "state") as state:
        state.set_mark(ES)
        assert state.mark("es") == ES


def test_of_many_that_start_at_once_in_an_empty_folder_one_gets_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from expvastic.errors import StateError\n"
        "from expvastic.state import State\n"
        "print(flush=True); sys.stdin.readline()\n"
        "try:\n"
        "    state = State.open(Path(sys.argv[1]), patience=0.0)\n"
        "except StateError as error:\n"
        "    print(error)\n"
        "else:\n"
        "    print('got it', flush=True); sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "state")]
    starting = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for process in starting:
        assert process.stdout
        process.stdout.readline()
    for process in starting:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.stdout.readline() for process in starting if process.stdout]
    for process in starting:
        process.communicate("\n", timeout=60)

    assert sorted(line for line in said if "uses it" not in line) == ["got it\n"]
    State.open(tmp_path / "state", patience=0.0).close()


def test_closing_may_be_repeated_and_lets_another_in(tmp_path: Path) -> None:
    state = State.open(tmp_path)

    state.close()
    state.close()

    State.open(tmp_path, patience=0.0).close()


def test_a_directory_in_use_is_refused_with_the_process_that_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with State.open(path):
        before = tree(path)

        assert complaint(path) == f"another expvastic (process {os.getpid()}) uses it; stop that one first"

        assert tree(path) == before


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    program = f"from expvastic.state import State; from pathlib import Path; import os, signal\nState.open(Path({str(tmp_path)!r}))\nos.kill(os.getpid(), signal.SIGKILL)"  # noqa: E501
    run = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL

    with State.open(tmp_path, patience=0.0) as state:
        assert state.agent_id == json.loads((tmp_path / "instance").read_text())["agent_id"]


def test_a_missing_parent_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "state"

    assert complaint(path) == (
        f"{path.parent} is missing, in which it would be made; is something to be mounted there?"
    )
    assert not path.parent.exists()


@pytest.mark.parametrize("below", ["", "state"])
def test_a_file_in_the_place_of_a_folder_is_told(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    said = complaint(tmp_path / "file" / below)

    assert said == "there is a file where a folder should be; choose another path"
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "recorders/x", "lock"])
def test_somebody_elses_folder_is_refused_and_left_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("4711\n")
    tmp_path.chmod(0o755)
    before = tree(tmp_path), modes(tmp_path)

    said = complaint(tmp_path)

    assert said == f"is not expvastic's: it holds {name.split('/')[0]}, but no file instance; choose an empty folder"
    assert (tree(tmp_path), modes(tmp_path)) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"format": 2, "agent_id": [1]}',
            "the file instance in it is damaged or not expvastic's; put it back from a copy, or choose another folder",
        ),
        (
            '{"format": 2, "agent_id": "x"}',
            "another version of expvastic wrote it (format 2, not 1); use that version, or another folder",
        ),
        *(
            (text, "the file instance in it is damaged or not expvastic's; put it back from a copy, or choose another")
            for text in (
                "",
                "\0\0\0",
                "[]",
                '{"agent_id": "\udcff"}',
                '{"x": ' + "[" * 9_000,
                '{"format": 1}',
                '{"format": 1, "agent_id": "0123"}',
                '{"agent_id": "x"}',
            )
        ),
    ],
)
def test_another_version_or_a_damaged_instance_is_refused_and_kept(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "instance").write_text(text, "utf-8", "surrogateescape")
    before = tree(tmp_path)

    assert complaint(tmp_path).startswith(said)

    assert tree(tmp_path) == before


def test_a_pipe_in_the_place_of_a_file_does_not_hold_anybody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "instance")

    assert "damaged" in complaint(tmp_path)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user may enter, with a state directory of another user's in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        State.open(folder / "state").close()
        yield folder


def test_a_directory_without_permission_is_told(open_to_all: Path) -> None:
    path = open_to_all / "state"
    is_root = os.geteuid() == 0
    path.chmod(0o700 if is_root else 0)
    if is_root:
        os.seteuid(65534)
    try:
        said = complaint(path)
    finally:
        if is_root:
            os.seteuid(0)
        path.chmod(0o700)

    assert said.startswith("no permission; give the folder and all in it to the user that runs expvastic (number ")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full; make room on it"),
        (errno.EDQUOT, "the quota is used up; make room in it"),
        (errno.EROFS, "the file system is read-only; choose a folder that can be written to"),
        (errno.EIO, f"cannot be used ({os.strerror(errno.EIO)}); see to the disk that holds it"),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_disk_that_takes_no_data_is_told_at_once(
    number: int, said: str, is_new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    if not is_new:
        State.open(path).close()
    path.mkdir(exist_ok=True)
    before = tree(path)

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        assert complaint(path) == said

    assert tree(path) == before | {"lock": before.get("lock", b"")}
    State.open(path, patience=0.0).close()


def test_a_disk_that_cannot_be_synced_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        assert complaint(tmp_path / "state") == "cannot be used (broken); see to the disk that holds it"


def test_a_disk_that_takes_only_a_part_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda _descriptor, data, _offset: len(data) // 2)
        assert complaint(tmp_path) == "the disk is full; make room on it"


KILLED = """
import os, sys
from pathlib import Path
left = int(sys.argv[2])
def counting(call):
    def counted(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return call(*arguments, **named)
    return counted
from expvastic.state import Mark, State
for name in {calls!r}:
    setattr(os, name, counting(getattr(os, name)))
state = State.open(Path(sys.argv[1]))
state.set_mark(Mark("es", "elasticsearch", "somewhere"))
"""


def test_whatever_moment_it_is_killed_at_the_next_start_goes_on(tmp_path: Path) -> None:
    """Before each call to the system in turn, from a missing directory on, again and again in the same one."""
    killed = 0
    for calls in range(60):
        path = tmp_path / f"state{calls}"
        run = subprocess.run(
            [sys.executable, "-c", KILLED.format(calls=CALLS), str(path), str(calls)], timeout=60, check=False
        )
        if run.returncode == 0:
            break
        assert run.returncode == 9
        killed += 1
        with State.open(path, patience=0.0) as state:
            state.set_mark(ES)
            assert state.marks() == [ES]
    assert 15 < killed < 59


def test_a_look_beside_it_tells_who_is_there_and_keeps_nobody_from_starting(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        state.set_mark(ES)
        before = tree(tmp_path)
        looked = peek(tmp_path)
        assert tree(tmp_path) == before

    assert (looked.agent_id, looked.is_running, looked.path) == (state.agent_id, True, tmp_path)
    assert looked.marks == {ES: state.path / "recorders" / "es"}
    assert looked.folder_of("es") == looked.marks[ES]
    assert not peek(tmp_path).is_running


def test_a_start_waits_a_moment_for_somebody_who_looks(tmp_path: Path) -> None:
    State.open(tmp_path).close()
    program = "import fcntl, os, sys, time\nfd = os.open(sys.argv[1], os.O_RDONLY)\nfcntl.flock(fd, fcntl.LOCK_SH)\nprint(flush=True)\ntime.sleep(0.2)"  # noqa: E501
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "lock")], stdout=subprocess.PIPE) as looking:
        assert looking.stdout
        looking.stdout.readline()
        with State.open(tmp_path, patience=30.0) as state:
            assert state.agent_id


def test_two_who_look_do_not_take_each_other_for_a_running_process(tmp_path: Path) -> None:
    State.open(tmp_path).close()
    descriptor = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)

    assert not peek(tmp_path).is_running

    os.close(descriptor)


def test_a_copy_without_its_lock_is_used_by_nobody(tmp_path: Path) -> None:
    State.open(tmp_path).close()
    (tmp_path / "lock").unlink()

    assert not peek(tmp_path).is_running


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("", "is missing; expvastic makes it when it runs for the first time"),
        ("state", "is empty; expvastic fills it when it runs for the first time"),
        ("state/notes", "is not expvastic's: it holds notes, but no file instance; choose an empty folder"),
    ],
)
def test_a_look_at_what_is_no_state_directory_is_told(prepare: str, said: str, tmp_path: Path) -> None:
    if prepare:
        (tmp_path / prepare).mkdir(parents=True)

    with pytest.raises(StateError) as caught:
        peek(tmp_path / "state")

    assert str(caught.value) == f"state_dir {tmp_path / 'state'}: {said}"
