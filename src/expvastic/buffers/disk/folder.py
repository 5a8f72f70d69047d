"""A folder's files while they are written: how much they hold, what the disk itself still lacks, and what is to go."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .files import Files


@dataclass(slots=True, eq=False)
class OpenFile:
    """A file that is written at its end."""

    path: Path
    file: int
    size: int = 0
    is_progress: bool = False
    is_spoilt: bool = False
    """Whether there may be bytes beyond its size that could not be taken away."""
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Doomed:
    """A file that is to be removed as soon as the progress that says so is safe."""

    path: Path
    size: int
    is_progress: bool = False
    is_settled: bool = False
    """Whether it may go before that, if need be: nobody will miss what is in it."""


@dataclass(slots=True)
class Job:
    """Brings to the disk what was written when it was made; data before progress.

    It opens the files itself: whoever writes them may close or remove them meanwhile, and need not wait for its end.
    """

    files: Files
    folder: Path
    targets: list[OpenFile]
    unsure: list[Path]
    with_folder: bool
    doomed: tuple[Doomed, ...]
    paths: list[Path] = field(init=False)
    failed: list[Path] = field(default_factory=list)
    """Of which the disk may have lost some."""
    unopened: list[Path] = field(default_factory=list)
    folder_failed: bool = False
    is_done: bool = False

    def __post_init__(self) -> None:
        self.paths = [*self.unsure, *(target.path for target in self.targets)]

    @property
    def has_failed(self) -> bool:
        """Whether anything of it failed."""
        return bool(self.failed or self.unopened or self.folder_failed)

    def __call__(self) -> None:
        """Do it. Raises OSError, after all was tried."""
        failure: OSError | None = None
        for path in self.paths:
            failure = self._sync(path) or failure
        try:
            if self.with_folder:
                self.files.sync_folder(self.folder)
        except OSError as error:
            self.folder_failed = True
            failure = error
        self.is_done = True
        if failure:
            raise failure

    def _sync(self, path: Path) -> OSError | None:
        try:
            file = self.files.open(path)
        except FileNotFoundError:  # removed meanwhile
            return None
        except OSError as error:
            self.unopened.append(path)
            return error
        try:
            self.files.sync(file)
        except OSError as error:
            self.failed.append(path)
            return error
        finally:
            self.files.close(file)
        return None


class Folder:
    """All methods that write raise OSError."""

    def __init__(self, files: Files, path: Path) -> None:
        self.files = files
        self.path = path
        self.bytes = 0
        self.doomed: list[Doomed] = []
        self.doomed_progress = 0  # bytes of progress files that are to be removed
        self._dirty: list[OpenFile] = []
        self._is_dirty = False  # the folder itself
        self._unsure: list[Path] = []  # dirty, perhaps, by an earlier process
        self._job: Job | None = None

    @property
    def is_clean(self) -> bool:
        """Whether all that was written is on the disk itself."""
        return not (self._dirty or self._unsure or self._is_dirty)

    def create(self, path: Path, data: bytes, *, is_progress: bool = False) -> OpenFile:
        """A new file with its first bytes; none if they cannot be written."""
        target = OpenFile(path, self.files.open(path, new=True), is_progress=is_progress)
        try:
            self.append(target, data)
        except OSError:
            self.close(target)
            self.abandon(target)
            raise
        self._is_dirty = True
        return target

    def append(self, target: OpenFile, data: bytes) -> None:
        """Write at a file's end, all or nothing."""
        written = 0
        try:
            while written < len(data):
                count = self.files.write(target.file, data[written:] if written else data, target.size + written)
                if count <= 0:
                    raise OSError(errno.EIO, "nothing was written", str(target.path))
                written += count
        except OSError:
            self._take_away(target, written)
            raise
        target.size += written
        self.bytes += written
        if target not in self._dirty:
            self._dirty.append(target)

    def rename(self, target: OpenFile, path: Path) -> None:
        """Give a file another name."""
        self.files.rename(target.path, path)
        target.path = path
        self._is_dirty = True

    def close(self, target: OpenFile) -> None:
        """Close a file; what was not brought to the disk is left to be."""
        if target in self._dirty:
            self._dirty.remove(target)
        target.is_closed = True
        self.files.close(target.file)

    def is_dirty(self, target: OpenFile) -> bool:
        """Whether some of a file may not be on the disk itself."""
        return target in self._dirty or (self._job is not None and target in self._job.targets)

    def doubt(self, path: Path) -> None:
        """An earlier process wrote a file, and may not have brought it to the disk."""
        self._unsure.append(path)

    def doom(self, path: Path, size: int, *, is_progress: bool = False, is_settled: bool = False) -> None:
        """Have a file removed once it is safe to."""
        self.doomed.append(Doomed(path, size, is_progress, is_settled))
        self.doomed_progress += size * is_progress

    def abandon(self, target: OpenFile) -> None:
        """Remove a file that is of no use, and was closed."""
        self.doom(target.path, target.size, is_progress=target.is_progress)
        self.remove([self.doomed[-1]])

    def remove(self, doomed: Iterable[Doomed]) -> None:
        """Remove files for good; those that cannot be stay doomed."""
        for one in doomed:
            if one not in self.doomed:
                continue
            with contextlib.suppress(OSError):
                self.files.remove(one.path)
                self.doomed.remove(one)
                self.bytes -= one.size
                self.doomed_progress -= one.size * one.is_progress
                self._is_dirty = True

    def sync_now(self, target: OpenFile) -> list[Path]:
        """Bring a file, and its place in the folder, to the disk at once; returns which of the two failed."""
        failed: list[Path] = []
        if self.is_dirty(target):
            self._dirty = [dirty for dirty in self._dirty if dirty is not target]
            try:
                self.files.sync(target.file)
            except OSError:
                failed.append(target.path)
        if self._is_dirty or (self._job is not None and self._job.with_folder):
            try:
                self.files.sync_folder(self.path)
            except OSError:
                failed.append(self.path)
            self._is_dirty = self.path in failed
        return failed

    def begin(self, *, may_remove: bool) -> Job | None:
        """A job for all that is dirty; None if there is nothing to do, or one is under way."""
        doomed = tuple(self.doomed) if may_remove else ()
        if self._job or (self.is_clean and not doomed):
            return None
        targets = sorted(self._dirty, key=lambda target: target.is_progress)
        self._job = Job(self.files, self.path, targets, self._unsure, self._is_dirty, doomed)
        self._dirty, self._unsure, self._is_dirty = [], [], False
        return self._job

    def end(self, error: OSError | None) -> list[Path]:
        """The job that was begun is over, or was given up; returns the files of which the disk may have lost some."""
        job = self._job
        if job is None:
            return []
        self._job = None
        missed = job.unopened if job.is_done else job.paths
        again = [target for target in job.targets if target.path in missed and not target.is_closed]
        self._dirty = [*again, *(target for target in self._dirty if target not in again)]
        self._unsure += [path for path in job.unsure if path in missed]
        self._is_dirty = self._is_dirty or job.folder_failed or (job.with_folder and not job.is_done)
        if not job.is_done:
            return []
        if error is None and not job.has_failed:
            self.remove(job.doomed)
        return job.failed

    def give_up_job(self) -> None:
        """Nobody runs the job that was begun any more."""
        if self._job:
            self.end(None)

    def _take_away(self, target: OpenFile, written: int) -> None:
        try:
            self.files.truncate(target.path, target.size)
        except OSError:
            target.is_spoilt = True
            target.size += written
            self.bytes += written
