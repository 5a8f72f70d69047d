"""The file layer below the buffer on disk: what it asks of the operating system, and nothing more."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

FOLDER_MODE = 0o700
FILE_MODE = 0o600

_SAFELY = (
    os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
)  # a pipe in the place of a file is an error, and no reason to wait
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has none


class Files(Protocol):
    """Files of one kind of disk. Open files are numbers; all methods raise OSError."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder, with those above it, unless it is there."""

    def list(self, folder: Path) -> dict[str, int]:
        """What is in a folder, with its size in bytes."""

    def lock(self, path: Path) -> int:
        """Open a file, made if need be, and lock it; raises BlockingIOError if another process has the lock."""

    def open(self, path: Path, *, new: bool = False) -> int:
        """Open a file for reading, or make a new one for both."""

    def close(self, file: int) -> None:
        """Close an open file, and release its lock."""

    def write(self, file: int, data: bytes, offset: int) -> int:
        """Write as much as goes in one call; returns how much."""

    def read(self, file: int, size: int, offset: int) -> bytes:
        """Read up to so many bytes; less only at the end of the file."""

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file."""

    def sync(self, file: int) -> None:
        """Bring a file's contents to the disk itself."""

    def sync_folder(self, folder: Path) -> None:
        """Bring a folder's entries to the disk itself."""

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name; one that has it goes."""

    def remove(self, path: Path) -> None:
        """Remove a file."""


class SystemFiles:
    """The files of this machine."""

    def make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self.make_folder(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with contextlib.suppress(OSError):  # one that may not be read
            self.sync_folder(folder.parent)

    def list(self, folder: Path) -> dict[str, int]:
        found: dict[str, int] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:  # another process removed it meanwhile
                    continue
        return found

    def lock(self, path: Path) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | _SAFELY, FILE_MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        return file

    def open(self, path: Path, *, new: bool = False) -> int:
        how = os.O_RDWR | os.O_CREAT | os.O_EXCL if new else os.O_RDONLY
        return os.open(path, how | _SAFELY, FILE_MODE)

    def close(self, file: int) -> None:
        os.close(file)

    def write(self, file: int, data: bytes, offset: int) -> int:
        return os.pwrite(file, data, offset)

    def read(self, file: int, size: int, offset: int) -> bytes:
        return os.pread(file, size, offset)

    def truncate(self, path: Path, size: int) -> None:
        os.truncate(path, size)

    def sync(self, file: int) -> None:
        _sync_data(file)

    def sync_folder(self, folder: Path) -> None:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
