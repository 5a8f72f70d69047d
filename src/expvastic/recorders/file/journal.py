"""The active file: opened, mended, appended to, rotated; all of it blocking, for one thread at a time.

Theory of operation: what is in the file decides, not what we remember. Whenever something went wrong the file is
closed, and the next batch opens it again: a torn last line is cut, and the ids of the last lines tell what need not be
written again. An exclusive lock on the file, held while it is open, keeps two writers apart, be they two processes or
a write of our own that was given up and goes on in its thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...datatypes import Container
from ...errors import RecordError
from ...recorder import DUPLICATE, RECORDED, Verdict
from .archive import Archive, sync_folder
from .ids import KnownIds, ids_at_end
from .lines import START, first_timestamp, is_line, line_of, start_of_last_line
from .tidying import tidy_soon

IDS_KEPT = 10_000
IDS_REACH = 16 * 2**20  # bytes at the end of what was written before, in which ids are looked for
_LOOKS = 3  # at rotated files, of which each may be compressed before it is opened
_MODE = 0o640
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in the quota",
    errno.EACCES: "let this user write there",
    errno.EPERM: "let this user write there",
    errno.EROFS: "choose a path that can be written to",
    errno.ENOENT: "create its folder",
}


class Journal:
    """One file that lines are appended to. Every method raises RecordError, and nothing else of its own."""

    def __init__(
        self,
        path: str,
        *,
        rotate_bytes: int | None,
        rotate_age: float | None,
        make_archive: Callable[[Path], Archive],
        clock: Callable[[], float],
        write: Callable[[int, bytes | memoryview], int],
    ) -> None:
        self._named = path
        self._rotate_bytes = rotate_bytes
        self._rotate_age = rotate_age
        self._make_archive = make_archive
        self._clock = clock
        self._write = write
        self._path = Path(path)  # where a symbolic link leads, once it is open
        self._descriptor: int | None = None
        self._size = 0
        self._born = 0.0
        self._known = KnownIds(IDS_KEPT)
        self._is_tidy = False

    def look(self) -> None:
        """Check that the file could be written; creates nothing."""
        with self._complaining():
            path = Path(os.path.realpath(self._named))
            if not path.parent.is_dir():
                raise self._error(f"the folder {path.parent} does not exist; create it")
            if not os.access(path.parent, os.W_OK | os.X_OK):
                raise self._error(f"the folder {path.parent} cannot be written to; let this user write there")
            if path.exists():
                self._check_kind(path.stat())
                if not os.access(path, os.R_OK | os.W_OK):
                    raise self._error("the file cannot be read and written; let this user do so")

    def append(self, batch: Sequence[Container]) -> list[Verdict]:
        """Write what is not there yet."""
        with self._complaining():
            descriptor = self._opened()
            verdicts, fresh = self._sort(batch)
            if fresh:
                data = b"".join(map(line_of, fresh))
                if self._size and self._is_rotation_due(len(data)):
                    descriptor = self._rotate(descriptor)
                self._add(descriptor, data, fresh)
                os.fsync(descriptor)  # whoever is told that it is recorded forgets it
            self._tidy()
            return verdicts

    def close(self) -> None:
        """Bring all to the disk and close; harmless if it is closed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with self._complaining():
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def _sort(self, batch: Sequence[Container]) -> tuple[list[Verdict], list[Container]]:
        verdicts, fresh = [], {}
        for container in batch:
            is_known = container.id in self._known or container.id in fresh
            verdicts.append(DUPLICATE if is_known else RECORDED)
            if not is_known:
                fresh[container.id] = container
        return verdicts, list(fresh.values())

    def _add(self, descriptor: int, data: bytes, containers: Sequence[Container]) -> None:
        written, view = 0, memoryview(data)
        try:
            while written < len(data):
                written += self._write(descriptor, view[written:])
        except OSError:
            self._descriptor = None
            end = data.rfind(b"\n", 0, written) + 1
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size + end)
            # Opening reads no more than the last ids.
            self._known.add(container.id for container in containers[: data.count(b"\n", 0, end)])
            os.close(descriptor)
            raise
        if not self._size:
            self._born = containers[0].time / 1e6
        self._size += len(data)
        self._known.add(container.id for container in containers)

    # -- opening --

    def _opened(self) -> int:
        """The descriptor of the file; opened anew if the file was moved, removed or changed by others."""
        if self._descriptor is not None:
            if self._is_undisturbed(self._descriptor):
                return self._descriptor
            self.close()
        self._descriptor = self._open()
        return self._descriptor

    def _is_undisturbed(self, descriptor: int) -> bool:
        return self._is_in_place(descriptor) and os.fstat(descriptor).st_size == self._size

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _open(self) -> int:
        self._path = Path(os.path.realpath(self._named))
        self._archive = self._make_archive(self._path)
        self._is_tidy = False
        descriptor = os.open(self._path, _FLAGS, _MODE)
        try:
            self._check_kind(os.fstat(descriptor))
            self._lock(descriptor)
            self._size = self._mend(descriptor)
            self._born = first_timestamp(descriptor) or os.fstat(descriptor).st_mtime
            self._known.add(self._ids_before())
            sync_folder(self._path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise self._error(
                "another process or an unfinished write holds the file; give each its own path"
            ) from error
        if not self._is_in_place(descriptor):
            raise self._error("the file was replaced while it was being opened; try again")

    def _mend(self, descriptor: int) -> int:
        """Cut a torn last line; returns the size then. A file of others is left alone."""
        size = os.fstat(descriptor).st_size
        head = os.pread(descriptor, len(START), 0)
        if not head.startswith(START) and not START.startswith(head):
            raise self._error("the file was not written by expvastic (its first line has no _id); choose another path")
        end = start_of_last_line(descriptor, size)
        if end and not is_line(self._line_before(descriptor, end)):
            end = start_of_last_line(descriptor, end - 1)
        if end < size:
            os.ftruncate(descriptor, end)
        return end

    def _line_before(self, descriptor: int, end: int) -> bytes:
        start = start_of_last_line(descriptor, end - 1)
        return os.pread(descriptor, end - 1 - start, start)

    def _ids_before(self) -> list[str]:
        """The ids of the last lines, also of those in the files rotated last if this one is short."""
        ids = ids_at_end(self._path, IDS_REACH, IDS_KEPT)
        if self._size < IDS_REACH and len(ids) < IDS_KEPT:
            ids = self._ids_rotated(IDS_REACH - self._size, IDS_KEPT - len(ids)) + ids
        return ids

    def _ids_rotated(self, reach: int, limit: int) -> list[str]:
        for _ in range(_LOOKS):
            with contextlib.suppress(FileNotFoundError):
                return self._ids_of(self._archive.newest_first(), reach, limit)
        return []

    def _ids_of(self, newest_first: Sequence[Path], reach: int, limit: int) -> list[str]:
        ids: list[str] = []
        for rotated in newest_first:
            if reach <= 0 or len(ids) >= limit:
                break
            ids = ids_at_end(rotated, reach, limit - len(ids)) + ids
            reach -= rotated.stat().st_size
        return ids

    # -- rotating --

    def _is_rotation_due(self, coming: int) -> bool:
        is_large = self._rotate_bytes is not None and self._size + coming > self._rotate_bytes
        return is_large or (self._rotate_age is not None and self._clock() - self._born >= self._rotate_age)

    def _rotate(self, descriptor: int) -> int:
        """Give the file its lasting name and begin a new one."""
        os.fsync(descriptor)
        self._path.rename(self._archive.next_path(self._clock()))
        self.close()
        return self._opened()

    def _tidy(self) -> None:
        """Have rotated files compressed and removed, after opening and after each rotation."""
        if not self._is_tidy:
            self._is_tidy = True
            tidy_soon(self._path, self._archive)

    # -- complaining --

    def _check_kind(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self._error("this is not a regular file; choose another path")

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            advice = _ADVICE.get(error.errno or 0, "check the disk")
            raise self._error(f"{error.strerror or error}; {advice}") from error

    def _error(self, message: str) -> RecordError:
        name = self._named if self._named.isprintable() else ascii(self._named)
        return RecordError(f"cannot write {name}: {message}")
