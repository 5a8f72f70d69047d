"""A reader's last poll in two files, written in turn: whenever the process ends, one of them is whole."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from struct import Struct

import msgspec

from ..datatypes import Container, Poll
from .writing import DAMAGED, FILE_MODE, sync_folder, write_at_start

_HEAD = Struct(">8sQI")  # magic with the format's number, length of what follows, its checksum
_MAGIC = b"expvpol\x01"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Container(msgspec.Struct, array_like=True, frozen=True):
    id: str
    time: int
    document: bytes
    kinds: bytes


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    reader: str
    number: int
    knowledge: bytes
    containers: list[_Container]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode
_sync = getattr(os, "fdatasync", os.fsync)


class LastPoll:
    """The last poll of one reader; ``stem`` is the path of its files up to the last letter."""

    def __init__(self, reader: str, stem: Path) -> None:
        self._reader = reader
        self._paths = [stem.with_name(f"{stem.name}.{turn}") for turn in (0, 1)]
        self._turn: int | None = None  # which file the next poll goes to; unknown until they were read

    def read(self) -> Poll | None:
        """The whole one with the highest number; None if there is none. Raises OSError."""
        polls = [self._read(path) for path in self._paths]
        numbers = [-1 if poll is None else poll.number for poll in polls]
        newest = numbers.index(max(numbers))
        self._turn = 1 - newest
        return polls[newest]

    def write(self, poll: Poll, *, synced: bool) -> None:
        """Keep a poll in the place of the one before the last. Raises OSError; then the last one is still there."""
        if self._turn is None:
            self.read()
        assert self._turn is not None
        path = self._paths[self._turn]
        body = _encode(_kept(poll))
        data = _HEAD.pack(_MAGIC, len(body), zlib.crc32(body)) + body
        descriptor = os.open(path, _WRITE, FILE_MODE)
        try:
            is_new = os.fstat(descriptor).st_size == 0
            write_at_start(descriptor, data)
            os.ftruncate(descriptor, len(data))
            if synced:
                _sync(descriptor)
        finally:
            os.close(descriptor)
        if synced and is_new:
            sync_folder(path.parent)
        self._turn = 1 - self._turn  # only now: what failed is written over, not the last one that is whole

    def _read(self, path: Path) -> Poll | None:
        try:
            descriptor = os.open(path, _READ)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            data = file.read()
        kept = _parse(data)
        return _poll(kept) if kept is not None and kept.reader == self._reader else None


def _parse(data: bytes) -> _Kept | None:
    """What a file holds, if it is whole."""
    if len(data) < _HEAD.size:
        return None
    magic, length, checksum = _HEAD.unpack_from(data)
    body = memoryview(data)[_HEAD.size :][:length]
    if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum:
        return None
    try:
        return _decode(body)
    except DAMAGED:
        return None


def _kept(poll: Poll) -> _Kept:
    containers = [_Container(each.id, each.time, each.document, each.kinds) for each in poll.containers]
    return _Kept(poll.reader, poll.number, poll.knowledge, containers)


def _poll(kept: _Kept) -> Poll:
    containers = [
        Container(id=each.id, time=each.time, reader=kept.reader, document=each.document, kinds=each.kinds)
        for each in kept.containers
    ]
    return Poll(kept.reader, kept.number, containers, kept.knowledge)
