"""What a page means, told a second time in the plainest way, and the promises that every document keeps."""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from expvastic.datatypes import Container, Kind
from expvastic.errors import InvalidPayload
from expvastic.pages.flatten import Limits
from expvastic.pages.names import is_reserved

Flat = dict[str, Any]

_DERIVED = ("PauseNs", "PauseEnd", "PausesLost", "PausesBefore", "NextGC")  # Go's runtime as another suite has it
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*+")|[^\s,:\[\]{}"]+', re.DOTALL)
_WORDS = {
    **dict.fromkeys(("NaN", "+NaN", "-NaN"), "NaN"),
    **dict.fromkeys(("Inf", "+Inf", "Infinity", "+Infinity"), "Infinity"),
    **dict.fromkeys(("-Inf", "-Infinity"), "-Infinity"),
}
_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.FLOAT: (float,),
    Kind.INTEGER: (int,),
    Kind.STRING: (str,),
    Kind.BOOLEAN: (bool,),
    Kind.FLOAT_LIST: (float, int),
    Kind.GC_LIST: (float, int),
    Kind.STRING_LIST: (str,),
}
_LISTS = (Kind.FLOAT_LIST, Kind.GC_LIST, Kind.STRING_LIST)


class Violation(Exception):
    """A promise that was broken, and the page that did it."""

    def __init__(self, what: str, body: bytes) -> None:
        super().__init__(what, body)
        self.what = what
        self.body = body


def decode(body: bytes) -> Any:
    """The standard library's word on a page, Go's spellings of what is no number included."""
    text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    loads = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 4_000 else math.inf).decode
    try:
        return loads(text)
    except ValueError:
        return loads(_TOKEN.sub(lambda found: found[0] if found[1] else _WORDS.get(found[0], found[0]), text))


def flatten(page: Mapping[str, Any], above: str, limits: Limits) -> Flat:
    """Every value that can be shipped, by its dotted name; conflicts and the limit of keys are the page's matter."""
    found: Flat = {}
    for key, value in page.items():
        name = f"{above}.{key}" if above else key
        if not is_usable(name, limits.depth):
            continue
        if isinstance(value, dict):
            found.update(flatten(value, name, limits))
        elif (kept := _kept(value, limits)) is not None:
            found[name] = kept
    return found


def leaf_names(page: Mapping[str, Any], above: str, depth: int) -> list[str]:
    """The names of all values, those included that cannot be shipped; one for an object that cannot be entered."""
    found: list[str] = []
    for key, value in page.items():
        name = f"{above}.{key}" if above else key
        if isinstance(value, dict) and value and is_usable(name, depth - 1):
            found += leaf_names(value, name, depth)
        else:
            found.append(name)
    return found


def is_usable(name: str, depth: int) -> bool:
    parts = name.split(".")
    return len(name) <= 512 and len(parts) <= depth and all(part.strip() for part in parts) and _is_text(name)


def _kept(value: object, limits: Limits) -> object:
    """The value as it is shipped; None if it is not."""
    if isinstance(value, str):
        return value[: limits.string] if _is_text(value) else None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) <= sys.float_info.max else None
    if not isinstance(value, list) or not 0 < len(value) <= limits.list:
        return None
    types = set(map(type, value))
    if types == {str} or types <= {int, float}:
        items = [_kept(item, limits) for item in value]
        return None if None in items else items
    return None


def _is_text(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def without_objects(values: Flat) -> Flat:
    """Without those that are objects as well."""
    parents = {name[:at] for name in values for at, letter in enumerate(name) if letter == "."}
    return {name: value for name, value in values.items() if name not in parents}


class Reference:
    """The documents that pages should give, with the settings of one reader."""

    def __init__(
        self,
        prefix: str,
        go_runtime: bool = False,
        cmdline: bool = False,
        limits: Mapping[str, int] | None = None,
        **_others: object,
    ) -> None:
        self._prefix = prefix
        self._above = f"{prefix}." if prefix else ""
        self._go_runtime = go_runtime
        self._cmdline = cmdline
        self._limits = Limits(**(limits or {}))

    def check_refusal(self, body: bytes, refusal: InvalidPayload) -> None:
        """A page is refused for the reason that it gives, and for no other."""
        try:
            page = decode(body)
        except RecursionError:
            wanted = "too_deep"
        except ValueError:
            wanted = "not_json"
        else:
            wanted = "not_object" if not isinstance(page, dict) else "none"
        # How deep is too deep is the decoder's affair, and a page may be both.
        if refusal.reason != wanted and not (
            refusal.reason == "too_deep" and body.count(b"{") + body.count(b"[") > 500
        ):
            raise Violation(f"refused as {refusal.reason}, the reference says {wanted}", body)

    def check(self, body: bytes, containers: Sequence[Container], left_out: int) -> None:
        """The documents of a page say what the page says, and keep every promise; so many values are not in them."""
        try:
            page = decode(body)
        except (ValueError, RecursionError) as error:
            raise Violation(f"the reference refuses it: {error}", body) from None
        if not isinstance(page, dict):
            raise Violation("taken, but no object", body)
        if isinstance(page.get("cmdline"), dict) or any(key.startswith("cmdline.") for key in page):
            # What is no command line is not shipped under its name; it counts as one value.
            page = {key: value for key, value in page.items() if key.partition(".")[0] != "cmdline"}
            left_out -= 1
        for container in containers:
            if flaw := find_flaw(container):
                raise Violation(flaw, body)
        polls = [container for container in containers if "-gc-" not in container.id]
        shipped = {value.name: value.value for value in polls[0]} if polls else {}
        self._compare(page, shipped, body)
        self._count(page, len(shipped) + left_out, body)

    def _compare(self, page: dict[str, Any], shipped: Flat, body: bytes) -> None:
        wanted = self.values(page)
        free = {self._above + "cmdline"} if self._cmdline else set()
        if self._go_runtime:
            free |= {f"{self._above}memstats.{name}" for name in _DERIVED}
            for name in ("PauseNs", "PauseEnd"):
                said, told = wanted.get(f"{self._above}memstats.{name}"), shipped.get(f"{self._above}memstats.{name}")
                if isinstance(told, list) and not (isinstance(said, list) and set(told) <= set(said)):
                    raise Violation(f"invented pauses in {name}", body)
        for name in [*wanted, *shipped]:
            if name not in free and spell(wanted.get(name)) != spell(shipped.get(name)):
                raise Violation(f"{name!r} is {shipped.get(name)!r}, should be {wanted.get(name)!r}"[:500], body)

    def _count(self, page: dict[str, Any], accounted: int, body: bytes) -> None:
        """Every value is shipped or counted; of those that have one name in two spellings, one is enough."""
        if self._go_runtime and isinstance(page.get("memstats"), dict):
            return  # the rings are not flattened
        names = leaf_names(page, self._prefix, self._limits.depth)
        distinct = {f"expvar.{name}" if not self._prefix and is_reserved(name) else name for name in names}
        if not len(distinct) <= accounted <= len(names):
            raise Violation(f"{accounted} values shipped or counted, of {len(distinct)} to {len(names)}", body)

    def values(self, page: dict[str, Any]) -> Flat:
        """What a page's document should hold."""
        values = flatten(page, self._prefix, self._limits)
        values = without_objects({name: values[name] for name in [*values][: self._limits.keys]})
        if not self._cmdline:
            values.pop(self._above + "cmdline", None)
        if not self._prefix:
            sheltered = {f"expvar.{name}" if is_reserved(name) else name: value for name, value in values.items()}
            values = without_objects(sheltered)
        return values


def spell(value: object) -> str:
    """Apart whatever is apart: 1, 1.0 and True, 0.0 and -0.0."""
    return repr(value)


def find_flaw(container: Container) -> str | None:
    """What is wrong with a container and its document, if anything is."""
    try:
        document = json.loads(container.document.decode(), object_pairs_hook=_once, parse_constant=_never)
        json.dumps(document, ensure_ascii=False).encode()
    except ValueError as error:
        return f"the document is not strict JSON: {error}"
    if b"\n" in container.document:
        return "the document has a line break"
    columns = {value.name: value.value for value in container}
    if len(without_objects(document)) != len(document):
        return "a name is an object as well"
    for name in columns:
        if not is_usable(name, 21) and not (len(name) > 512 and name.startswith("expvar.") and is_usable(name[7:], 20)):
            return f"a name that no index takes: {name!r}"
    wrong = [value.name for value in container if not _fits(value.kind, value.value)]
    return f"not of its kind, or not finite: {wrong}" if wrong else None


def _fits(kind: Kind, value: Any) -> bool:
    if (kind in _LISTS) != isinstance(value, list):
        return False
    items = value if isinstance(value, list) else [value]
    return all(
        type(item) in _TYPES[kind] and (isinstance(item, str) or abs(item) <= sys.float_info.max) for item in items
    )


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) != len(members):
        raise ValueError("a key is there twice")
    if any(isinstance(value, dict) for _, value in members):
        raise ValueError("it is not flat")
    return dict(members)


def _never(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
