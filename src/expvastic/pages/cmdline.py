"""Command lines: what tells one from another."""

from __future__ import annotations

import hashlib

import msgspec

_decode = msgspec.json.Decoder(list[str] | str).decode


def digest_of_value(cmdline: object) -> bytes:
    """What tells command lines apart without telling what is in them: there may be secrets."""
    return hashlib.blake2b(repr(cmdline).encode(), digest_size=16).digest()


def digest_of_text(cmdline: bytes, most: int) -> bytes | None:
    """The same of its JSON text, which is empty if there is none; None if it is neither 1 to ``most``
    arguments nor a text.
    """
    if not cmdline:
        return digest_of_value(None)
    try:
        found = _decode(cmdline)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return digest_of_value(found) if isinstance(found, str) or 0 < len(found) <= most else None
