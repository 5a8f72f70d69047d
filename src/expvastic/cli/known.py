"""Ids in little memory, for a destination that does not know by itself what it holds."""

from __future__ import annotations

import hashlib

_HEAD, _REST = 2, 14  # bytes of a digest


class KnownIds:
    """A set of ids, of which it keeps a digest of 16 bytes each; no two have the same, for all that matters."""

    def __init__(self) -> None:
        self._rests: dict[bytes, bytearray] = {}  # of digests, one after the other, by their heads

    def __contains__(self, known: str) -> bool:
        head, rest = _digest(known)
        return _is_in(self._rests.get(head, bytearray()), rest)

    def add(self, known: str) -> bool:
        """Remember an id; returns whether it is new."""
        head, rest = _digest(known)
        rests = self._rests.setdefault(head, bytearray())
        if _is_in(rests, rest):
            return False
        rests += rest
        return True


def _digest(known: str) -> tuple[bytes, bytes]:
    digest = hashlib.blake2b(known.encode(errors="surrogatepass"), digest_size=_HEAD + _REST).digest()
    return digest[:_HEAD], digest[_HEAD:]


def _is_in(rests: bytearray, rest: bytes) -> bool:
    place = rests.find(rest)
    while place % _REST and place >= 0:
        place = rests.find(rest, place + 1)
    return place >= 0
