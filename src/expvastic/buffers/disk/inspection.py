"""Reads a buffer's folder for commands: without its lock, without writing, beside a process that works in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...datatypes import Container
from ...errors import StateError
from ...outcomes.ledger import Ledger
from .entries import Stored, Walk, make_stored
from .files import Files, SystemFiles
from .recovery import Found, Vanished, recover
from .segments import Segment, segment_path
from .survey import survey, unusable

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Stock:
    """What a buffer holds. Times are ``@timestamp`` in microseconds, 0 if nothing waits."""

    waiting: int  # what is out included
    bytes: int
    segments: int
    oldest: int
    newest: int


def inspect(folder: Path, *, files: Files | None = None) -> Stock:
    """Say what a buffer holds. Raises StateError if there is none."""
    files = files or SystemFiles()
    for is_last in _tries():
        found = _look(files, folder, Ledger(), strict=not is_last)
        try:
            oldest = next(_unsettled(files, folder, found.segments[0]), None) if found.segments else None
            newest = None
            for newest in _unsettled(files, folder, found.segments[-1]) if found.segments else ():  # noqa: B007
                pass
        except FileNotFoundError:
            if not is_last:
                continue
            oldest = newest = None
        files_found = found.survey
        return Stock(
            waiting=sum(segment.left for segment in found.segments),
            bytes=sum(
                (*files_found.segments.values(), *files_found.progress.values(), *files_found.unfinished.values())
            ),
            segments=len(files_found.segments),
            oldest=oldest.time if oldest else 0,
            newest=newest.time if newest else 0,
        )
    raise AssertionError("the last try returns")


def read_waiting(folder: Path, *, files: Files | None = None) -> Iterator[Container]:
    """What a buffer holds, oldest first; what is delivered meanwhile may be left out. Raises StateError."""
    files = files or SystemFiles()
    found = _look(files, folder, Ledger(), strict=False)
    for segment in found.segments:
        try:
            yield from _unsettled(files, folder, segment)
        except FileNotFoundError:  # all of it was settled, or shed, meanwhile
            continue


def read_ledger(folder: Path, wall: Callable[[], float] = time.time, *, files: Files | None = None) -> Ledger:
    """The books of a buffer. Raises StateError if there is none."""
    ledger = Ledger(wall)
    found = _look(files or SystemFiles(), folder, ledger, strict=True)
    ledger.reconcile(sum(segment.left for segment in found.segments))
    return ledger


def _look(files: Files, folder: Path, ledger: Ledger, *, strict: bool) -> Found:
    """Read the folder, again if files vanish meanwhile."""
    blank = ledger.dump()
    for is_last in _tries():
        ledger.restore(blank)
        try:
            found = recover(files, folder, ledger, strict=strict and not is_last)
        except (Vanished, FileNotFoundError) as error:
            if isinstance(error, FileNotFoundError) and is_last:
                raise StateError(_none_in(files, folder)) from None
            continue
        except OSError as error:
            raise unusable(folder, error) from error
        if found.survey.is_empty:
            raise StateError(f"{folder} holds no buffer: check state_dir, and the recorder's name")
        return found
    raise AssertionError("the last try returns or raises")


def _none_in(files: Files, folder: Path) -> str:
    try:
        is_busy = not survey(files, folder).is_empty
    except OSError:
        is_busy = False
    if is_busy:
        return f"{folder} changes faster than it can be read: try again"
    return f"{folder} holds no buffer: check state_dir, and the recorder's name"


def _tries() -> Iterator[bool]:
    """For each try, whether it is the last."""
    for number in range(1, _TRIES + 1):
        yield number == _TRIES


def _unsettled(files: Files, folder: Path, segment: Segment) -> Iterator[Container]:
    file = files.open(segment_path(folder, segment.file))
    try:
        offset = segment.offset_before(segment.first)
        for item in Walk(make_stored, lambda count, at: files.read(file, count, at), offset, segment.size):
            if not isinstance(item, Stored) or not segment.first <= item.number < segment.end:
                continue
            if not segment.is_gone(item.number):
                yield item.container
    finally:
        files.close(file)
