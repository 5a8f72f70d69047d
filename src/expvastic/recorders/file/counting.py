"""What the lines of a file recorder's files, active and rotated, tell: how many of whom, and their ids. Blocking."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import RecordError
from .archive import Archive
from .readback import Stored, lines_in, opened, parse

_LOOKS = 3  # at files of which some may be rotated or compressed meanwhile
_MINUTE = 60_000_000  # microseconds


class _Files(NamedTuple):
    """The files at one moment. ``names`` are those of the rotated ones, compressed or not."""

    paths: Sequence[Path]
    names: frozenset[str]
    active: tuple[int, int]  # device and inode


def count_lines(path: str, agent_id: str, since: int, until: int) -> Counter[int]:
    """The lines of one ``agent.id`` by minute, from ``since`` to before ``until``. Raises RecordError."""
    with _complaining(path):
        for _ in range(_LOOKS):
            files = _find_files(path)
            with contextlib.suppress(FileNotFoundError):
                counts = _count(files.paths, agent_id, since, until)
                if _find_files(path)[1:] == files[1:]:
                    return counts
        raise RecordError(f"{path}: its files change faster than they can be counted; try again")


def ids_in_all(path: str) -> Iterator[str]:
    """Every id in the files, some perhaps twice. Raises RecordError."""
    with _complaining(path):
        for file in _find_files(path).paths:
            with contextlib.suppress(FileNotFoundError):  # compressed meanwhile by somebody who writes here, too
                yield from (stored.id for stored in _stored(file))


def _count(paths: Sequence[Path], agent_id: str, since: int, until: int) -> Counter[int]:
    counts: Counter[int] = Counter()
    for path in paths:
        if path.stat().st_mtime < since * 60:  # nobody wrote here since
            continue
        for stored in _stored(path):
            minute = stored.time // _MINUTE
            if stored.agent_id == agent_id and since <= minute < until:
                counts[minute] += 1
    return counts


def _stored(path: Path) -> Iterator[Stored]:
    """What whole lines hold; a last one may be under way, and others are not ours."""
    with opened(path) as stream:
        for line in lines_in(stream):
            with contextlib.suppress(ValueError):
                yield parse(line)


def _find_files(path: str) -> _Files:
    active = Path(os.path.realpath(path))
    try:
        status = active.stat()
        found, mark = [active], (status.st_dev, status.st_ino)
    except FileNotFoundError:
        found, mark = [], (0, 0)
    rotated = {file.name.removesuffix(".gz"): file for file in Archive(active, gzip=False, keep=None).newest_first()}
    return _Files([*found, *rotated.values()], frozenset(rotated), mark)


@contextlib.contextmanager
def _complaining(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot read {error.filename or path}: {error.strerror or error}") from error
