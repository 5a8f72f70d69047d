"""Writes the progress: each step at the end of a log, and from time to time how all stands, in a new file.

Theory of operation: what cannot be written is not kept for later, for how all stands is in memory anyway: once a step
was not written, the next thing that is written is a new file. It is tried again after a moment, and when something is
to be brought to the disk. An earlier file stays until the new one is safe.
"""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from ...datatypes import Poll
from ...outcomes.ledger import Ledger
from .folder import OpenFile
from .line import Span
from .progress import (
    FILE_HEADER,
    UNFINISHED,
    Checkpoint,
    Polls,
    Step,
    Stored,
    Tried,
    encode_entry,
    progress_path,
    stored,
)
from .segments import Segment
from .store import Store

_LOG = 4 * 2**20  # bytes after which a new file is begun
_LOG_SHARE = 32  # of what the buffer may hold
_PAUSE = 1.0  # seconds after which a failed write is tried again
_MOST_TRIES = 255
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Commits:
    """The progress of one buffer that is open. ``tried`` lists what was handed out and is not settled."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        max_bytes: int,
        errors: Counter[str],
        tried: Callable[[], Iterable[Span]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.polls: Polls = {}
        self.step = Step()
        self._offers: dict[int, dict[str, int]] = {}  # by minute (in microseconds) and reader, not told of yet
        self._new_polls: Polls = {}  # not told of yet
        self._lacks = True
        """Whether steps are missing in the progress that is written: no later one may follow."""
        self._is_suspect = False
        """Whether the disk may have lost some of it, or some of a segment that it tells of."""
        self._store = store
        self._folder = store.folder
        self._ledger = ledger
        self._errors = errors
        self._tried = tried
        self._clock = clock
        self._next_try = 0.0
        self.next_number = 0
        self._log: OpenFile | None = None
        self._log_limit = max(1024, min(_LOG, max_bytes // _LOG_SHARE))
        self._max_bytes = max_bytes
        self._checkpoint_size = 0
        self._most = 2 * (self._log_limit + self._checkpoint_most)
        self.ceiling = max_bytes

    @property
    def is_behind(self) -> bool:
        """Whether it does not do to bring to the disk the progress that is written."""
        return self._lacks or self._is_suspect

    @property
    def reserve(self) -> int:
        """Bytes to be left free for progress to be written."""
        left = self._most - self._folder.doomed_progress - (self._log.size if self._log else 0)
        return left if left > 0 else 0

    @property
    def _checkpoint_most(self) -> int:
        return self._checkpoint_size + self._checkpoint_size // 4 + 1024

    def begin(self, next_number: int) -> None:
        """Write the first file, beside those of an earlier process. Raises OSError."""
        self.next_number = next_number
        self._begin_file(is_first=True)
        self.ceiling = max(self._max_bytes, self._folder.bytes + self.reserve)

    def polled(self, poll: Poll) -> None:
        """A reader's poll was put; one without a number is of no reader's own."""
        if not poll.number:
            return
        self.polls[poll.reader] = self._new_polls[poll.reader] = (poll.number, poll.knowledge)

    def offered(self, reader: str, minute: int, count: int) -> None:
        """So many containers of a reader and a minute (in microseconds) were stored."""
        counts = self._offers.get(minute)
        if counts is None:
            counts = self._offers[minute] = {}
        counts[reader] = counts.get(reader, 0) + count

    def sealed(self, segment: Segment) -> None:
        """No more is written to a segment: the next step tells of it, and of what was put until now."""
        self.step.stored.append(Stored(segment.file, segment.first, segment.end, segment.size))
        self.tell_polls()
        assert not self.step.offers, "each seal is committed at once"
        self.step.offers, self._offers = self._offers, {}

    def tell_polls(self) -> None:
        """The next step tells of the last polls."""
        self.step.polls = {**self.step.polls, **self._new_polls} if self.step.polls else self._new_polls
        self._new_polls = {}

    def commit(self) -> None:
        """Write the step, and the ledger's changes with it, as one."""
        self.step.ledger = self._ledger.take_changes()
        step, self.step = self.step, Step()
        if step == Step() and not self._lacks:
            return
        if self._lacks or not self._add(encode_entry(step)):
            self._lacks = True
            self.catch_up()

    def catch_up(self, *, at_once: bool = False) -> None:
        """Write how all stands, if the progress that is written lacks something; not too often if that fails."""
        if not self.is_behind or (self._clock() < self._next_try and not at_once):
            return
        try:
            self._begin_file()
        except OSError:
            self._errors["disk"] += 1
            self._next_try = self._clock() + _PAUSE

    def renew(self) -> None:
        """Write how all stands, for files are not where they were, or it is all that is to be written."""
        self._is_suspect = True
        self.catch_up(at_once=True)

    def sync_now(self) -> bool:
        """Bring the progress to the disk; false if it lacks something or the disk fails."""
        for _ in range(2):
            self.catch_up()
            if self.is_behind or self._log is None:
                return False
            if not self._folder.sync_now(self._log):
                return True
            self._errors["sync"] += 1
            self._is_suspect = True
        self._next_try = self._clock() + _PAUSE
        return False

    def suspect(self, failed: Iterable[Path]) -> None:
        """The disk may have lost some of these files; what is written of the progress is written anew."""
        if self._log and self._log.path in failed:
            self._is_suspect = True
            self.catch_up()

    def close(self) -> None:
        """Close the file."""
        if self._log:
            self._folder.close(self._log)
            self._log = None

    def _add(self, entry: bytes) -> bool:
        """Write a step; false if it has to be part of a new file."""
        log = self._log
        if log is None or self._folder.bytes + len(entry) > self.ceiling:
            return False
        if log.size + len(entry) > self._checkpoint_size + self._log_limit and self._has_room_for_new():
            return False
        try:
            self._folder.append(log, entry)
        except OSError:
            self._errors["disk"] += 1
            return False
        return True

    def _has_room_for_new(self) -> bool:
        return self._folder.bytes + self._checkpoint_most <= self.ceiling

    def _begin_file(self, *, is_first: bool = False) -> None:
        data = FILE_HEADER + encode_entry(self._checkpoint())
        self._checkpoint_size = len(data)
        self._most = 2 * (self._log_limit + self._checkpoint_most)
        if not is_first and self._folder.bytes + len(data) > self.ceiling:
            self._remove_settled()
            if self._folder.bytes + len(data) > self.ceiling:
                self._next_try = self._clock() + _PAUSE  # what is put next makes room for it
                return
        path = progress_path(self._folder.path, self._store.take_file())
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            new = self._folder.create(unfinished, data, is_progress=True)
        except OSError as error:
            if is_first or error.errno not in _FULL:
                raise
            self._remove_settled()
            new = self._folder.create(unfinished, data, is_progress=True)
        self._rename(new, path)
        if self._log:
            self._folder.close(self._log)
            self._folder.doom(self._log.path, self._log.size, is_progress=True)
        self._log = new
        self._lacks = self._is_suspect = False

    def _remove_settled(self) -> None:
        """Where all is full, what is settled is of less use than room for the progress that says so."""
        self._folder.remove([doomed for doomed in self._folder.doomed if doomed.is_settled])

    def _rename(self, new: OpenFile, path: Path) -> None:
        try:
            self._folder.rename(new, path)
        except OSError:
            self._folder.close(new)
            self._folder.abandon(new)
            raise

    def _checkpoint(self) -> Checkpoint:
        self.step = Step()
        self._offers.clear()
        self._new_polls.clear()
        return Checkpoint(
            self.next_number,
            [stored(segment) for segment in self._store.segments.all],
            [Tried(span.first, span.end, min(span.tries, _MOST_TRIES), span.in_doubt) for span in self._tried()],
            self.polls,
            self._ledger.dump(),
        )
