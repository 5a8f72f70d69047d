"""Which of several processes over one configuration polls which readers, as numbers: no process, no folder.

Every process finds the same answer by itself: for each reader every shard draws a number from the reader's name, and
the highest one has the reader (rendezvous hashing). Another count of shards therefore moves only the readers that a new
shard wins, or that a shard that is gone had.
"""

from __future__ import annotations

import re

import msgspec

MOST = 1_000  # shards
_TEXT = re.compile(r"(\d{1,4})/(\d{1,4})")


class Shard(msgspec.Struct, frozen=True):
    """One of ``count`` processes that share the readers; ``number`` counts from 0."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, reader: str) -> bool:
        """Whether this shard polls the reader of that name."""
        return owner(reader, self.count) == self.number


def parse_shard(text: str) -> Shard:
    """The shard in ``K/N``. Raises ValueError that says what to write."""
    found = _TEXT.fullmatch(text.strip())
    if not found:
        raise ValueError("not a shard; write it like 0/3, the first of three")
    number, count = int(found[1]), int(found[2])
    if not 1 <= count <= MOST:
        raise ValueError(f"there must be 1 to {MOST} shards")
    if number >= count:
        raise ValueError(f"of {count} shards the last one is {count - 1}/{count}: they are counted from 0")
    return Shard(number, count)


def owner(reader: str, count: int) -> int:
    """The number of the shard, of so many, that polls the reader of that name."""
    name = reader.encode(errors="surrogatepass")
    return max(range(count), key=lambda number: (_draw(name, number), number))


def _draw(name: bytes, number: int) -> bytes:
    from hashlib import blake2b  # for those who share readers

    return blake2b(name, digest_size=8, key=number.to_bytes(8, "big")).digest()
