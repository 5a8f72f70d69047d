"""Elasticsearch's rules for the names of indices and streams, and how a value becomes a part of one.

A value is lower-cased; what no name may hold (a blank, a control character, any of ``" * \\ < | , > / ? # :``) becomes
``_``; what is too long is cut; what is empty or missing is ``unknown``.
"""

from __future__ import annotations

from collections.abc import Callable

UNKNOWN = "unknown"

_FORBIDDEN = ' "*\\<|,>/?#:'
_LONGEST = 255  # bytes

_RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name, "must not be empty"),
    (lambda name: name in (".", ".."), "must not be . or .."),
    (lambda name: name != name.lower(), "must be lower case"),
    (lambda name: name[0] in "-_+", "must not start with -, _ or +"),
    (
        lambda name: any(map(_is_forbidden, name)),
        'must not hold a space or any of " * \\ < | , > / ? # : (a date is written as %{+yyyy.MM.dd})',
    ),
    (lambda name: len(name.encode()) > _LONGEST, f"must not be longer than {_LONGEST} bytes"),
)


def check_name(name: str) -> None:
    """Raise ValueError, saying the rule, for a name that Elasticsearch does not allow."""
    for is_broken, rule in _RULES:
        if is_broken(name):
            raise ValueError(f"index names {rule}")


def legalise(value: str, room: int) -> str:
    """A value as it may stand within a name, of no more than ``room`` bytes."""
    lowered = "".join("_" if _is_forbidden(character) else character for character in value.lower())
    return lowered.encode()[:room].decode(errors="ignore") or UNKNOWN


def _is_forbidden(character: str) -> bool:
    return character in _FORBIDDEN or not character.isprintable()
