"""What a supervising process and its workers say to each other: bytes and frames. Pure."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import msgspec

from .. import __version__
from ..config import Config
from ..errors import ExpvasticError
from ..telemetry import Snapshot

ASK, STOP = b"?", b"."  # downwards, after the configuration
HEAD = 4  # bytes of a frame that tell its length
_VERSION = f"{__version__}\n".encode()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker's run ended: containers that were lost with the memory, and those that are safe on the disk."""

    lost: int
    kept: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells of itself, with its last words how it ended."""

    snapshot: Snapshot
    ending: Ending | None = None


def encode_config(config: Config) -> bytes:
    """The frame of a configuration, secrets and all, as it goes to a process of ours through a socket of its own."""
    return _frame(_VERSION + pickle.dumps(config))


def decode_config(body: bytes) -> Config:
    """The configuration that this process's own supervisor sent.

    Raises ExpvasticError if that one is of another version.
    """
    if not body.startswith(_VERSION):
        raise ExpvasticError(f"this is version {__version__} now, and another one runs; restart expvastic")
    config = pickle.loads(body[len(_VERSION) :])  # noqa: S301  # only who started this process can write to its end
    assert isinstance(config, Config)
    return config


def encode_report(report: Report) -> bytes:
    """The frame of a report."""
    return _frame(msgspec.msgpack.encode(report, enc_hook=dict))  # read-only views of dictionaries are none to it


def decode_report(body: bytes) -> Report:
    """The report in a frame. Raises ValueError if there is none."""
    return _decode(body)


def length_of(head: bytes) -> int:
    """The bytes of a frame after its head."""
    return int.from_bytes(head, "big")


def _frame(body: bytes) -> bytes:
    return len(body).to_bytes(HEAD, "big") + body


_decode = msgspec.msgpack.Decoder(Report).decode
