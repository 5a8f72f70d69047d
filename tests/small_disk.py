"""A state directory with little room: a small file system where one may be mounted, else a limit of file sizes."""

from __future__ import annotations

import abc
import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from program import Program

SIZE = 8 * 2**20
ROOM = 1_500_000  # bytes that are free besides the ballast
FILE_LIMIT = 300_000  # bytes of any one file, where nothing can be mounted
SEGMENT = 2**20  # bytes; so that the limit of files is met before


class SmallDisk(abc.ABC):
    """A folder that is full soon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abc.abstractmethod
    def narrow(self, program: Program) -> None:
        """Leave little room to a program that has started."""

    @abc.abstractmethod
    def make_room(self) -> None:
        """As an operator would who removes something else."""

    @property
    @abc.abstractmethod
    def is_shared(self) -> bool:
        """Whether room comes by removing one's own files, too."""


class Mounted(SmallDisk):
    """A file system of its own, with a ballast."""

    @property
    def is_shared(self) -> bool:
        return True

    def narrow(self, program: Program) -> None:
        with (self.folder / "ballast").open("wb") as ballast:
            while shutil.disk_usage(self.folder).free > ROOM:
                ballast.write(bytes(65536))
                ballast.flush()

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()


class Limited(SmallDisk):
    """Any folder; the program cannot make a file longer than so many bytes."""

    _program: Program

    @property
    def is_shared(self) -> bool:
        return False

    def narrow(self, program: Program) -> None:
        self._program = program
        self._limit(FILE_LIMIT)

    def make_room(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        assert self._program._process
        resource.prlimit(self._program._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextlib.contextmanager
def small_disk(folder: Path, *, mounts: bool) -> Iterator[SmallDisk]:
    """The first that can be had here: tmpfs, an image with ext4, the limit; with ``mounts`` false the limit alone."""
    folder.mkdir()
    if mounts and (_mount_tmpfs(folder) or _mount_image(folder)):
        try:
            yield Mounted(folder)
        finally:
            _runs("umount", "--lazy", str(folder))
    else:
        yield Limited(folder)


def _mount_tmpfs(folder: Path) -> bool:
    return _runs("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))


def _mount_image(folder: Path) -> bool:
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(SIZE)
    return _runs("mkfs.ext4", "-q", "-m", "0", str(image)) and _runs("mount", "-o", "loop", str(image), str(folder))


def _runs(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
