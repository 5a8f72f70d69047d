"""What stands in a segment: entries with checksummed headers, one for each container and one to end each put.

Theory of operation: an entry's header has a magic word and a checksum of its own, so that after damage the next entry
can be found. It says how many entries of the same put follow: a put of which the last one is missing at the end of
the file was cut short by the end of the process, and counts as never written. The last entry of a put is the poll's:
its reader, number and knowledge, and the number that the next record will have.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from isal import isal_zlib

from ...datatypes import Container, Poll

SEGMENT_MAGIC = b"\xe7vastsg\n"
VERSION = 1
REWRITTEN = 1  # a flag of a segment: numbers that it lacks were settled
_SEGMENT_HEADER = struct.Struct("<8sHHQI")  # magic, version, flags, first number, checksum
SEGMENT_HEADER = _SEGMENT_HEADER.size

_RECORD, _POLL, _START = b"\xe7\x1e\xc0r", b"\xe7\x1e\xc0p", b"\xe7\x1e\xc0"
_FRONT = struct.Struct("<4sI")  # magic, checksum of the rest
# number, @timestamp (of a poll: its number), wall time (microseconds), entries that follow, checksum of the body,
# and the lengths of the body's parts: id, reader, kinds, document (of a poll: its knowledge)
_REST = struct.Struct("<QqqIIIIII")
_HEADER = struct.Struct("<4sIQqqIIIIII")
HEADER = _HEADER.size
PIECE = 256 * 1024  # bytes read at once

_crc32 = isal_zlib.crc32
_pack_front, _pack_rest = _FRONT.pack, _REST.pack


class SegmentHeader(NamedTuple):
    """How a segment begins."""

    version: int
    flags: int
    first: int


class Entry(NamedTuple):
    """One entry as it was read. For a poll, ``number`` is the next record's, and ``time`` the poll's own number."""

    number: int
    time: int
    wall: int
    follow: int
    is_poll: bool
    offset: int
    lengths: tuple[int, int, int]
    body: bytes

    @property
    def put_end(self) -> int:
        """The number behind the last record of its put."""
        return self.number + self.follow

    def name(self) -> tuple[str, str]:
        """The container's id and reader; of a poll, its reader with an empty id."""
        name, reader, _ = self.lengths
        return self.body[:name].decode(), self.body[name : name + reader].decode()

    def knowledge(self) -> bytes:
        """What the reader knew after the poll."""
        return self.body[sum(self.lengths) :]


class Damage(NamedTuple):
    """Bytes that are no entry."""

    offset: int


class Stored(NamedTuple):
    """A container as it was read, and where its entry begins."""

    number: int
    container: Container
    wall: int
    offset: int


def encode_segment_header(first: int, flags: int = 0) -> bytes:
    """The first bytes of a segment whose first record has that number."""
    front = _SEGMENT_HEADER.pack(SEGMENT_MAGIC, VERSION, flags, first, 0)[:-4]
    return front + struct.pack("<I", _crc32(front))


def decode_segment_header(data: bytes) -> SegmentHeader | None:
    """How a segment begins; None if its beginning is damaged. Raises ValueError if it is no segment at all."""
    magic, rest = data[: len(SEGMENT_MAGIC)], data[len(SEGMENT_MAGIC) : SEGMENT_HEADER]
    if len(data) >= SEGMENT_HEADER:
        _, version, flags, first, checksum = _SEGMENT_HEADER.unpack_from(data)
        if checksum == _crc32(SEGMENT_MAGIC + rest[:-4]):
            return SegmentHeader(version, flags, first)
    if any(magic) and not SEGMENT_MAGIC.startswith(magic):
        raise ValueError("no segment")
    return None


def encode_put(poll: Poll, first: int, wall: int) -> bytes:
    """A poll's containers, numbered from ``first``, and its own entry."""
    parts: list[bytes] = []
    number, follow = first, len(poll.containers)
    polled = poll.reader.encode()
    for container in poll.containers:
        name, kinds, document = container.id.encode(), container.kinds, container.document
        reader = polled if container.reader == poll.reader else container.reader.encode()
        body = b"".join((name, reader, kinds, document))
        sizes = len(name), len(reader), len(kinds), len(document)
        rest = _pack_rest(number, container.time, wall, follow, _crc32(body), *sizes)
        parts += (_pack_front(_RECORD, _crc32(rest)), rest, body)
        number += 1
        follow -= 1
    body = polled + poll.knowledge
    rest = _pack_rest(number, poll.number, wall, 0, _crc32(body), 0, len(polled), 0, len(poll.knowledge))
    parts += (_pack_front(_POLL, _crc32(rest)), rest, body)
    return b"".join(parts)


def encode_again(entries: Sequence[Entry]) -> bytes:
    """Records as they were, each a put of its own."""
    parts: list[bytes] = []
    for entry in entries:
        body, lengths = entry.body, entry.lengths
        rest = _pack_rest(entry.number, entry.time, entry.wall, 0, _crc32(body), *lengths, len(body) - sum(lengths))
        parts += (_pack_front(_RECORD, _crc32(rest)), rest, body)
    return b"".join(parts)


T = TypeVar("T")
# What is made of an entry: number, time, wall, follow, whether it is a poll's, offset, lengths, body.
Make = Callable[[int, int, int, int, bool, int, tuple[int, int, int], bytes], T]


def make_entry(*parts: Any) -> Entry:
    """An entry as it is."""
    return Entry._make(parts)


def make_stored(
    number: int,
    time: int,
    wall: int,
    _follow: int,
    is_poll: bool,
    offset: int,
    lengths: tuple[int, int, int],
    body: bytes,
) -> Stored | None:
    """A record's container; None for a poll."""
    if is_poll:
        return None
    name, reader, kinds = lengths
    reader += name
    kinds += reader
    container = Container(body[:name].decode(), time, body[name:reader].decode(), body[kinds:], body[reader:kinds])
    return _new(Stored, (number, container, wall, offset))


_new = tuple.__new__


class Walk(Generic[T]):
    """The entries of a segment from an offset to its end, and the damage between them.

    ``read(size, offset)`` reads. ``torn_at`` is, at the end, where an entry begins that was not written to its end.
    """

    def __init__(self, make: Make[T], read: Callable[[int, int], bytes], offset: int, size: int) -> None:
        self._make = make
        self._read = read
        self._offset = offset
        self._size = size
        self.torn_at: int | None = None

    def __iter__(self) -> Iterator[T | Damage]:
        offset, size, make = self._offset, self._size, self._make
        piece, base = b"", offset
        unpack, crc32 = _HEADER.unpack_from, _crc32
        while offset < size:
            at = offset - base
            if at + HEADER > len(piece):
                piece, base, at = self._read(PIECE, offset), offset, 0
                if len(piece) < HEADER:
                    self.torn_at = offset
                    return
            magic, checksum, number, time, wall, follow, body_checksum, name, reader, kinds, document = unpack(
                piece, at
            )
            after = at + HEADER
            if checksum != crc32(piece[at + 8 : after]) or (magic != _RECORD and magic != _POLL):
                if self._is_zero(offset):
                    self.torn_at = offset
                    return
                yield Damage(offset)
                offset = self._resynchronise(offset + 1)
                continue
            length = name + reader + kinds + document
            if offset + HEADER + length > size:
                self.torn_at = offset
                return
            if after + length > len(piece):
                piece, base, after = self._read(max(PIECE, HEADER + length), offset), offset, HEADER
            body = piece[after : after + length]
            if body_checksum == crc32(body):
                yield make(number, time, wall, follow, magic == _POLL, offset, (name, reader, kinds), body)
            else:
                yield Damage(offset)
            offset += HEADER + length

    def _resynchronise(self, offset: int) -> int:
        """Where the next entry may begin."""
        while offset < self._size:
            piece = self._read(PIECE, offset)
            if (found := piece.find(_START)) >= 0:
                return offset + found
            if len(piece) < len(_START):
                break
            offset += len(piece) - len(_START) + 1
        return self._size

    def _is_zero(self, offset: int) -> bool:
        """Whether there are only zeros from here on: a file was made longer, but not written."""
        while offset < self._size:
            piece = self._read(PIECE, offset)
            if not piece or piece.count(0) != len(piece):
                return not piece
            offset += len(piece)
        return True
