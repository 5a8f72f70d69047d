"""A destination's mapping and settings: which type a name has, or would be given with its first value."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_LIMIT = 1_000  # fields, unless the settings say otherwise
_GUESSED = {"long": "long", "double": "float", "boolean": "boolean", "string": "text"}


@dataclass(frozen=True)
class FieldType:
    """A type, and whether numbers are made to fit it; ``is_known`` says that it stands in the mapping already."""

    name: str
    coerces: bool = True
    is_known: bool = True


@dataclass(frozen=True)
class Layout:
    """What a destination's newest index says of names; ``fields`` counts everything that counts against ``limit``."""

    types: Mapping[str, FieldType] = field(default_factory=dict)
    objects: frozenset[str] = frozenset()
    fields: int = 0
    limit: int = _LIMIT
    tolerates_more: bool = False
    is_flat: bool = False
    dynamic: str = "true"
    rules: tuple[Mapping[str, Any], ...] = ()
    mode: str = ""

    def type_of(self, name: str, kind: str) -> FieldType:
        """The type of a name, or what its first value, of a kind (long, double, boolean, string), would give it."""
        if known := self.types.get(name):
            return known
        for rule in self.rules:
            if _matches(rule, name, kind):
                mapping = rule.get("mapping") or {}
                given = str(mapping.get("type", _GUESSED[kind])).replace("{dynamic_type}", _GUESSED[kind])
                return FieldType(given, _is_true(mapping.get("coerce", True)), is_known=False)
        return FieldType(_GUESSED[kind], is_known=False)


def read_layout(mappings: Mapping[str, Any], settings: Mapping[str, Any]) -> Layout:
    """The layout that mappings and settings describe, the settings nested or not."""
    types: dict[str, FieldType] = {}
    objects: set[str] = set()
    fields = _walk(mappings.get("properties") or {}, "", types, objects)
    flat = dict(_flatten(settings))
    limit = flat.get("index.mapping.total_fields.limit")
    return Layout(
        types,
        frozenset(objects),
        fields,
        int(limit) if limit and limit.isdecimal() else _LIMIT,
        flat.get("index.mapping.total_fields.ignore_dynamic_beyond_limit") == "true",
        mappings.get("subobjects") in (False, "false"),
        str(mappings.get("dynamic", "true")).lower(),
        tuple(_rules(mappings.get("dynamic_templates") or [])),
        flat.get("index.mode", ""),
    )


def _walk(properties: Mapping[str, Any], above: str, types: dict[str, FieldType], objects: set[str]) -> int:
    """Enter all names below one; returns how many fields they are."""
    count = 0
    for key, about in properties.items():
        name = f"{above}{key}"
        count += 1 + len(about.get("fields") or {})
        if "properties" in about or about.get("type") in ("object", "nested"):
            objects.add(name)
            count += _walk(about.get("properties") or {}, f"{name}.", types, objects)
        else:
            types[name] = FieldType(str(about.get("type", "object")), _is_true(about.get("coerce", True)))
    return count


def _rules(templates: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for named in templates:
        yield from (rule for rule in named.values() if isinstance(rule, Mapping))


def _matches(rule: Mapping[str, Any], name: str, kind: str) -> bool:
    wanted = rule.get("match_mapping_type", "*")
    if "*" not in _listed(wanted) and kind not in _listed(wanted):
        return False
    is_regex = rule.get("match_pattern") == "regex"
    leaf = name.rpartition(".")[2]
    wanted_words = (("match", leaf), ("path_match", name))
    unwanted_words = (("unmatch", leaf), ("path_unmatch", name))
    return all(
        _any_fits(rule[word], subject, is_regex=is_regex) for word, subject in wanted_words if word in rule
    ) and not any(_any_fits(rule[word], subject, is_regex=is_regex) for word, subject in unwanted_words if word in rule)


def _any_fits(patterns: object, subject: str, *, is_regex: bool) -> bool:
    return any(_fits(pattern, subject, is_regex=is_regex) for pattern in _listed(patterns))


def _fits(pattern: str, subject: str, *, is_regex: bool) -> bool:
    if not is_regex:
        return fnmatch.fnmatchcase(subject, pattern.replace("[", "[[]").replace("?", "[?]"))
    try:
        return re.fullmatch(pattern, subject) is not None
    except re.error:  # Java's, and none of Python's
        return False


def _listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _is_true(value: object) -> bool:
    return value not in (False, "false")


def _flatten(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{name}.")
        else:
            text = str(value).lower()
            yield name if name.startswith("index.") else f"index.{name}", text
