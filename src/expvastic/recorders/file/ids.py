"""The ids of what was written last, so that a batch that is tried again leaves one copy; bounded in memory."""

from __future__ import annotations

import os
import re
import zlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

INFLATED_UP_TO = 4 * 2**20  # bytes, compressed
_ID = re.compile(rb'\{"_id":("(?:[^"\\]|\\.)*")')


class KnownIds:
    """At least the last ``kept`` ids and at least the last batch, at most about twice that."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._young: set[str] = set()
        self._old: set[str] = set()

    def __contains__(self, known: str) -> bool:
        return known in self._young or known in self._old

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, batch: Iterable[str]) -> None:
        """Remember; the older half is forgotten when the younger one is full."""
        if len(self._young) >= self._kept:
            self._old, self._young = self._young, set()
        self._young.update(batch)


def ids_at_end(path: Path, reach: int, limit: int) -> list[str]:
    """The ids of the last lines of a file, oldest first: of its last ``reach`` bytes, or of all if it is compressed.

    What is no line of ours is passed over; a compressed file that cannot be read has none. One that is compressed and
    large is passed over too, because it would have to be inflated whole: if it was rotated in the middle of what is
    tried again, what it holds of that is written twice.
    """
    if path.suffix == ".gz":
        if path.stat().st_size > INFLATED_UP_TO:
            return []
        import gzip

        try:
            with gzip.open(path, "rb") as lines:
                return _last_ids(lines, limit)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return []
    with path.open("rb") as lines:
        lines.seek(max(0, lines.seek(0, os.SEEK_END) - reach))
        return _last_ids(lines, limit)


def _last_ids(lines: Iterable[bytes], limit: int) -> list[str]:
    found = deque((match[1] for line in lines if (match := _ID.match(line))), maxlen=limit)
    return [msgspec.json.decode(encoded, type=str) for encoded in found]
