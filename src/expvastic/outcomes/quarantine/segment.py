"""One file of a quarantine: lines are appended, and removed by putting a new file in its place."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from .lines import id_in

_NAME = re.compile(r"(\d{8,9})\.ndjson(\.new)?")
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE = 0o600


class Segment:
    """A file, as it was when it was last read or written.

    Whoever calls must hold the folder's lock. Every method that does I/O raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.ids: set[str] = set()
        self.torn = 0  # lines that cannot be read
        self._mark = (0, 0)  # inode and time of change
        self._is_synced = False  # the name, too

    def is_as(self, status: os.stat_result) -> bool:
        """Whether the file is as we know it, by its status."""
        return (self.size, self._mark) == (status.st_size, (status.st_ino, status.st_mtime_ns))

    def read(self) -> None:
        """Learn what is in the file."""
        self._remember(self.path.stat(follow_symlinks=False))
        found = [id_in(line) for line in self._lines()]
        self.ids = {known for known in found if known is not None}
        self.torn = found.count(None)
        self._is_synced = False

    def append(self, lines: Mapping[str, bytes]) -> None:
        """Write lines, given by their ids; they are on the disk when this returns."""
        with _opened(self.path, _WRITE) as descriptor:
            start = os.fstat(descriptor).st_size
            is_cut = start > 0 and os.pread(descriptor, 1, start - 1) != b"\n"
            try:
                _write(descriptor, b"\n" * is_cut + b"".join(lines.values()))
            except OSError:
                # After a failed sync the system holds for written what is not. What is not there is written again.
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, start)
                raise
            self._remember(os.fstat(descriptor))
        self.ids.update(lines)
        self._sync_name()

    def sync(self) -> None:
        """Bring to the disk what another process may have left before it came to that."""
        if not self._is_synced:
            with _opened(self.path, _READ) as descriptor:
                os.fsync(descriptor)
            self._sync_name()

    def remove(self, ids: Collection[str]) -> None:
        """Take entries out; the file goes with the last of them. Lines that cannot be read stay until then."""
        if self.ids.issubset(ids):
            self.path.unlink()
            self.size, self.ids, self.torn = 0, set(), 0
            return
        unfinished = self.path.with_name(f"{self.path.name}.new")
        kept = [line for line in self._lines() if id_in(line) not in ids]
        with _opened(unfinished, _WRITE | os.O_TRUNC) as descriptor:
            _write(descriptor, b"".join(line + b"\n" for line in kept))
            status = os.fstat(descriptor)
        unfinished.replace(self.path)
        self.ids.difference_update(ids)
        self._remember(status)
        self._is_synced = False
        self._sync_name()

    def _lines(self) -> Iterator[bytes]:
        return filter(None, self.path.read_bytes().split(b"\n"))

    def _remember(self, status: os.stat_result) -> None:
        self.size, self._mark = status.st_size, (status.st_ino, status.st_mtime_ns)

    def _sync_name(self) -> None:
        if not self._is_synced:
            _sync_folder(self.path.parent)
            _sync_folder(self.path.parent.parent)
            self._is_synced = True


def segment_path(folder: Path, number: int) -> Path:
    """Where the segment of that number is."""
    return folder / f"{number:08d}.ndjson"


def find_segments(folder: Path) -> dict[int, Path]:
    """The segments of a folder by number, oldest first; what else is in it is somebody else's."""
    return dict(sorted(_find(folder, is_unfinished=False)))


def clear_unfinished(folder: Path) -> None:
    """Remove what was to replace a segment when its process ended."""
    for _, path in _find(folder, is_unfinished=True):
        path.unlink()


def _find(folder: Path, *, is_unfinished: bool) -> list[tuple[int, Path]]:
    try:
        with os.scandir(folder) as found:
            named = [(entry, _NAME.fullmatch(entry.name)) for entry in found]
    except FileNotFoundError:
        return []
    return [
        (int(match[1]), Path(entry.path))
        for entry, match in named
        if match and bool(match[2]) == is_unfinished and entry.is_file(follow_symlinks=False)
    ]


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, _MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    with _opened(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as descriptor:
        os.fsync(descriptor)
