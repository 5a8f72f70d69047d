"""A disk in memory that can lose its power, run out of room, and fail at any call."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path


class Content:
    """A file's bytes, and those that the disk itself has."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = b""


class SimulatedFiles:
    """What is not synced is lost with the power; what is written survives the end of the process.

    ``trouble(call, name)`` is asked before each call, and may raise OSError. ``room`` are the bytes that are left.
    """

    def __init__(self) -> None:
        self.entries: dict[Path, Content] = {}
        self.trouble: Callable[[str, str], None] = lambda call, name: None
        self.room: int | None = None
        self._durable: dict[Path, Content] = {}
        self._changes: list[tuple[Path, Content | None]] = []
        self._open: dict[int, tuple[Path, Content]] = {}
        self._locks: dict[Path, int] = {}
        self._next = 3

    def kill(self) -> None:
        """The process ends at once."""
        self._open.clear()
        self._locks.clear()

    def lose_power(self, draw: random.Random) -> None:
        """The machine ends at once: of what was not synced, any beginning is left."""
        self.kill()
        for path, content in self._changes[: draw.randrange(len(self._changes) + 1)]:
            _enter(self._durable, path, content)
        self.entries, self._changes = dict(self._durable), []
        for content in self.entries.values():
            least, most = sorted((len(content.synced), len(content.data)))
            longer = content.data if len(content.data) >= len(content.synced) else content.synced
            content.synced = bytes(longer[: draw.choice((least, most, draw.randint(least, most)))])
            content.data = bytearray(content.synced)

    @property
    def open_files(self) -> int:
        """Files that nobody closed, locks included."""
        return len(self._open)

    def make_folder(self, folder: Path) -> None:
        self.trouble("make_folder", folder.name)

    def list(self, folder: Path) -> dict[str, int]:
        self.trouble("list", folder.name)
        return {path.name: len(content.data) for path, content in self.entries.items() if path.parent == folder}

    def lock(self, path: Path) -> int:
        self.trouble("lock", path.name)
        if path in self._locks:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked")
        if path not in self.entries:
            self._change(path, Content())
        self._locks[path] = self._take_up(path)
        return self._locks[path]

    def open(self, path: Path, *, new: bool = False) -> int:
        self.trouble("open", path.name)
        if new:
            if path in self.entries:
                raise FileExistsError(errno.EEXIST, "exists", str(path))
            self._change(path, Content())
        if path not in self.entries:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return self._take_up(path)

    def close(self, file: int) -> None:
        path, _ = self._open.pop(file)
        if self._locks.get(path) == file:
            del self._locks[path]

    def write(self, file: int, data: bytes, offset: int) -> int:
        path, content = self._open[file]
        self.trouble("write", path.name)
        if self.room is not None:
            data = data[: max(0, self.room)]
            if not data:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room -= len(data)
        assert offset == len(content.data), "a hole, or written twice"
        content.data[offset:] = data
        return len(data)

    def read(self, file: int, size: int, offset: int) -> bytes:
        path, content = self._open[file]
        self.trouble("read", path.name)
        return bytes(content.data[offset : offset + size])

    def truncate(self, path: Path, size: int) -> None:
        self.trouble("truncate", path.name)
        content = self.entries[path]
        self._free(len(content.data) - size)
        del content.data[size:]

    def sync(self, file: int) -> None:
        path, content = self._open[file]
        self.trouble("sync", path.name)
        content.synced = bytes(content.data)

    def sync_folder(self, folder: Path) -> None:
        self.trouble("sync_folder", folder.name)
        self._durable, self._changes = dict(self.entries), []

    def rename(self, old: Path, new: Path) -> None:
        self.trouble("rename", old.name)
        content = self.entries[old]
        self._change(new, content)
        self._change(old, None)
        for file, (_, opened) in self._open.items():
            if opened is content:
                self._open[file] = (new, content)

    def remove(self, path: Path) -> None:
        self.trouble("remove", path.name)
        if path in self.entries:
            self._free(len(self.entries[path].data))
            self._change(path, None)

    def _take_up(self, path: Path) -> int:
        self._next += 1
        self._open[self._next] = (path, self.entries[path])
        return self._next

    def _change(self, path: Path, content: Content | None) -> None:
        _enter(self.entries, path, content)
        self._changes.append((path, content))

    def _free(self, size: int) -> None:
        if self.room is not None:
            self.room += size


def _enter(entries: dict[Path, Content], path: Path, content: Content | None) -> None:
    if content is None:
        entries.pop(path, None)
    else:
        entries[path] = content


def failing(*calls: str, code: int = errno.EIO, times: int = 10**9) -> Callable[[str, str], None]:
    """Trouble at some calls, written ``call`` or ``call name``'s ending, for the next so many times."""
    left = [times]

    def trouble(call: str, name: str) -> None:
        wanted = any(call == what.split()[0] and name.endswith(what.split()[-1]) for what in calls if " " in what)
        if left[0] and (wanted or call in calls):
            left[0] -= 1
            raise OSError(code, "trouble")

    return trouble
