"""What is known of a target after a page, in bytes, for a process that goes on after this one."""

from __future__ import annotations

from typing import Literal

import msgspec

from .by_size import Table


class RuntimeKnowledge(msgspec.Struct, array_like=True, frozen=True):
    """Of a Go program's life: its counters, where its rings stood, and a digest of its command line."""

    counters: dict[str, int]
    collections: int
    last_end: int
    cmdline: bytes
    sizes: Table


class Knowledge(msgspec.Struct, array_like=True, frozen=True):
    """Of one target; ``last_time`` is the last ``@timestamp``, in microseconds."""

    version: Literal[1]
    target: str
    last_time: int
    runtime: RuntimeKnowledge | None


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Knowledge).decode


def decode(knowledge: bytes) -> Knowledge | None:
    """What the bytes say; None if they are damaged, or another version's."""
    try:
        return _decode(knowledge)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
