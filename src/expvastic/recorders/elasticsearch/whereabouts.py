"""Where documents went: the index behind each destination, which for a data stream changes when it rolls over.

Kept for as long as the settings live, because a recorder that was dropped has a successor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from .settings import ElasticsearchSettings

T = TypeVar("T")

_MOST = 4_000  # destinations; the oldest are forgotten
_BELIEVED = 60.0  # seconds; somebody may make a data stream of what was none
_AWAY = 600.0  # seconds; what is away for longer is not waited for


class Whereabouts:
    """What answers have told about the destinations of one recorder and of its successors."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, str] = {}
        self._unsearched: dict[str, float] = {}  # destinations that need no search, and since when
        self._away: dict[str, float] = {}  # indices that could not be searched, and since when

    def saw(self, written: Iterable[tuple[str, str]]) -> None:
        """Documents for these destinations were written to these indices; the last of each counts."""
        for destination, index in dict(written).items():
            _keep(self._last, destination, index)

    def last(self, destination: str) -> str:
        """The index that was written to last; empty if none was yet."""
        return self._last.get(destination, "")

    def needs_no_search(self, destination: str) -> bool:
        """Whether it is known to be one index, or to be closed to us."""
        since = self._unsearched.get(destination)
        return self.last(destination) == destination or (since is not None and self._clock() - since < _BELIEVED)

    def found_no_stream(self, destination: str) -> None:
        """It is one index, or may not be looked at."""
        _keep(self._unsearched, destination, self._clock())

    def was_searched(self, index: str) -> None:
        """The index could be searched."""
        self._away.pop(index, None)

    def is_away(self, index: str) -> bool:
        """Take note that the index could not be searched now; returns whether it has been so for too long to wait."""
        since = self._away.get(index, self._clock())
        _keep(self._away, index, since)
        return self._clock() - since > _AWAY


def _keep(known: dict[str, T], key: str, value: T) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > _MOST:
        del known[next(iter(known))]


_known: WeakKeyDictionary[ElasticsearchSettings, Whereabouts] = WeakKeyDictionary()


def whereabouts_of(settings: ElasticsearchSettings) -> Whereabouts:
    """Those that all recorders made from these settings share."""
    return _known.setdefault(settings, Whereabouts())
