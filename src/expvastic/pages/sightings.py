"""What was seen lately, by any reader of the process: so the first page of one reader can be the second of its kind."""

from __future__ import annotations

from collections.abc import Hashable

_KEPT = 1_024


class Sightings:
    """Hashes of what was seen lately."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}  # the oldest first

    def see(self, what: Hashable) -> bool:
        """Take note of it; whether it was seen before."""
        mark = hash(what)
        was_seen = mark in self._seen
        if was_seen:
            del self._seen[mark]
        elif len(self._seen) >= _KEPT:
            del self._seen[next(iter(self._seen))]
        self._seen[mark] = None
        return was_seen
