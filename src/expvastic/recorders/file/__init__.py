"""The ``file`` recorder: one JSON line per container, appended to a file that rotates by size and age."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Annotated, Self, TypeVar, cast

import anyio
import anyio.lowlevel
import anyio.to_thread
from pydantic import AfterValidator, Field

from ...datatypes import Container
from ...errors import RecordError
from ...recorder import Counted, Recorder, Verdict
from ...settings import ByteSize, Duration, SettingsModel
from .archive import Archive
from .counting import count_lines
from .journal import Journal
from .turns import Turn, gate_of

__all__ = ["FileRecorder", "FileSettings"]

T = TypeVar("T")

_CLOSE_LIMIT = 1.0  # seconds
_SHARD = "%{shard}"


def _without_nul(path: str) -> str:
    if "\0" in path:
        raise ValueError("a path cannot hold a NUL character")
    return path


class FileSettings(SettingsModel):
    """Where lines are written, and when the file rotates."""

    path: Annotated[str, Field(min_length=1), AfterValidator(_without_nul)]
    """The file, in a folder that exists. A line is a document with `_id` as its first member, so that it can be
    replayed; the file's mode is 0640. `%{shard}` in it is the number of the process where several share one
    configuration, else `all`; they need it, for a file takes one process."""
    rotate_bytes: ByteSize | None = None
    """Begin a new file before this one would be larger. The old one is renamed: `samples.ndjson` to
    `samples-20261121T033100Z-001.ndjson`, by the time of the rotation in UTC. Never, unless given."""
    rotate_age: Duration | None = None
    """Begin a new file when the first line of this one is so old. Never, unless given."""
    keep: Annotated[int, Field(ge=1)] | None = None
    """Keep so many rotated files, the newest. All, unless given."""
    gzip: bool = False
    """Compress files when they have been rotated."""


class FileRecorder(Recorder[FileSettings], Counted):
    """Appends to a file. ``clock`` tells the wall clock, for the age of the file; ``write`` is ``os.write``."""

    settings_type = FileSettings
    is_exclusive = True

    def __init__(
        self,
        settings: FileSettings,
        *,
        clock: Callable[[], float] = time.time,
        write: Callable[[int, bytes | memoryview], int] = os.write,
    ) -> None:
        super().__init__(settings)
        self._journal = Journal(
            self.destination,
            rotate_bytes=settings.rotate_bytes,
            rotate_age=settings.rotate_age,
            make_archive=partial(Archive, gzip=settings.gzip, keep=settings.keep),
            clock=clock,
            write=write,
        )
        self._gate = gate_of(self.destination)
        self._at_work = threading.Lock()  # held while the journal is used
        self._is_left = False

    @classmethod
    def of_shard(cls, settings: FileSettings, word: str, *, is_alone: bool) -> FileSettings:
        if not is_alone and _SHARD not in settings.path:
            raise ValueError(
                f"several processes would write to one file; put {_SHARD} into path, as in out-{_SHARD}.ndjson"
            )
        return settings.model_copy(update={"path": settings.path.replace(_SHARD, word)})

    @property
    def destination(self) -> str:
        """The file's absolute path."""
        return os.path.abspath(self.settings.path)  # noqa: PTH100  # a Path would not take out "..", nor stay text

    async def __aenter__(self) -> Self:
        await self._in_thread(self._journal.look)
        return self

    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        """Append the batch. If this is cancelled the thread goes on; what it wrote is known at the next try."""
        return await self._in_thread(partial(self._journal.append, batch)) if batch else []

    async def count_by_minute(self, agent_id: str, since: int, until: int) -> Mapping[int, int]:
        return await _run(partial(count_lines, self.destination, agent_id, since, until))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_left = True
        with anyio.move_on_after(_CLOSE_LIMIT, shield=True):
            if self._gate.enter():  # so that whoever comes next does not hang where closing does
                await self._take_turn(self._close)
            else:
                await _run(self._close)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Work in a thread, unless a call on this path still does that was given up, or all is over."""
        await anyio.lowlevel.checkpoint()
        if self._is_left or not self._gate.enter():
            raise self._error()
        return await self._take_turn(partial(self._alone, work))

    async def _take_turn(self, work: Callable[[], T]) -> T:
        turn = Turn(self._gate, work)
        try:
            return cast("T", await _run(turn))  # nothing only when it was given up, of which nobody hears
        finally:
            turn.give_up()

    def _error(self) -> RecordError:
        return RecordError(f"cannot write {self.destination}: an earlier write has not ended; check the disk")

    def _alone(self, work: Callable[[], T]) -> T:
        """In a thread: work, and close if the recorder was left meanwhile."""
        if self._is_left or not self._at_work.acquire(blocking=False):
            raise self._error()
        try:
            return work()
        finally:
            self._at_work.release()
            if self._is_left:
                with contextlib.suppress(RecordError):  # nobody is there to hear it
                    self._close()

    def _close(self) -> None:
        """Close now, or leave it to the thread that is at work, which looks once more after it has released."""
        if self._at_work.acquire(blocking=False):
            try:
                self._journal.close()
            finally:
                self._at_work.release()


async def _run(work: Callable[[], T]) -> T:
    """In a thread of its own: a disk that hangs must not use up those of others."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(math.inf))
