"""Go's rings of pauses as they stand in a page: left as text while nobody needs their numbers.

A ring is known by a digest of its text: what has the digest of a ring that was read before need not be read again.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

RING = 256
Digest = tuple[int, int]

_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_decode = msgspec.json.Decoder(Annotated[list[_Number], msgspec.Meta(min_length=RING, max_length=RING)]).decode


class Ring:
    """256 whole numbers, not negative, below 2^63; ``text`` must be known to hold them."""

    __slots__ = ("_numbers", "text")

    def __init__(self, text: bytes, numbers: list[int] | None = None) -> None:
        self.text = text
        self._numbers = numbers

    @property
    def numbers(self) -> list[int]:
        """All of them, by place."""
        if self._numbers is None:
            self._numbers = _decode(self.text)
        return self._numbers

    def __getitem__(self, place: int) -> int:
        return self.numbers[place]


def digest_of(durations: bytes, ends: bytes) -> Digest:
    """What tells the texts of two rings from others, in this process."""
    return hash(durations), hash(ends)


def read_ring(text: bytes) -> Ring | None:
    """The ring that a text is; None if it is another list, or none."""
    try:
        return Ring(text, _decode(text))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
