"""What flows through the house: a Reading of pages comes in, Containers of typed values go out."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

NO_LABELS: Mapping[str, str] = MappingProxyType({})

Scalar = float | int | str | bool
ListOf = list[float] | list[int] | list[float | int] | list[str]

# What a container holds in memory beside its document, in bytes of CPython 3.11 on 64 bit: the object, its id and its
# record; a number with its place in the columns; a text or list, and each item of a list.
_FIXED_WEIGHT = 560
_NUMBER_WEIGHT = 42
TEXT_WEIGHT = 66
ITEM_WEIGHT = 40


class Kind(enum.IntEnum):
    """The kinds of a value; a column of them fits in ``bytes``."""

    FLOAT = 1
    INTEGER = 2
    STRING = 3
    BOOLEAN = 4
    FLOAT_LIST = 5
    STRING_LIST = 6
    GC_LIST = 7
    BYTE = 8
    KILOBYTE = 9
    MEGABYTE = 10


class Page(NamedTuple):
    """One JSON object as it was read: undecoded, or (from a source without a wire) as a mapping.

    ``labels`` and ``dataset`` are the reader's word on what the page is about.
    """

    body: bytes | Mapping[str, object]
    dataset: str
    labels: Mapping[str, str] = NO_LABELS


class Reading(NamedTuple):
    """What one poll brought.

    ``time`` is the wall clock when the last byte arrived, ``duration`` the time the poll took; both in nanoseconds.
    """

    time: int
    duration: int
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """One typed value, made when somebody asks for it."""

    name: str
    kind: Kind
    value: Scalar | ListOf


def weigh(document: bytes, count: int, texts_and_lists: int) -> int:
    """A container's weight, from its document, the count of its values, and what their texts and lists add to it."""
    return _FIXED_WEIGHT + len(document) + _NUMBER_WEIGHT * count + texts_and_lists


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """The values of one page at one time, and the document that recorders write.

    ``id`` is given once and goes with the container through every retry. ``time`` is ``@timestamp`` in microseconds
    since the epoch. ``document`` is a JSON object without line breaks, encoded once and shared by all recorders.
    A container that comes from a disk has no columns (``names``, ``values``): they are the document's last members.
    """

    id: str
    time: int
    reader: str
    document: bytes
    names: tuple[str, ...] = field(default=(), repr=False)
    values: tuple[Scalar | ListOf, ...] = field(default=(), repr=False)
    kinds: bytes = field(default=b"", repr=False)
    weight: int = field(default=0, repr=False)
    """Bytes of memory that keeping this container costs, about; worked out unless given, see `weigh`."""

    def __post_init__(self) -> None:
        if self.weight:
            return
        weight = weigh(self.document, len(self.names), 0)
        for value in self.values:
            if type(value) is str:
                weight += TEXT_WEIGHT + len(value)
            elif type(value) is list:
                weight += TEXT_WEIGHT + ITEM_WEIGHT * len(value)
        object.__setattr__(self, "weight", weight)

    def __len__(self) -> int:
        return len(self.kinds)

    def __iter__(self) -> Iterator[Value]:
        names, values = (self.names, self.values) if self.names else self._decode_columns()
        for name, kind, value in zip(names, self.kinds, values, strict=True):
            yield Value(name, Kind(kind), value)

    def _decode_columns(self) -> tuple[tuple[str, ...], tuple[Scalar | ListOf, ...]]:
        members = list(json.loads(self.document).items())[-len(self.kinds) :] if self.kinds else []
        return tuple(name for name, _ in members), tuple(value for _, value in members)


class Poll(NamedTuple):
    """What one poll of a reader gives to each of its recorders.

    ``number`` counts the reader's polls, on through restarts where there is a state directory. ``knowledge`` is what
    the reader's interpreter knows after this poll, for its successor after a restart; empty where nobody keeps it.
    """

    reader: str
    number: int
    containers: Sequence[Container]
    knowledge: bytes = b""
