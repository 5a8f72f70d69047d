"""What flows through the house: a Reading of pages comes in, Containers of typed values go out."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

NO_LABELS: Mapping[str, str] = MappingProxyType({})

Scalar = float | int | str | bool
ListOf = list[float] | list[int] | list[float | int] | list[str]

# What a container costs in memory beside its document, in bytes of CPython 3.11 on 64 bit: the object, its id and its
# record.
_FIXED_WEIGHT = 500


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


class Page(msgspec.Struct, frozen=True, gc=False):
    """One JSON object as it was read: undecoded, or (from a source without a wire) as a mapping.

    ``labels`` and ``dataset`` are the reader's word on what the page is about.
    """

    body: bytes | Mapping[str, object]
    dataset: str
    labels: Mapping[str, str] = NO_LABELS


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one poll brought.

    ``time`` is the wall clock when the last byte arrived, ``duration`` the time the poll took; both in nanoseconds.
    """

    time: int
    duration: int
    pages: tuple[Page, ...]


class Value(msgspec.Struct, frozen=True):
    """One typed value, made when somebody asks for it."""

    name: str
    kind: Kind
    value: Scalar | ListOf


class Container(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The values of one page at one time, as the document that recorders write.

    ``id`` is given once and goes with the container through every retry. ``time`` is ``@timestamp`` in microseconds
    since the epoch. ``document`` is a JSON object without line breaks, encoded once and shared by all recorders; its
    last members are the values, as many as there are ``kinds``. They are decoded when somebody asks for them.
    """

    id: str
    time: int
    reader: str
    document: bytes
    kinds: bytes = b""

    @property
    def weight(self) -> int:
        """Bytes of memory that keeping this container costs, about."""
        return _FIXED_WEIGHT + len(self.document)

    def __len__(self) -> int:
        return len(self.kinds)

    def __iter__(self) -> Iterator[Value]:
        members = list(json.loads(self.document).items())[-len(self.kinds) :] if self.kinds else []
        for (name, value), kind in zip(members, self.kinds, strict=True):
            yield Value(name, Kind(kind), value)


class Poll(NamedTuple):
    """What one poll of a reader gives to each of its recorders.

    ``number`` counts the reader's polls, on through restarts where there is a state directory. ``knowledge`` is what
    the reader's interpreter knows after this poll, for its successor after a restart; empty where nobody keeps it.
    """

    reader: str
    number: int
    containers: Sequence[Container]
    knowledge: bytes = b""
