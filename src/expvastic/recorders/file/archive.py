"""The rotated files beside the active one: their names, compressing them, removing the oldest.

``samples.ndjson`` is renamed to ``samples-20261121T033100Z-001.ndjson`` and compressed to the same name with ``.gz``.
Names rise strictly, whatever the clock does, so the last by name is the newest. A crash may leave a temporary file, or
a plain one beside its finished twin; ``tidy`` ends what was begun. While it is at work others may rotate, or tidy too,
be it in another process: a temporary file belongs to whoever holds the lock on it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

_BLOCK = 2**20
_LEVEL = 2
_AS_GZIP = 31  # zlib's word for it


class _Rotated(NamedTuple):
    stamp: str
    counter: int
    path: Path


class Archive:
    """The rotated files of one active file. All methods may raise OSError."""

    def __init__(self, active: Path, *, gzip: bool, keep: int | None) -> None:
        self._active = active
        self._gzip = gzip
        self._keep = keep
        stem, suffix = re.escape(active.stem), re.escape(active.suffix)
        self._pattern = re.compile(rf"{stem}-(\d{{8}}T\d{{6}}Z)-(\d{{3,}}){suffix}(|\.gz|\.gz\.tmp)")

    def next_path(self, now: float) -> Path:
        """A name that comes after all others."""
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        counter = 1
        if (found := self._found("", ".gz")) and found[-1].stamp >= stamp:
            stamp, counter = found[-1].stamp, found[-1].counter + 1
        while (path := self._name(stamp, counter)).exists() or _packed(path).exists():
            counter += 1  # it was being compressed while we looked
        return path

    def newest_first(self) -> list[Path]:
        """The rotated files; of one that is there both ways, the plain one first."""
        return [rotated.path for rotated in reversed(self._found("", ".gz"))]

    def tidy(self) -> None:
        """Compress what is to be compressed, remove what is too much."""
        for rotated in self._found(".gz.tmp"):
            _remove_unowned(rotated.path)
        if self._gzip:
            for rotated in self._found(""):
                _compress(rotated.path)
        if self._keep is not None:
            self._keep_newest(self._keep)

    def _keep_newest(self, count: int) -> None:
        found = self._found("", ".gz")
        kept = sorted({(rotated.stamp, rotated.counter) for rotated in found})[-count:]
        for rotated in found:
            if (rotated.stamp, rotated.counter) not in kept:
                rotated.path.unlink(missing_ok=True)

    def _name(self, stamp: str, counter: int) -> Path:
        return self._active.with_name(f"{self._active.stem}-{stamp}-{counter:03d}{self._active.suffix}")

    def _found(self, *endings: str) -> list[_Rotated]:
        """The rotated files with one of these endings, oldest first; of twins the plain one last."""
        found = [
            _Rotated(match[1], int(match[2]), path)
            for path in self._active.parent.iterdir()
            if (match := self._pattern.fullmatch(path.name)) and match[3] in endings
        ]
        return sorted(found, key=lambda rotated: (rotated.stamp, rotated.counter, -len(rotated.path.name)))


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _packed(plain: Path) -> Path:
    return plain.with_name(plain.name + ".gz")


def _compress(plain: Path) -> None:
    """Replace a file by its compressed twin; the plain one goes when the other is safe on the disk."""
    packed = _packed(plain)
    if not packed.exists():
        _make_twin(plain, packed)
        sync_folder(plain.parent)
    plain.unlink(missing_ok=True)


def _make_twin(plain: Path, packed: Path) -> None:
    temporary = packed.with_name(packed.name + ".tmp")
    mode = stat.S_IMODE(plain.stat().st_mode)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as target:
        _own(descriptor, temporary)
        try:
            _pack(plain, target)
            temporary.rename(packed)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def _pack(plain: Path, target: BinaryIO) -> None:
    from isal import isal_zlib

    packer = isal_zlib.compressobj(_LEVEL, wbits=_AS_GZIP)
    with plain.open("rb") as source:
        while block := source.read(_BLOCK):
            target.write(packer.compress(block))
    target.write(packer.flush())
    target.flush()
    os.fsync(target.fileno())


def _remove_unowned(temporary: Path) -> None:
    """Remove what a crash has left; somebody's work is left alone."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), temporary.open("rb") as found:
        _own(found.fileno(), temporary)
        temporary.unlink()


def _own(descriptor: int, temporary: Path) -> None:
    """Lock a temporary file. Raises BlockingIOError if it is another's, FileNotFoundError if it is none any more."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if not os.path.samestat(os.fstat(descriptor), temporary.stat()):
        raise FileNotFoundError(errno.ENOENT, "replaced meanwhile", str(temporary))
