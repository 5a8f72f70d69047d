"""Command lines as they are shipped: secrets are masked, by name and by shape. Imported when one is to be shipped."""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"

_NAME = re.compile(
    r"(?<!by)pass(?:w(?:or)?d|phrase)?$|(?<!by)pass[-_.]|passw|^pwd|[-_.]pwd|secret|tokens?(?![a-z])|credential|"
    r"api[-_.]?key|access[-_.]?key|private[-_.]?key|auth(?:orization)?$|(?:^|[-_.])(?:pw|dsn|jwt|bearer|cookie)(?:$|[-_.])",
    re.IGNORECASE,
)
_FLAG = re.compile(r"(--?[A-Za-z][\w.-]*)(?:([=:])(.*))?", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)
_USER_INFO = re.compile(r"(?<=://)[^/?#@\s]+(?=@)")
_QUERY = re.compile(r"([?&;]([^=&;#\s]+)=)([^&;#\s]+)")
_SHAPES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON Web Token
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # an AWS key id
    r"|\b(?:gh[opsu]_|github_pat_|glpat-|xox[abpr]-|sk-|sk_live_|rk_live_)[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*"
    r"|(?i:\b(?:bearer|basic)\s+[\w.~+/=-]{8,})"
    r"|\b(?=[A-Za-z0-9_-]*\d)(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{32,}\b",  # long and mixed: likely a key
    re.DOTALL,
)


def mask(arguments: Sequence[str]) -> list[str]:
    """The same arguments, with ``***`` in the place of each secret.

    Masked are the value of a flag whose name says so (``-password x``, ``--token=x``, ``API_KEY=x``), the user part of
    a URL and secret-looking parameters of its query, and words that have the shape of a key or token.
    """
    masked: list[str] = []
    value_is_secret = False
    for argument in arguments:
        flag = _FLAG.fullmatch(argument)
        if value_is_secret and not (flag and argument.startswith("--")):
            masked.append(MASK)
            value_is_secret = False
            continue
        value_is_secret = bool(flag and flag[3] is None and _NAME.search(flag[1].lstrip("-")))
        masked.append(_masked(argument, flag))
    return masked


def _masked(argument: str, flag: re.Match[str] | None) -> str:
    if flag and flag[3] is not None:
        value = MASK if _NAME.search(flag[1].lstrip("-")) else _mask_shapes(flag[3])
        return f"{flag[1]}{flag[2]}{value}"
    if flag:
        return argument
    assignment = _ASSIGNMENT.fullmatch(argument)
    if assignment and _NAME.search(assignment[1]):
        return f"{assignment[1]}={MASK}"
    return _mask_shapes(argument)


def _mask_shapes(text: str) -> str:
    text = _USER_INFO.sub(MASK, text)
    text = _QUERY.sub(lambda found: found[1] + (MASK if _NAME.search(found[2]) else found[3]), text)
    return _SHAPES.sub(MASK, text)
