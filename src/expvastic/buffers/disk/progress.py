"""What a progress file says: how things stood when it was begun, and each step since then."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import msgspec
from isal import isal_zlib

from ...outcomes.ledger import Ledger
from .entries import VERSION
from .ranges import Range
from .segments import Segment

SUFFIX = ".progress"
UNFINISHED = ".new"
_MAGIC = b"\xe7vastpg\n"
_HEADER = struct.Struct("<8sI")  # magic, version
_FRONT = struct.Struct("<II")  # length, checksum


class Stored(msgspec.Struct, array_like=True):
    """A segment's records, up to so many bytes of it."""

    file: int
    first: int
    end: int
    size: int
    gone: bytes = b""


class Tried(msgspec.Struct, array_like=True):
    """Records that were handed out before, and are not settled."""

    first: int
    end: int
    tries: int
    in_doubt: bool


Polls = dict[str, tuple[int, bytes]]  # by reader: the last one's number, and what the reader knew after it


class Checkpoint(msgspec.Struct, array_like=True):
    """How things stood: with records up to the one before ``next``."""

    next: int
    segments: list[Stored]
    tried: list[Tried]
    polls: Polls
    ledger: bytes


class Step(msgspec.Struct, array_like=True, omit_defaults=True):
    """What has changed. Its parts belong together: all of it is true, or nothing."""

    taken: list[Range] = []
    gone: list[Range] = []
    ledger: bytes = b""
    stored: list[Stored] = []
    offers: dict[int, dict[str, int]] = {}  # of what is stored, by time and reader
    polls: Polls = {}


class Read(NamedTuple):
    """A progress file as it was found."""

    checkpoint: Checkpoint
    steps: list[Step]
    is_whole: bool
    """Whether nothing is damaged before its end."""


_encode = msgspec.msgpack.Encoder().encode
_decode_checkpoint = msgspec.msgpack.Decoder(Checkpoint).decode
_decode_step = msgspec.msgpack.Decoder(Step).decode


class OtherVersion(Exception):
    """A file was written by an expvastic that writes it differently."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def encode_entry(content: Checkpoint | Step) -> bytes:
    """One entry of the file; the first one goes behind ``FILE_HEADER``."""
    data = _encode(content)
    return _FRONT.pack(len(data), isal_zlib.crc32(data)) + data


FILE_HEADER = _HEADER.pack(_MAGIC, VERSION)


def decode_progress(data: bytes) -> Read | None:
    """What a file says, as far as it is intact; None if not even its checkpoint is.

    Raises ValueError if it is no progress file at all, OtherVersion if it is one of another version.
    """
    magic = data[: len(_MAGIC)]
    if magic == _MAGIC and len(data) >= _HEADER.size and (version := _HEADER.unpack_from(data)[1]) != VERSION:
        raise OtherVersion(version)
    entries, is_whole = _entries(data)
    if not entries and any(magic) and not _MAGIC.startswith(magic):
        raise ValueError("no progress")
    try:
        checkpoint = _decode_checkpoint(entries[0])
        return Read(checkpoint, [_decode_step(entry) for entry in entries[1:]], is_whole)
    except (IndexError, msgspec.MsgspecError):
        return None


def _entries(data: bytes) -> tuple[list[bytes], bool]:
    found: list[bytes] = []
    offset = _HEADER.size
    while offset + _FRONT.size <= len(data):
        length, checksum = _FRONT.unpack_from(data, offset)
        start, offset = offset + _FRONT.size, offset + _FRONT.size + length
        if not length or offset > len(data):
            return found, not any(data[start - _FRONT.size :])
        if isal_zlib.crc32(data[start:offset]) != checksum:
            return found, not any(data[start:])
        found.append(data[start:offset])
    return found, not any(data[offset:])


def stored(segment: Segment) -> Stored:
    """A segment as a checkpoint tells of it."""
    bits = segment.gone.to_bytes((segment.gone.bit_length() + 7) // 8, "little")
    return Stored(segment.file, segment.first, segment.end, segment.size, zlib.compress(bits, 1) if bits else b"")


def segment_of(told: Stored) -> Segment:
    """The segment that was told of."""
    gone = int.from_bytes(zlib.decompress(told.gone), "little") if told.gone else 0
    return Segment(told.file, told.first, told.end, told.size, gone)


def feed(ledger: Ledger, read: Read) -> None:
    """Enter what a progress file says in the books. Raises ValueError if it has none."""
    ledger.restore(read.checkpoint.ledger)
    for step in read.steps:
        if step.ledger:
            ledger.apply_changes(step.ledger)
        for moment, counts in step.offers.items():
            for reader, count in counts.items():
                ledger.offer(reader, moment, count)


def progress_path(folder: Path, number: int) -> Path:
    """Where a progress file is."""
    return folder / f"{number:010d}{SUFFIX}"
