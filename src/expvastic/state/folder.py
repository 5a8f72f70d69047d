"""Whether a folder is a state directory, whose it is, and how it becomes one.

Theory of operation: ``instance`` makes a folder ours, and is the first file that is made in it after the lock. Whatever
moment a process ends at, there is either ``instance``, complete, or nothing but what the next start takes for nothing:
an empty lock and files that were never finished. A folder that holds anything else, and no ``instance``, is somebody
else's, and not touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
import time
from pathlib import Path

import msgspec

from .writing import (
    DAMAGED,
    FILE_MODE,
    FOLDER_MODE,
    UNFINISHED,
    make_folder,
    printable,
    read_small,
    state_error,
    sync_folder,
    told_of,
    write_at_start,
    write_synced,
    write_whole,
)

LOCK = "lock"
INSTANCE = "instance"
FORMAT = 1
PATIENCE = 0.5  # seconds; somebody who only looks holds the lock for an instant
_PROBE = "probe" + UNFINISHED
_PROBED = 4096  # bytes
SHARDS = "shards"
_NOT_OURS = {"lost+found", SHARDS}  # a file system's own, in its root; other processes' directories
_UNFINISHED = {INSTANCE + UNFINISHED, _PROBE}
_PID = re.compile(rb"\d{1,20}\n")
_LOCKS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Instance(msgspec.Struct):
    format: int
    agent_id: str = ""


def open_folder(path: Path, patience: float = PATIENCE) -> tuple[int, str]:
    """Make a folder a state directory, or take one up; returns its lock, to be closed at the end, and the agent id.

    Raises StateError; then nothing that was in it is changed.
    """
    with told_of(path):
        _make(path)
        _read_instance(path)  # before anything is written
        descriptor = _lock(path, patience)
        try:
            agent_id = _read_instance(path)
            _tighten(path)
            _prove_that_it_takes_data(path)
            if not agent_id:
                agent_id = _create(path)
            os.ftruncate(descriptor, 0)
            write_at_start(descriptor, b"%d\n" % os.getpid())
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor, agent_id


def shard_folder(path: Path, number: int) -> Path:
    """The state directory of one of several processes, by the one that they share."""
    return path / SHARDS / str(number)


def make_shards(path: Path) -> None:
    """Make room in a state directory, or in one that is to be, for those of several processes. Raises StateError."""
    with told_of(path):
        _make(path)
        _read_instance(path)  # somebody else's folder is not touched
        _tighten(path)
        make_folder(path / SHARDS)


def find_shards(path: Path) -> dict[int, Path]:
    """The state directories of several processes in one, by number. Raises StateError."""
    with told_of(path):
        try:
            found = [folder for folder in (path / SHARDS).iterdir() if folder.name.isdecimal() and folder.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return {}
    return {int(folder.name): folder for folder in sorted(found)}


def is_made(path: Path) -> bool:
    """Whether a folder is a state directory that was worked with. Raises StateError."""
    with told_of(path):
        return (path / INSTANCE).exists()


def read_agent_id(path: Path) -> str:
    """The agent id of a state directory that is only looked at. Raises StateError if it is none."""
    with told_of(path):
        if not path.exists():
            raise state_error(path, "is missing; expvastic makes it when it runs for the first time")
        if agent_id := _read_instance(path):
            return agent_id
        if (path / SHARDS).exists():
            raise state_error(path, "holds the folders of several processes; say which one's with --shard K/N")
    raise state_error(path, "is empty; expvastic fills it when it runs for the first time")


def is_locked(path: Path) -> bool:
    """Whether a process works with a state directory; does not keep one from starting. Raises StateError."""
    with told_of(path):
        try:
            descriptor = os.open(path / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


def _make(path: Path) -> None:
    if not path.parent.exists():
        parent = printable(str(path.parent))
        raise state_error(path, f"{parent} is missing, in which it would be made; is something to be mounted there?")
    make_folder(path)


def _read_instance(path: Path) -> str:
    """The agent id; empty if nothing is in the folder yet. Raises StateError if it is not ours, OSError."""
    foreign = _find_foreign(path)  # before the file is looked for, which another process may be about to make
    data = read_small(path / INSTANCE)
    if data is None:
        if foreign:
            message = f"is not expvastic's: it holds {printable(foreign)}, but no file {INSTANCE}"
            raise state_error(path, f"{message}; choose an empty folder")
        return ""
    try:
        instance = msgspec.json.decode(data, type=_Instance)
    except DAMAGED:
        instance = _Instance(FORMAT)
    if instance.format != FORMAT:
        message = f"another version of expvastic wrote it (format {instance.format}, not {FORMAT})"
        raise state_error(path, f"{message}; use that version, or another folder")
    if not re.fullmatch("[0-9a-f]{16}", instance.agent_id):
        message = f"the file {INSTANCE} in it is damaged or not expvastic's"
        raise state_error(path, f"{message}; put it back from a copy, or choose another folder")
    return instance.agent_id


def _find_foreign(path: Path) -> str:
    """The first file that keeps a folder without ``instance`` from being taken for empty, if there is one."""
    for name in sorted(entry.name for entry in path.iterdir()):
        if name == LOCK and not read_small(path / LOCK):
            continue  # until there is an instance, nobody writes into it
        if name not in _NOT_OURS and name not in _UNFINISHED:
            return name
    return ""


def _lock(path: Path, patience: float) -> int:
    descriptor = os.open(path / LOCK, _LOCKS, FILE_MODE)
    try:
        until = time.monotonic() + patience
        while not _is_ours(descriptor):
            if time.monotonic() >= until:
                raise state_error(path, f"another expvastic{_pid_in(descriptor)} uses it; stop that one first")
            time.sleep(0.01)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_ours(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid_in(descriptor: int) -> str:
    text = os.pread(descriptor, 32, 0)
    return f" (process {int(text)})" if _PID.fullmatch(text) else ""


def _tighten(path: Path) -> None:
    """Nobody else is to look in; a folder of another user is his to change."""
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == os.geteuid():
        path.chmod(FOLDER_MODE)


def _prove_that_it_takes_data(path: Path) -> None:
    probe = path / _PROBE
    try:
        write_synced(probe, b"\0" * _PROBED)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _create(path: Path) -> str:
    agent_id = secrets.token_hex(8)
    write_whole(path / INSTANCE, msgspec.json.encode(_Instance(FORMAT, agent_id)))
    sync_folder(path.parent)
    return agent_id
