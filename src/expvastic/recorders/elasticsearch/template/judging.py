"""What is installed under our names: whether it will do, and how it differs from what we would install."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..answers import decode
from .mappings import MANAGER, VERSION
from .pieces import COMPONENT, INDEX, SERIES_PART, Piece

_LIST, _ENTRY = {COMPONENT: "component_templates", INDEX: "index_templates"}, {COMPONENT: "component_template"}
# Servers give every setting as text, nested, without or with its first word.
_SETTINGS = "template.settings."
_OWN_WORDS = ("created_date", "modified_date", "created_date_millis", "modified_date_millis")  # OpenSearch, 9.2


class Condition(enum.Enum):
    """What is there under the name of a piece."""

    MISSING = "missing"
    OLDER = "an older version of ours"
    CURRENT = "ours, of this version"
    UNSUITED = "ours, for another kind of destination"
    NEWER = "a newer version of ours"
    FOREIGN = "not ours"

    @property
    def wants_install(self) -> bool:
        """Whether the piece is to be installed: what somebody else made is theirs, what is newer is better."""
        return self in (Condition.MISSING, Condition.OLDER, Condition.UNSUITED)


def read_installed(piece: Piece, body: bytes) -> dict[str, Any] | None:
    """What an answer of status 200 says is installed under a piece's name. Raises ValueError if it is no answer."""
    answer = decode(body, dict[str, Any])
    try:
        if piece.kind not in _LIST:
            return {"policy": answer[piece.name]["policy"]} if piece.name in answer else None
        listed = answer[_LIST[piece.kind]]
        return dict(listed[0][_ENTRY.get(piece.kind, "index_template")]) if listed else None
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError("not the answer to what was asked") from error


def judge(piece: Piece, installed: Mapping[str, Any] | None) -> Condition:
    """What is to be thought of what is installed under the name of a piece."""
    if installed is None:
        return Condition.MISSING
    meta = _meta_of(installed)
    version = meta.get("version")
    if meta.get("managed_by") != MANAGER or not isinstance(version, int):
        return Condition.FOREIGN
    if version > VERSION:
        return Condition.NEWER
    if version < VERSION:
        return Condition.OLDER
    is_suited = _nature(installed) == _nature(piece.content) and _patterns(piece.content) <= _patterns(installed)
    return Condition.CURRENT if is_suited else Condition.UNSUITED


def _nature(template: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether what a template makes is a data stream, and whether it is a time series."""
    parts = template.get("composed_of") or []
    return template.get("data_stream") is not None, any(SERIES_PART in str(part) for part in parts)


def _patterns(template: Mapping[str, Any]) -> set[str]:
    """The names that a template is for; users may add to them."""
    patterns = template.get("index_patterns") or []
    return {patterns} if isinstance(patterns, str) else set(map(str, patterns))


def compare(piece: Piece, installed: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The lines in which what is installed differs: ``-`` is installed, ``+`` would be."""
    before, wanted = set(_flatten(installed or {})), set(_flatten(piece.content))
    return tuple(f"{'-' if line in before else '+'} {line}" for line in sorted(before ^ wanted))


def _meta_of(installed: Mapping[str, Any]) -> Mapping[str, Any]:
    holder = installed.get("policy", installed)
    meta = holder.get("_meta") if isinstance(holder, dict) else None
    return meta if isinstance(meta, dict) else {}


def _flatten(content: object, name: str = "") -> Iterator[str]:
    """One line per value, by its dotted name."""
    if isinstance(content, Mapping) and content:
        for key, inner in content.items():
            if f"{name}{key}" == "data_stream":  # servers add what they take for granted
                yield "data_stream: {}"
            elif name or key not in _OWN_WORDS:
                yield from _flatten(inner, f"{name}.{key}" if name else key)
    elif isinstance(content, list) and content and isinstance(content[0], Mapping):
        for place, inner in enumerate(content):
            yield from _flatten(inner, f"{name}[{place}]")
    elif name.startswith(_SETTINGS):
        yield f"{_SETTINGS}index.{name.removeprefix(_SETTINGS).removeprefix('index.')}: {_text(content)}"
    elif name and content != []:
        yield f"{name}: {_text(content)}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return msgspec.json.encode(value).decode()
