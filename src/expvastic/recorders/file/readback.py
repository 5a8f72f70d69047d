"""Reading lines back: from plain or compressed files, told apart by their content."""

from __future__ import annotations

import contextlib
import io
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import msgspec

LONGEST = 16 * 2**20  # bytes of a line
_GZIP = b"\x1f\x8b"
_LONGEST_ID = 512  # bytes; a server refuses the whole request for a longer one
_HEAD = re.compile(rb'\s*\{\s*"_id"\s*:\s*("(?:[^"\\]|\\.)*")\s*,')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Stored(NamedTuple):
    """What a line holds; ``document`` has the line's own bytes, without the id."""

    id: str
    time: int  # @timestamp, microseconds
    service: str
    agent_id: str
    document: bytes


class _Document(msgspec.Struct):
    id: object = msgspec.field(name="_id", default=None)
    timestamp: object = msgspec.field(name="@timestamp", default=None)
    service: object = msgspec.field(name="service.name", default=None)
    agent_id: object = msgspec.field(name="agent.id", default=None)


_decode = msgspec.json.Decoder(_Document).decode


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, inflated if it is compressed. Raises OSError, then and while it is read."""
    with path.open("rb") as file, inflated(file) as lines:
        yield lines


@contextlib.contextmanager
def inflated(file: io.BufferedReader) -> Iterator[BinaryIO]:
    """A stream, inflated if what it begins with says so; damage is an OSError."""
    if not file.peek(len(_GZIP)).startswith(_GZIP):
        yield file
        return
    import gzip

    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as lines:
            yield cast("BinaryIO", lines)
    except (EOFError, zlib.error) as error:
        raise OSError("the compressed data is cut or damaged") from error


def lines_in(stream: BinaryIO, size: int | None = None) -> Iterator[bytes]:
    """The lines that begin within the first ``size`` bytes, with their ends; one that is too long is cut."""
    place = 0
    while (size is None or place < size) and (line := stream.readline(LONGEST)):
        rest = line
        while not rest.endswith(b"\n") and len(rest) == LONGEST:
            place += len(rest)
            rest = stream.readline(LONGEST)
        place += len(rest)
        yield line


def parse(line: bytes) -> Stored:
    """What a line holds. Raises ValueError, in a few words, if it is none of ours."""
    try:
        line.decode()
        found = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValueError("no JSON object") from None
    head = _HEAD.match(line)
    if head is None or (known := _text_in(head[1])) != found.id:
        raise ValueError("no _id as its first member")
    if not 0 < len(known.encode()) <= _LONGEST_ID:
        raise ValueError(f"an _id that is empty or longer than {_LONGEST_ID} bytes")
    document = b"{" + line[head.end() :].strip()
    return Stored(known, _time_in(found.timestamp), _text(found.service), _text(found.agent_id), document)


def _text_in(token: bytes) -> str:
    try:
        return msgspec.json.decode(token, type=str)
    except msgspec.MsgspecError:
        return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time_in(value: object) -> int:
    try:
        moment = datetime.fromisoformat(_text(value))
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise ValueError("no usable @timestamp") from None
