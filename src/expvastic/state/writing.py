"""Small files that are there as a whole or not at all, and what an error of the disk means to the user."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..errors import StateError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
DAMAGED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # what decoding something else's data may raise
UNFINISHED = ".new"  # what the name of a file ends with until it is complete
_LARGEST = 64 * 2**10  # bytes; far above any small file of ours
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe in its place must not hold us up
_ADVICE = {
    errno.ENOSPC: "the disk is full; make room on it",
    errno.EDQUOT: "the quota is used up; make room in it",
    errno.EROFS: "the file system is read-only; choose a folder that can be written to",
    errno.ENOTDIR: "there is a file where a folder should be; choose another path",
    errno.EEXIST: "there is a file where a folder should be; choose another path",
    errno.ELOOP: "a link stands where expvastic has a file of its own; choose another folder",
    errno.ENAMETOOLONG: "the path is too long; choose a shorter one",
}
_FORBIDDEN = (errno.EACCES, errno.EPERM)


@contextlib.contextmanager
def told_of(folder: Path) -> Iterator[None]:
    """Make a StateError about the state directory of every OSError."""
    try:
        yield
    except OSError as error:
        raise state_error(folder, _advice(error)) from error


def state_error(folder: Path, message: str) -> StateError:
    """The error about a state directory, in one line."""
    return StateError(f"state_dir {printable(str(folder))}: {message}")


def printable(text: str) -> str:
    """Text as one line that is safe for a terminal."""
    return text if text.isprintable() else ascii(text)[1:-1]


def make_folder(path: Path) -> None:
    """Make a folder for our eyes only, unless it is there; a new one outlives a power failure. Raises OSError."""
    try:
        path.mkdir(FOLDER_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Put a file in its place, complete and on the disk itself, or leave what was there. Raises OSError."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        write_synced(unfinished, data)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file, whatever was in it; its data is on the disk itself when this returns. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        write_at_start(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_at_start(descriptor: int, data: bytes) -> None:
    """Write all of the data from the beginning of a file on, or raise OSError."""
    if os.pwrite(descriptor, data, 0) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a disk that takes a part of it is full


def read_small(path: Path) -> bytes | None:
    """What a small file holds, None if there is none. Raises OSError."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, _LARGEST)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk itself. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # there are file systems that have no such thing for folders
            raise
    finally:
        os.close(descriptor)


def _advice(error: OSError) -> str:
    if error.errno in _FORBIDDEN:
        return f"no permission; give the folder and all in it to the user that runs expvastic (number {os.geteuid()})"
    return _ADVICE.get(error.errno or 0, f"cannot be used ({error.strerror or error}); see to the disk that holds it")
