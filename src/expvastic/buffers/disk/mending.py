"""Brings what was written to the disk itself; what the disk then may have lost is written anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from .commits import Commits
from .departures import Departures
from .folder import OpenFile
from .room import Room
from .segments import Segment
from .store import Store


class Mending:
    """After a failed sync nobody knows what of a file the disk has, and the next sync would not tell."""

    def __init__(
        self, store: Store, commits: Commits, departures: Departures, room: Room, errors: Counter[str]
    ) -> None:
        self._store = store
        self._commits = commits
        self._departures = departures
        self._room = room
        self._errors = errors
        self._suspects: list[Segment] = []

    def begin_sync(self) -> Callable[[], None] | None:
        """What brings all to the disk; None if there is nothing."""
        self._mend(at_once=False)
        self._commits.catch_up()
        return self._store.folder.begin(may_remove=not self._commits.is_behind)

    def end_sync(self, error: OSError | None) -> None:
        """The job is done, or has failed."""
        failed = self._store.folder.end(error)
        if error:
            self._errors["sync"] += 1
        self._suspect(failed)
        self._mend(at_once=False)
        self._store.close_clean()

    def sync_put(self) -> None:
        """Bring the last put to the disk before anything else is done."""
        job = self._store.sync_active()
        if job.has_failed:
            self._errors["sync"] += 1
            self._suspect(job.failed)
            self._mend(at_once=True)

    def sync_now(self) -> None:
        """Bring all to the disk at once; what it lost of that is written anew, and brought there once more."""
        for _ in range(2):
            if job := self.begin_sync():
                try:
                    job()
                except OSError as error:
                    self.end_sync(error)
                else:
                    self.end_sync(None)

    def _suspect(self, failed: Iterable[OpenFile]) -> None:
        failed = [*failed]
        self._suspects += self._store.segments_of(failed)
        if any(self._commits.is_log(target) for target in failed):
            self._commits.renew()

    def _mend(self, *, at_once: bool) -> None:
        if not self._suspects:
            return
        suspects, self._suspects = self._suspects, []
        for segment in suspects:
            if segment is self._store.active:
                self._departures.roll()
            if self._room.make(segment.size) and segment in self._store.segments.all:
                self._rewrite(segment, at_once=at_once)
            elif segment in self._store.segments.all:
                self._suspects.append(segment)
        self._commits.renew()
        self._departures.tidy()

    def _rewrite(self, segment: Segment, *, at_once: bool) -> None:
        try:
            self._errors.update(self._store.rewrite(segment, at_once=at_once))
        except OSError:
            self._errors["disk"] += 1
            self._suspects.append(segment)
