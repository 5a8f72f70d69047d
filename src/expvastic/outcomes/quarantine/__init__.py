"""What could not be recorded for its own fault, kept in a folder for somebody to look at; bounded, oldest go first.

Theory of operation: the folder holds segments, files of one JSON line per entry. Lines are only ever appended; whoever
removes entries puts a new file in a segment's place. Every operation holds a lock on the folder, so that a command
can work beside a running process; what another process changed is seen by a segment's inode, size and time, and read
again. A line that was cut by a crash is passed over: nobody was ever told that it is safe.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from .lines import Quarantined, entries_in, line_of
from .segment import Segment, clear_unfinished, find_segments, segment_path

__all__ = ["Quarantine", "Quarantined"]

MAX_BYTES = 64 * 2**20
_SEGMENTS = 8
_LOCK = "lock"


class Quarantine:
    """The quarantine in a folder, which need not be there yet, but its parent. All methods do I/O and raise OSError.

    ``count`` (entries), ``bytes`` and ``torn`` (lines that cannot be read) are those of the last operation; ``dropped``
    counts the entries that this object gave up for want of room. Files take ``max_bytes`` at most, at any moment.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = max_bytes // _SEGMENTS
        self._segments: dict[int, Segment] = {}  # by number, oldest first
        self.count = self.bytes = self.torn = self.dropped = 0

    def look(self) -> None:
        """Bring the numbers up to date."""
        with self._locked_for_reading():
            self._refresh()

    def add(self, entries: Iterable[Quarantined]) -> int:
        """Store what is not there yet, by id; returns how many that were. All are on the disk when this returns.

        If it raises, some may be stored, and it can be called with all of them again.
        """
        wanted = {entry.id: entry for entry in entries}
        if not wanted:
            return 0
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with self._locked_for_writing():
            for segment in self._segments.values():
                if known := segment.ids & wanted.keys():
                    segment.sync()
                    for id_ in known:
                        wanted.pop(id_)
            return self._store(deque((entry.id, line_of(entry)) for entry in wanted.values()))

    def entries(self) -> Iterator[Quarantined]:
        """What is there, oldest first. The lock is not held while the caller is busy with an entry."""
        for path in find_segments(self._folder).values():
            try:
                with self._locked_for_reading():
                    data = path.read_bytes()
            except FileNotFoundError:
                continue
            yield from entries_in(data)

    def remove(self, ids: Iterable[str]) -> int:
        """Remove entries by id; returns how many were there."""
        unwanted = set(ids)
        if not unwanted or not find_segments(self._folder):
            return 0
        removed = 0
        with self._locked_for_writing():
            for segment in self._segments.values():
                if known := segment.ids & unwanted:
                    segment.remove(known)
                    removed += len(known)
        return removed

    def _store(self, lines: deque[tuple[str, bytes]]) -> int:
        stored = 0
        while lines:
            # A segment needs its room twice while entries are removed from it.
            if 2 * len(lines[0][1]) > self._max_bytes:
                lines.popleft()
                self.dropped += 1
                continue
            number, segment = self._segment_for(len(lines[0][1]))
            piece = self._cut(lines, self._segment_bytes - segment.size)
            self._make_room(number, sum(map(len, piece.values())) + 1)
            segment.append(piece)
            self._segments[number] = segment
            stored += len(piece)
        return stored

    def _segment_for(self, coming: int) -> tuple[int, Segment]:
        """The newest segment, or a new one if it has no room."""
        number = max(self._segments, default=0)
        if number and self._segments[number].size + coming < self._segment_bytes:
            return number, self._segments[number]
        number += 1
        while os.path.lexists(path := segment_path(self._folder, number)):  # somebody else's
            number += 1
        return number, Segment(path)

    def _cut(self, lines: deque[tuple[str, bytes]], room: int) -> dict[str, bytes]:
        """The next lines that fit; one at least."""
        id_, line = lines.popleft()
        piece, size = {id_: line}, len(line)
        while lines and size + len(lines[0][1]) < room:
            id_, line = lines.popleft()
            piece[id_] = line
            size += len(line)
        return piece

    def _make_room(self, number: int, coming: int) -> None:
        """Drop the oldest segments until as much can be added to that segment, and any be written anew."""
        sizes = {old: segment.size for old, segment in self._segments.items()}
        sizes[number] = sizes.get(number, 0) + coming
        while sum(sizes.values()) + max(sizes.values()) > self._max_bytes and (oldest := min(sizes)) != number:
            segment = self._segments[oldest]
            self.dropped += len(segment.ids)
            segment.remove(segment.ids)
            del sizes[oldest], self._segments[oldest]

    @contextlib.contextmanager
    def _locked_for_reading(self) -> Iterator[None]:
        try:
            descriptor = os.open(self._folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # nobody has written here
            yield
            return
        with self._locked(descriptor, fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def _locked_for_writing(self) -> Iterator[None]:
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with self._locked(descriptor, fcntl.LOCK_EX):
            clear_unfinished(self._folder)
            self._refresh()
            try:
                yield
            finally:
                self._sum_up()

    @contextlib.contextmanager
    def _locked(self, descriptor: int, how: int) -> Iterator[None]:
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    def _refresh(self) -> None:
        """Read what another process changed."""
        segments = {}
        for number, path in find_segments(self._folder).items():
            segment = self._segments.get(number) or Segment(path)
            if not segment.is_as(path.stat(follow_symlinks=False)):
                segment.read()
            segments[number] = segment
        self._segments = segments
        self._sum_up()

    def _sum_up(self) -> None:
        segments = self._segments.values()
        self.count = sum(len(segment.ids) for segment in segments)
        self.bytes = sum(segment.size for segment in segments)
        self.torn = sum(segment.torn for segment in segments)
