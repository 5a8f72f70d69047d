"""What one bulk request carries, and how a batch is cut into several where it is too large for one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from ...datatypes import Container
from .destination import IndexName
from .template import EVENT_ID

# A connection that is cut in a bulk no larger than this was not cut for its size.
ALWAYS_TAKEN = 512 * 1024
_ALWAYS_BORNE = 16 * 1024

NDJSON = {"accept": "application/json", "content-type": "application/x-ndjson"}

_encode = msgspec.json.Encoder().encode


class Ceiling:
    """How large a bulk may be, as far as the server has let us know; bytes before compression."""

    def __init__(self) -> None:
        self._taken = math.inf
        self._bearable = math.inf

    @property
    def bytes(self) -> float:
        return min(self._taken, self._bearable)

    def was_refused(self, bulk: Bulk) -> None:
        """It was answered 413. One document says nothing of how many go together."""
        if len(bulk) > 1:
            self._taken = min(self._taken, bulk.size // 2)

    def was_cut(self, bulk: Bulk) -> None:
        """The connection broke in it, which is how Elasticsearch 9 may say 413."""
        if bulk.size > ALWAYS_TAKEN:
            self._taken = min(self._taken, max(bulk.size // 2, ALWAYS_TAKEN))

    def was_pushed_back(self, bulk: Bulk) -> None:
        """The server had no memory for it: for one that is too large on its own, that will not change."""
        if bulk.size > _ALWAYS_BORNE:
            self._bearable = min(self._bearable, max(bulk.size // 2, _ALWAYS_BORNE))

    def went_through(self, bulk: Bulk) -> None:
        """What the server bears, unlike what it takes, may grow again."""
        if bulk.size * 2 > self._bearable:
            self._bearable *= 2


@dataclass(frozen=True, slots=True)
class Bulk:
    """Documents, each with the head that it has in the body, and its destination. ``size`` is that of the body."""

    heads: Sequence[bytes]
    documents: Sequence[bytes]
    destinations: Sequence[str]
    size: int

    @classmethod
    def of(cls, batch: Sequence[Container], index: IndexName) -> Bulk:
        """The bulk that creates every container's document under its id, unless it is there already."""
        if index.dated or index.fields:
            destinations = [index.of(container) for container in batch]
        else:
            destinations = [index.at(0)] * len(batch)
        starts = {name: b'{"create":{"_index":%b,"_id":' % _encode(name) for name in set(destinations)}
        heads = [
            b"%b%b}}\n" % (starts[name], _encode(container.id))
            for name, container in zip(destinations, batch, strict=True)
        ]
        return cls._made(heads, [container.document for container in batch], destinations)

    @classmethod
    def for_series(cls, batch: Sequence[Container], name: str) -> Bulk:
        """The bulk that adds every container's document to a time series, which gives ids itself; ours goes inside."""
        start = b'{"create":{"_index":%b}}\n{"%b":' % (_encode(name), EVENT_ID.encode())
        heads = [b"%b%b," % (start, _encode(container.id)) for container in batch]
        return cls._made(heads, [container.document[1:] for container in batch], [name] * len(batch))

    @classmethod
    def _made(cls, heads: Sequence[bytes], documents: Sequence[bytes], destinations: Sequence[str]) -> Bulk:
        return cls(heads, documents, destinations, sum(map(len, heads)) + sum(map(len, documents)) + len(heads))

    def __len__(self) -> int:
        return len(self.heads)

    @property
    def body(self) -> bytes:
        parts: list[bytes] = []
        for head, document in zip(self.heads, self.documents, strict=True):
            parts += (head, document, b"\n")
        return b"".join(parts)

    @property
    def sizes(self) -> list[int]:
        """Bytes of each document with its head."""
        return [len(head) + len(document) + 1 for head, document in zip(self.heads, self.documents, strict=True)]

    @property
    def first_action(self) -> bytes:
        """What names the first document: its head, and the first value in it."""
        return self.heads[0] + self.documents[0].partition(b",")[0]

    def pieces(self, ceiling: float) -> Iterator[Bulk]:
        """This bulk in pieces no larger than the ceiling, in order; a document that is larger is a piece of its own."""
        if self.size <= ceiling:
            yield self
            return
        start = total = 0
        for place, size in enumerate(self.sizes):
            if place > start and total + size > ceiling:
                yield self._slice(start, place)
                start, total = place, 0
            total += size
        yield self._slice(start, len(self))

    def halves(self) -> tuple[Bulk, Bulk]:
        """The first and the second half of the documents."""
        middle = len(self) // 2
        return self._slice(0, middle), self._slice(middle, len(self))

    def _slice(self, start: int, end: int) -> Bulk:
        if end - start == len(self):
            return self
        return self._made(self.heads[start:end], self.documents[start:end], self.destinations[start:end])
