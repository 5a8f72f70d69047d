"""Makes room for what is put: the oldest segments go, whole."""

from __future__ import annotations

from collections import Counter

from .commits import Commits
from .departures import Departures
from .entries import SEGMENT_HEADER
from .line import Line
from .segments import Segment
from .store import Store


class Room:
    """Within ``max_bytes``, of all files together."""

    def __init__(
        self,
        store: Store,
        commits: Commits,
        departures: Departures,
        line: Line,
        errors: Counter[str],
        *,
        max_bytes: int,
        may_shed: bool,
    ) -> None:
        self._store = store
        self._folder = store.folder
        self._commits = commits
        self._departures = departures
        self._line = line
        self._errors = errors
        self._max_bytes = max_bytes
        self._may_shed = may_shed

    def make(self, size: int) -> bool:
        """Let there be room for so many bytes; false if there is none to be had."""
        size += SEGMENT_HEADER
        if self._folder.bytes + size + self._commits.reserve <= self._max_bytes:
            return True
        self._free()
        while not self._fits(size):
            segment = self._sheddable(size)
            before = self._folder.bytes
            if segment is None:
                return False
            self._shed(segment)
            if self._folder.bytes >= before:
                return False
        return True

    def _fits(self, size: int) -> bool:
        return self._folder.bytes + size + self._commits.reserve <= self._max_bytes

    def _sheddable(self, size: int) -> Segment | None:
        """The oldest segment that may go, if that is of use at all."""
        if not self._may_shed:
            return None
        free = [segment for segment in self._store.segments.all if not segment.out]
        if self._folder.bytes - sum(segment.size for segment in free) + size + self._commits.reserve > self._max_bytes:
            return None
        return free[0] if free else None

    def _shed(self, segment: Segment) -> None:
        if segment is self._store.active:
            self._departures.roll()
        self._line.cut(segment.first, segment.end)
        self._errors["full"] += segment.left
        self._departures.lose_range(segment.first, segment.end, "full")
        self._departures.finish()
        self._free()

    def _free(self) -> None:
        """Remove at once what else would wait for the next sync."""
        if self._folder.doomed and self._commits.sync_now():
            self._folder.remove([*self._folder.doomed])
