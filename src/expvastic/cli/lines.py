"""What a file recorder wrote, as containers again: from files and standard input, in pieces."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..buffer import BatchSettings
from ..datatypes import Container
from ..errors import ExpvasticError
from ..logs import visible
from ..recorders.file.readback import inflated, lines_in, parse

STANDARD_INPUT = "-"


@dataclass
class Read:
    """What was read so far; ``faults`` has the first of each file that is one, and where it is."""

    lines: int = 0
    bad: int = 0
    unreadable: int = 0  # files, to the end at least
    faults: list[str] = field(default_factory=list)


def check_readable(names: Sequence[str]) -> None:
    """Raise ExpvasticError if one of the files is not there, or may not be read."""
    for name in names:
        if name == STANDARD_INPUT:
            continue
        try:
            if stat.S_ISDIR(Path(name).stat().st_mode):
                raise ExpvasticError(f"replay: {visible(name)} is a folder; name the files in it")
            if not os.access(name, os.R_OK):  # pragma: no cover  # root may read everything
                raise ExpvasticError(f"replay: {visible(name)} may not be read by this user")
        except (OSError, ValueError) as error:
            raise ExpvasticError(f"replay: {visible(name)}: {getattr(error, 'strerror', '') or error}") from error


def pieces(names: Sequence[str], limits: BatchSettings, read: Read) -> Iterator[list[Container]]:
    """The containers of all files, as many at a time as make a batch. Blocks."""
    piece: list[Container] = []
    size = 0
    for name in names:
        for container in _containers(name, read):
            piece.append(container)
            size += len(container.document)
            if len(piece) >= limits.count or size >= limits.bytes:
                yield piece
                piece, size = [], 0
    yield piece


def _containers(name: str, read: Read) -> Iterator[Container]:
    shown = "standard input" if name == STANDARD_INPUT else visible(name)
    number = bad = 0
    try:
        with _opened(name) as (stream, size):
            for number, line in enumerate(lines_in(stream, size), 1):
                if not line.strip():
                    continue
                read.lines += 1
                try:
                    found = parse(line)
                except ValueError as error:
                    read.bad += 1
                    bad += 1
                    if bad == 1:
                        read.faults.append(f"{shown}:{number}: {error}")
                    continue
                yield Container(found.id, found.time, found.service, found.document)
    except OSError as error:
        read.unreadable += 1
        read.faults.append(f"{shown}: not read to the end, after line {number}: {error.strerror or error}")


@contextlib.contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """A stream, and how much of it is to be read: what is there now, for it may be what is written to meanwhile."""
    with contextlib.ExitStack() as stack:
        file = _standard_input() if name == STANDARD_INPUT else stack.enter_context(Path(name).open("rb"))
        stream = stack.enter_context(inflated(file))
        status = os.fstat(file.fileno())
        is_plain = stream is file and stat.S_ISREG(status.st_mode) and name != STANDARD_INPUT
        yield stream, status.st_size if is_plain else None


def _standard_input() -> io.BufferedReader:
    if sys.stdin is None:
        raise OSError("it is closed")
    file = sys.stdin.buffer
    assert isinstance(file, io.BufferedReader)
    return file
