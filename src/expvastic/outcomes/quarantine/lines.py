"""A quarantined document and the line that it is stored as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused container: where it was refused, why, and its document as it was read."""

    id: str
    time: int  # @timestamp, microseconds
    reader: str
    destination: str
    reason: str
    detail: str
    field: str
    at: float  # wall clock, seconds
    document: bytes


class _Line(msgspec.Struct):
    id: str
    time: int
    reader: str
    destination: str
    reason: str
    detail: str
    field: str
    at: float
    document: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def line_of(entry: Quarantined) -> bytes:
    """The line, with its end; the document stands in it as it is."""
    line = _Line(
        id=entry.id,
        time=entry.time,
        reader=entry.reader,
        destination=entry.destination,
        reason=entry.reason,
        detail=entry.detail,
        field=entry.field,
        at=entry.at,
        document=msgspec.Raw(entry.document),
    )
    return _encode(line) + b"\n"


def id_in(line: bytes) -> str | None:
    """The id of a line's entry; none if the line was cut, or is something else."""
    try:
        return _decode_line(line).id
    except _UNREADABLE:
        return None


def entries_in(data: bytes) -> Iterator[Quarantined]:
    """The entries of those lines that can be read."""
    for line in data.split(b"\n"):
        try:
            found = _decode_line(line)
        except _UNREADABLE:
            continue
        yield Quarantined(**{**msgspec.structs.asdict(found), "document": bytes(found.document)})
