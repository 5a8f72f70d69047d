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
    """Documents with their actions, line by line, and the destination of each. ``size`` is that of the body."""

    lines: Sequence[bytes]
    destinations: Sequence[str]
    size: int

    @classmethod
    def of(cls, batch: Sequence[Container], index: IndexName) -> Bulk:
        """The bulk that creates every container's document under its id, unless it is there already."""
        destinations = [index.of(container) for container in batch]
        heads = {name: b'{"create":{"_index":%b,"_id":' % _encode(name) for name in set(destinations)}
        lines = [
            b"%b%b}}\n%b\n" % (heads[name], _encode(container.id), container.document)
            for name, container in zip(destinations, batch, strict=True)
        ]
        return cls(lines, destinations, sum(map(len, lines)))

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def body(self) -> bytes:
        return b"".join(self.lines)

    @classmethod
    def for_series(cls, batch: Sequence[Container], name: str) -> Bulk:
        """The bulk that adds every container's document to a time series, which gives ids itself; ours goes inside."""
        head = b'{"create":{"_index":%b}}\n{"%b":' % (_encode(name), EVENT_ID.encode())
        lines = [b"%b%b,%b\n" % (head, _encode(container.id), container.document[1:]) for container in batch]
        return cls(lines, [name] * len(lines), sum(map(len, lines)))

    @property
    def first_action(self) -> bytes:
        """What names the first document: its action, and the first value in it."""
        action, _, document = self.lines[0].partition(b"\n")
        return action + document.partition(b",")[0]

    def pieces(self, ceiling: float) -> Iterator[Bulk]:
        """This bulk in pieces no larger than the ceiling, in order; a document that is larger is a piece of its own."""
        start, size = 0, 0
        for place, line in enumerate(self.lines):
            if place > start and size + len(line) > ceiling:
                yield self._slice(start, place)
                start, size = place, 0
            size += len(line)
        yield self._slice(start, len(self.lines))

    @property
    def smallest(self) -> int:
        """Bytes of the smallest document with its action."""
        return min(map(len, self.lines))

    @property
    def largest(self) -> int:
        """Bytes of the largest document with its action."""
        return max(map(len, self.lines))

    def halves(self) -> tuple[Bulk, Bulk]:
        """The first and the second half of the documents."""
        middle = len(self.lines) // 2
        return self._slice(0, middle), self._slice(middle, len(self.lines))

    def _slice(self, start: int, end: int) -> Bulk:
        if end - start == len(self.lines):
            return self
        lines = self.lines[start:end]
        return Bulk(lines, self.destinations[start:end], sum(map(len, lines)))
