"""Brings what was written to the disk itself; what the disk then may have lost is written anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from .commits import Commits
from .departures import Departures
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
        self._mend()
        self._commits.catch_up()
        return self._store.folder.begin(may_remove=not self._commits.is_behind)

    def end_sync(self, error: OSError | None) -> None:
        """The job is done, or has failed."""
        failed = self._store.folder.end(error)
        if error:
            self._errors["sync"] += 1
        self._suspect(failed)
        self._mend()
        self._store.close_clean()

    def sync_put(self) -> None:
        """Bring the last put to the disk before anything else is done."""
        if failed := self._store.sync_active():
            self._errors["sync"] += 1
            self._suspect(failed)
            self._mend()

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

    def _suspect(self, failed: Sequence[Path]) -> None:
        if failed:
            self._suspects += self._store.segments_of(failed)
            self._commits.suspect(failed)

    def _mend(self) -> None:
        """Write suspects anew until one cannot be: the next time begins with the others."""
        if not self._suspects:
            return
        while self._suspects:
            segment = self._suspects.pop(0)
            if not self._mend_one(segment):
                self._suspects.append(segment)
                break
        self._commits.sync_now()  # else the disk may know of the old files alone
        self._departures.tidy()

    def _mend_one(self, segment: Segment) -> bool:
        if segment is self._store.active:
            self._departures.roll()
        all_of_them = self._store.segments.all
        if segment not in all_of_them:
            return True
        has_room = self._room.make(segment.size)
        return segment not in all_of_them or (has_room and self._rewrite(segment))

    def _rewrite(self, segment: Segment) -> bool:
        try:
            is_safe = self._store.rewrite(segment)
        except OSError:
            self._errors["disk"] += 1
            return False
        if is_safe:
            self._commits.renew()  # at once: until it is told, nobody may remove the old file
        else:
            self._errors["sync"] += 1
        return is_safe
