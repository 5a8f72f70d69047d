"""A line of the file: the container's document with ``_id`` as its first member; and finding lines in a file."""

from __future__ import annotations

import os
import re
from datetime import datetime

import msgspec

from ...datatypes import Container

START = b'{"_id":"'
_TIMESTAMP = re.compile(rb'"@timestamp":"([^"]+)"')
_HEAD = 4096
_BLOCK = 64 * 2**10


def line_of(container: Container) -> bytes:
    """The line of a container, with its line break."""
    return b'{"_id":%b,%b\n' % (msgspec.json.encode(container.id), container.document[1:])


def is_line(line: bytes) -> bool:
    """Whether it is whole: JSON, and with an id."""
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("_id"), str)


def start_of_last_line(descriptor: int, end: int) -> int:
    """Where the line begins that ends at ``end``; ``end`` itself if a line break stands right before it."""
    while end > 0:
        start = max(0, end - _BLOCK)
        if (found := os.pread(descriptor, end - start, start).rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0


def first_timestamp(descriptor: int) -> float | None:
    """The ``@timestamp`` of the first line, in seconds since the epoch; None if it has none."""
    match = _TIMESTAMP.search(os.pread(descriptor, _HEAD, 0).partition(b"\n")[0])
    try:
        return datetime.fromisoformat(match[1].decode()).timestamp() if match else None
    except ValueError:
        return None
