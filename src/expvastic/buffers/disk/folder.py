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


@dataclass(frozen=True, slots=True)
class Doomed:
    """A file that is to be removed as soon as the progress that says so is safe."""

    path: Path
    size: int
    is_progress: bool


@dataclass(slots=True)
class Job:
    """Brings to the disk what was written when it was made; data before progress."""

    files: Files
    folder: Path
    targets: list[OpenFile]
    with_folder: bool
    doomed: tuple[Doomed, ...]
    failed: list[OpenFile] = field(default_factory=list)
    folder_failed: bool = False
    has_run: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether anything of it failed."""
        return bool(self.failed) or self.folder_failed

    def __call__(self) -> None:
        """Do it. Raises OSError, after all was tried."""
        failure: OSError | None = None
        self.has_run = True
        for target in self.targets:
            try:
                self.files.sync(target.file)
            except OSError as error:
                self.failed.append(target)
                failure = error
        try:
            if self.with_folder:
                self.files.sync_folder(self.folder)
        except OSError as error:
            self.folder_failed = True
            failure = error
        if failure:
            raise failure


class Folder:
    """All methods that write raise OSError."""

    def __init__(self, files: Files, path: Path) -> None:
        self.files = files
        self.path = path
        self.bytes = 0
        self.doomed: list[Doomed] = []
        self._dirty: list[OpenFile] = []
        self._is_dirty = False  # the folder itself
        self._job: Job | None = None
        self._closing: list[OpenFile] = []

    @property
    def is_clean(self) -> bool:
        """Whether all that was written is on the disk itself."""
        return not (self._dirty or self._is_dirty)

    @property
    def doomed_progress(self) -> int:
        """Bytes of progress files that are to be removed."""
        return sum(doomed.size for doomed in self.doomed if doomed.is_progress)

    def create(self, path: Path, data: bytes, *, is_progress: bool = False) -> OpenFile:
        """A new file with its first bytes; none if they cannot be written."""
        target = OpenFile(path, self.files.open(path, new=True), is_progress=is_progress)
        try:
            self.append(target, data)
        except OSError:
            self.close(target)
            self.bytes -= target.size
            with contextlib.suppress(OSError):
                self.files.remove(path)
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
        """Close a file, as soon as nobody brings it to the disk any more; what was not brought there is left to be."""
        if target in self._dirty:
            self._dirty.remove(target)
        if self._job and target in self._job.targets:
            self._closing.append(target)
        else:
            self.files.close(target.file)

    def is_dirty(self, target: OpenFile) -> bool:
        """Whether some of a file may not be on the disk itself."""
        return target in self._dirty or (self._job is not None and target in self._job.targets)

    def doom(self, path: Path, size: int, *, is_progress: bool = False) -> None:
        """Have a file removed once it is safe to."""
        self.doomed.append(Doomed(path, size, is_progress))

    def remove(self, doomed: Iterable[Doomed]) -> None:
        """Remove files for good; those that cannot be stay doomed."""
        for one in doomed:
            if one not in self.doomed:
                continue
            with contextlib.suppress(OSError):
                self.files.remove(one.path)
                self.doomed.remove(one)
                self.bytes -= one.size
                self._is_dirty = True

    def sync_now(self, targets: Iterable[OpenFile]) -> Job:
        """Bring some files to the disk at once; the job says what failed."""
        with_folder = self._is_dirty or (self._job is not None and self._job.with_folder)
        job = Job(self.files, self.path, [target for target in targets if self.is_dirty(target)], with_folder, ())
        self._forget_dirt(job)
        with contextlib.suppress(OSError):
            job()
        self._is_dirty = self._is_dirty or job.folder_failed
        return job

    def begin(self, *, may_remove: bool) -> Job | None:
        """A job for all that is dirty; None if there is nothing to do, or one is under way."""
        doomed = tuple(self.doomed) if may_remove else ()
        if self._job or (self.is_clean and not doomed):
            return None
        targets = sorted(self._dirty, key=lambda target: target.is_progress)
        self._job = Job(self.files, self.path, targets, self._is_dirty, doomed)
        self._forget_dirt(self._job)
        return self._job

    def end(self, error: OSError | None) -> list[OpenFile]:
        """The job that was begun is over, or was given up; returns the files of which the disk may have lost some."""
        job = self._job
        if job is None:
            return []
        self._job = None
        if not job.has_run:
            self._dirty = [*job.targets, *(target for target in self._dirty if target not in job.targets)]
            self._is_dirty = self._is_dirty or job.with_folder
        elif error and not job.has_failed:
            job.failed += job.targets
        self._is_dirty = self._is_dirty or job.folder_failed
        for target in self._closing:
            self.files.close(target.file)
        failed = [target for target in job.failed if target not in self._closing]
        self._dirty = [target for target in self._dirty if target not in self._closing]
        self._closing = []
        if job.has_run and not job.has_failed:
            self.remove(job.doomed)
        return failed

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

    def _forget_dirt(self, job: Job) -> None:
        self._dirty = [target for target in self._dirty if target not in job.targets]
        self._is_dirty = False
