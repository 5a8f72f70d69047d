"""A container as one line for people: when, who, how much, and as many values as fit. Pure.

What comes from pages is made visible before it is shown, so that no page can move a cursor, colour a terminal or
pretend to be another line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from ...datatypes import Container, ListOf, Scalar, Value

_PREFIXES = ("expvar.", "json.")
_TEXT_WIDTH = 40  # a string is cut here
_LIST_LENGTH = 4  # a list is shown so far
_MORE = "…"


def pretty_line(container: Container, width: int) -> str:
    """One line, without its line break, of ``width`` cells at most unless what stands before the values is longer."""
    line = _head(container)
    room = width - _cells(line)
    for value in container:
        shown = f" {_name(value.name)}={_show(value)}"
        if _cells(shown) > room - len(_MORE) - 1:
            return f"{line} {_MORE}"
        line += shown
        room -= _cells(shown)
    return line


def visible(text: str) -> str:
    """The text with everything that a terminal would obey, hide or reorder spelled out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def harmless_json(document: bytes) -> bytes:
    """The same JSON, with every character that a terminal might obey written as an escape."""
    text = document.decode("utf-8", "replace")
    if text.isprintable():
        return document
    return "".join(char if char.isprintable() else "".join(_escapes(char)) for char in text).encode()


def _head(container: Container) -> str:
    moment = datetime.fromtimestamp(container.time // 1_000_000, UTC).astimezone()
    words = [f"{moment:%H:%M:%S}.{container.time // 1000 % 1000:03d}", *_about(container)]
    count = len(container)
    return "  ".join([*words, f"{count} value" if count == 1 else f"{count} values"]) + " "


def _about(container: Container) -> Iterator[str]:
    """Service, dataset and labels, as the document has them."""
    fields = msgspec.json.decode(container.document, type=dict[str, msgspec.Raw])
    yield visible(_text(fields.get("service.name")) or container.reader)
    if dataset := _text(fields.get("event.dataset")):
        yield visible(dataset)
    for name, raw in fields.items():
        if name.startswith("labels."):
            yield visible(f"{name.removeprefix('labels.')}={_text(raw)}")


def _text(raw: msgspec.Raw | None) -> str:
    decoded = msgspec.json.decode(raw) if raw is not None else ""
    return decoded if isinstance(decoded, str) else str(decoded)


def _name(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return visible(name)


def _show(value: Value) -> str:
    if isinstance(value.value, list):
        return _show_list(value.value)
    return _show_scalar(value.value)


def _show_list(values: ListOf) -> str:
    shown = [_show_scalar(item) for item in values[:_LIST_LENGTH]]
    if len(values) > _LIST_LENGTH:
        shown.append(f"{_MORE}{len(values)} in all")
    return f"[{' '.join(shown)}]"


def _show_scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return str(value)
    text = value if len(value) <= _TEXT_WIDTH else value[: _TEXT_WIDTH - 1] + _MORE
    return f'"{visible(text)}"' if " " in text or not text else visible(text)


def _cells(text: str) -> int:
    """How wide a terminal shows it."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _escapes(char: str) -> Iterator[str]:
    units = char.encode("utf-16-be")
    for start in range(0, len(units), 2):
        yield f"\\u{units[start]:02x}{units[start + 1]:02x}"
