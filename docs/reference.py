"""The tables of docs/configuration.md, from the settings classes: ``python docs/reference.py`` writes them anew."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from expvastic.config import Settings
from expvastic.config.complaints import listed
from expvastic.config.plans import RecorderNaming
from expvastic.config.shapes import Sort, Taken, taken_by
from expvastic.delivery import DeliverySettings
from expvastic.engine import EngineSettings
from expvastic.interpreter import InterpreterSettings
from expvastic.readers import READERS
from expvastic.recorders import RECORDERS
from expvastic.settings import description_of

PAGE = Path(__file__).with_name("configuration.md")

_BLOCK = re.compile(r"(<!-- keys: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_HEAD = "| key | takes | default | meaning |\n|---|---|---|---|\n"
_TAKES = {
    Sort.TEXT: "text",
    Sort.ENDPOINT: "address",
    Sort.SECRET: "secret",
    Sort.LIST: "list",
    Sort.TABLE: "mapping",
    Sort.DURATION: "duration",
    Sort.SIZE: "size",
    Sort.NUMBER: "number",
    Sort.FLAG: "true or false",
}
_ITEMS = {Sort.SECRET: "secrets", Sort.ENDPOINT: "addresses", Sort.TEXT: "texts"}


def render() -> str:
    """The page as it should be: its prose as it is, its tables from the settings classes."""
    tables = _tables()
    used: list[str] = []

    def table(block: re.Match[str]) -> str:
        if block[2] not in tables:
            raise LookupError(f"{PAGE.name} has a place for the keys of {block[2]}, which do not exist")
        used.append(block[2])
        return f"{block[1]}\n{_HEAD}{''.join(tables[block[2]])}\n{block[3]}"

    text = _BLOCK.sub(table, PAGE.read_text(encoding="utf-8"))
    if forgotten := tables.keys() - set(used):
        raise LookupError(f"{PAGE.name} has no place for the keys of: {', '.join(sorted(forgotten))}")
    return text


def _tables() -> dict[str, list[str]]:
    """Rows by what they belong to: a plural, and the types that have the key."""
    tables = {
        "settings": list(_rows(Settings)),
        "readers": [*_rows(EngineSettings), *_rows(InterpreterSettings)],
        "recorders": [*_rows(DeliverySettings), *_rows(RecorderNaming)],
    }
    for plural, registry in (("readers", READERS), ("recorders", RECORDERS)):
        tables |= _by_owners(plural, {kind: list(_rows(plugin.settings_type)) for kind, plugin in registry.items()})
    return tables


def _by_owners(plural: str, rows: Mapping[str, list[str]]) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for row in dict.fromkeys(row for own in rows.values() for row in own):
        owners = ", ".join(kind for kind, own in rows.items() if row in own)
        tables.setdefault(f"{plural} of type {owners}", []).append(row)
    return tables


def _rows(model: Any, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        taken = taken_by(field)
        if taken.model:
            yield f"| `{prefix}{name}` | section | | {_cell(taken.model.__doc__ or '')} |\n"
            yield from _rows(taken.model, f"{prefix}{name}.")
        else:
            cells = (f"`{prefix}{name}`", _takes(taken), _default(field, taken), _cell(description_of(model, name)))
            yield f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _takes(taken: Taken) -> str:
    words = [] if taken.sort in (Sort.CHOICE, Sort.OTHER) else [_TAKES[taken.sort]]
    if taken.item and taken.item.sort in _ITEMS:
        words[0] += f" of {_ITEMS[taken.item.sort]}"
    if taken.alone_too:
        words.insert(0, "text")
    return listed([*words, *(f"`{choice}`" for choice in taken.choices)])


def _default(field: FieldInfo, taken: Taken) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value == "" or value == {} or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if taken.sort is Sort.DURATION:
        return f"`{_duration(value)}`"
    if taken.sort is Sort.SIZE:
        return f"`{_size(value)}`"
    return f"`{value.value if isinstance(value, enum.Enum) else value}`"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"


def _size(size: int) -> str:
    for unit, length in (("GiB", 2**30), ("MiB", 2**20), ("GB", 10**9), ("MB", 10**6)):
        if size % length == 0:
            return f"{size // length} {unit}"
    return str(size)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
