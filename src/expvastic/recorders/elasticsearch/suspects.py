"""Documents that may be too large, because the connection was cut while they were being sent.

A server may say 413 by cutting the connection, and so may a proxy that restarts. A document is only given up on much
evidence, which is therefore kept for as long as the settings live: a recorder that was dropped has a successor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from .settings import ElasticsearchSettings

LEAST = 2**20  # bytes; what is smaller is never too large
_CUTS = 5
_LONGEST = 100  # documents; the oldest are forgotten


class Suspects:
    """How often in a row the connection was cut in each document, by the action that names it."""

    def __init__(self) -> None:
        self._cuts: dict[bytes, int] = {}

    def was_cut(self, document: bytes) -> bool:
        """Count a cut in mid-body by a server that is well; returns whether the document must be held too large."""
        cuts = self._cuts.pop(document, 0) + 1
        self._cuts[document] = cuts
        if len(self._cuts) > _LONGEST:
            del self._cuts[next(iter(self._cuts))]
        return cuts >= _CUTS

    def went_through(self, document: bytes) -> None:
        """The server has answered about the document."""
        self._cuts.pop(document, None)

    def clear(self) -> None:
        """The server is not well, so that all cuts may have had that reason."""
        self._cuts.clear()


_known: WeakKeyDictionary[ElasticsearchSettings, Suspects] = WeakKeyDictionary()


def suspects_of(settings: ElasticsearchSettings) -> Suspects:
    """Those that all recorders made from these settings share."""
    return _known.setdefault(settings, Suspects())
