"""The names of an answer's headers, however they are spelled."""

from __future__ import annotations

WANTED = frozenset([b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"location"])
_KEPT = 256  # spellings; a hostile server has a new one each time
_LONGEST = 64


class _Names(dict[bytes, bytes]):
    """A name as it was spelled, to the one in ``WANTED``; empty for others."""

    def __missing__(self, spelled: bytes) -> bytes:
        lower = spelled.lower()
        name = lower if lower in WANTED else b""
        if len(self) < _KEPT and len(spelled) <= _LONGEST:
            self[spelled] = name
        return name


NAMES = _Names()
