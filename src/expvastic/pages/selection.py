"""Which of a page's values are shipped, and under what name: globs and renamings on the page's own dotted names."""

from __future__ import annotations

import fnmatch
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from ..settings import SettingsModel, parse_words
from .flatten import NAME_LIMIT, find_conflicts

_ANY_PARTS = "**"


def _possible(pattern: str) -> str:
    """The pattern, if it is a glob."""
    parts = pattern.split(".")
    if not all(map(str.strip, parts)):
        raise ValueError(f"{pattern!r} can match nothing: it, or a part of it between dots, is empty")
    for part in parts:
        if _ANY_PARTS in part and part != _ANY_PARTS:
            raise ValueError(
                f"{pattern!r} is no pattern: ** must stand alone between dots; * is one part, or some of it"
            )
    if len(pattern) > NAME_LIMIT:
        raise ValueError(f"a pattern has at most {NAME_LIMIT} characters")
    return pattern


def _usable(name: str) -> str:
    """The name, if a field can have it."""
    if not all(map(str.strip, name.split("."))) or not name.isprintable():
        raise ValueError(f"{name!r} is no usable name: every part between dots needs letters")
    if "*" in name:
        raise ValueError(f"{name!r} is no usable name: names are renamed one by one, * has no meaning here")
    if len(name) > NAME_LIMIT:
        raise ValueError(f"a name has at most {NAME_LIMIT} characters")
    return name


def _unmixed(renames: dict[str, str]) -> dict[str, str]:
    """The renamings, if they keep fields apart."""
    first: dict[str, str] = {}
    for old, new in renames.items():
        if first.setdefault(new, old) != old:
            raise ValueError(f"{first[new]} and {old} would both become {new}; give each its own name")
    for new in find_conflicts(first):
        below = next(other for other in first if other.startswith(f"{new}."))
        raise ValueError(f"{first[new]} cannot become {new}, because {first[below]} becomes {below}, below it")
    return renames


Glob = Annotated[str, AfterValidator(_possible)]
Globs = Annotated[
    tuple[Glob, ...],
    BeforeValidator(parse_words),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class SelectionSettings(SettingsModel):
    """Which values are shipped, and under what names; names are the page's own, without prefix."""

    include: Globs = ()
    """Ship only values whose names match one of these: `*` stands for a part of a dotted name or some of it, `**` for
    any number of parts (`memstats.**`), `?` for one character; in any case. Everything unless given."""
    exclude: Globs = ()
    """Ship no values whose names match one of these, even if they are included."""
    rename: Annotated[dict[str, Annotated[str, AfterValidator(_usable)]], AfterValidator(_unmixed)] = {}  # noqa: RUF012
    """Other names for values: the page's name, whole and spelt as in the page, and the new one. A value that has the
    new name already makes way for the renamed one."""


class Selection:
    """What becomes of each name of a page. To be asked once per name: the answer is always the same."""

    def __init__(self, settings: SelectionSettings) -> None:
        self._include = [_Matcher(pattern) for pattern in settings.include]
        self._exclude = [_Matcher(pattern) for pattern in settings.exclude]
        self._rename = settings.rename
        self._taken = {new for old, new in self._rename.items() if self.selects(old)} - self._rename.keys()

    def __bool__(self) -> bool:
        """Whether anything is not simply kept."""
        return bool(self._include or self._exclude or self._rename)

    def resolve(self, own_name: str) -> str | None:
        """The name to ship it under; None if it is not shipped. Different names never become one."""
        if self.is_displaced(own_name) or not self.selects(own_name):
            return None
        return self._rename.get(own_name, own_name)

    def selects(self, own_name: str) -> bool:
        """Whether the patterns let it through."""
        if self._include and not any(pattern.matches(own_name) for pattern in self._include):
            return False
        return not any(pattern.matches(own_name) for pattern in self._exclude)

    def is_displaced(self, own_name: str) -> bool:
        """Whether another value is renamed to just this name, so that this one makes way."""
        return own_name in self._taken


class _Matcher:
    """A glob; its time is bounded by the product of the lengths, whatever a page calls its values."""

    def __init__(self, pattern: str) -> None:
        parts = pattern.split(".")
        if parts[-1] == _ANY_PARTS:  # at the end it is at least one part: memstats.** is not memstats
            parts.insert(-1, "*")
        self._parts = [None if part == _ANY_PARTS else _part_regex(part) for part in parts]

    def matches(self, name: str) -> bool:
        """Whether the whole name fits; only the last ``**`` passed is ever tried with more parts, which is enough."""
        parts, wanted = name.split("."), self._parts
        here = there = retry = 0
        last_any = -1
        while here < len(parts):
            pattern = wanted[there] if there < len(wanted) else _NOTHING
            if pattern is None:
                last_any, retry = there, here
                there += 1
            elif pattern.match(parts[here]):
                here += 1
                there += 1
            elif last_any >= 0:
                retry += 1
                here, there = retry, last_any + 1
            else:
                return False
        return all(pattern is None for pattern in wanted[there:])


_NOTHING = re.compile(r"(?!)")


def _part_regex(part: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(part.replace("[", "[[]")), re.IGNORECASE)
