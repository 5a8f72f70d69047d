"""What a destination would refuse, cut off or not find again of some documents, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ....recorder import Finding
from .layout import FieldType, Layout

_WHOLE = {"byte": 7, "short": 15, "integer": 31, "long": 63}  # bits of what is above zero
_FRACTIONS = {"half_float": 11, "float": 24, "double": 53, "scaled_float": 53}  # bits that are exact
_TEXTS = {"keyword", "text", "match_only_text", "wildcard", "constant_keyword", "version"}
_HOLDERS = {"flattened", "flat_object"}
_UNSIGNED = 2**64

_REMAP = "map it as what it is (a number: double) in the template's @custom part, or rename it, and begin a new index"
_TELL_APART = "rename or exclude it where it is of the other kind"
_RENAME = "rename or exclude one of them with the reader's rename or exclude"
_RAISE = "exclude names, or raise index.mapping.total_fields.limit in the template's @custom part"
_TEMPLATE = "let expvastic install its template (expvastic setup), and begin a new index"

Values = Mapping[str, Any]


def find_faults(layout: Layout, documents: Sequence[bytes]) -> list[Finding]:
    """Everything of these documents that a destination of such a layout would not take as it is; each name once."""
    values = _collect(documents)
    found = [*_clashes(layout, values), *_name_conflicts(layout, values), *_crowding(layout, values)]
    return sorted(found, key=lambda finding: (finding.field, finding.problem))


def _collect(documents: Iterable[bytes]) -> dict[str, list[Any]]:
    """Each name's values in all documents, those of lists one by one."""
    values: dict[str, list[Any]] = {}
    for document in documents:
        for name, value in json.loads(document).items():
            values.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return values


def _clashes(layout: Layout, values: Mapping[str, list[Any]]) -> Iterator[Finding]:
    """Values that their field cannot hold. Of a name that is new, the first value decides about the others."""
    for name, seen in values.items():
        if name == "@timestamp" or not seen:
            continue
        if name not in layout.types and layout.dynamic in ("strict", "false", "runtime"):
            yield _not_dynamic(layout, name)
            continue
        given = layout.type_of(name, _kind(seen[0]))
        problems = dict.fromkeys(problem for value in seen if (problem := _judge(given, value)))
        yield from (Finding(name, problem, _advise(given, seen)) for problem in problems)


def _advise(given: FieldType, seen: Sequence[object]) -> str:
    if len({_family(value) for value in seen}) > 1:
        return _TELL_APART
    return _REMAP if given.is_known else _TEMPLATE


def _not_dynamic(layout: Layout, name: str) -> Finding:
    if layout.dynamic == "strict":
        return Finding(name, "is not in the mapping, which takes no new names (dynamic: strict): refused", _TEMPLATE)
    return Finding(
        name, f"is not in the mapping: stored, but not indexed as a column (dynamic: {layout.dynamic})", _TEMPLATE
    )


def _judge(given: FieldType, value: object) -> str:
    """What is wrong with a value for a type; empty if nothing is."""
    what = f"is mapped as {given.name}" if given.is_known else f"would be mapped as {given.name}"
    if given.name in _HOLDERS:
        return ""
    if isinstance(value, bool):
        is_fine = given.name == "boolean" or given.name in _TEXTS
        return "" if is_fine else f"{what}, and is true or false: refused"
    if isinstance(value, str):
        return _judge_text(given, what, value)
    if given.name == "boolean":
        return f"{what}, and holds a number: refused"
    if given.name in _TEXTS:
        return f"{what}, and holds a number: nothing can be computed from it"
    return _judge_number(given, what, value) if isinstance(value, int | float) else ""


def _judge_text(given: FieldType, what: str, value: str) -> str:
    if given.name == "boolean":
        return "" if value in ("true", "false", "") else f"{what}, and holds text: refused"
    if given.name in _WHOLE or given.name in _FRACTIONS or given.name == "unsigned_long":
        return "" if _is_number(value) and given.coerces else f"{what}, and holds text: refused"
    return ""


def _judge_number(given: FieldType, what: str, value: float) -> str:
    if given.name in _FRACTIONS:
        is_exact = not isinstance(value, int) or abs(value) <= 2 ** _FRACTIONS[given.name] or given.name == "double"
        return "" if is_exact else f"{what}, and is large: digits are lost in what is computed"
    if given.name not in _WHOLE and given.name != "unsigned_long":
        return ""
    if value != int(value):
        return f"{what}, and holds fractions: {'cut off without notice' if given.coerces else 'refused'}"
    least, most = (0, _UNSIGNED) if given.name == "unsigned_long" else _bounds(given.name)
    return "" if least <= value < most else f"{what}, and {value:.0f} does not fit: refused"


def _bounds(name: str) -> tuple[int, int]:
    return -(2 ** _WHOLE[name]), 2 ** _WHOLE[name]


def _name_conflicts(layout: Layout, values: Mapping[str, list[Any]]) -> Iterator[Finding]:
    """A name that holds a value, above another or with fields below it."""
    if layout.is_flat:
        return
    inner = layout.objects | {above for name in (*values, *layout.types) for above in _above(name)}
    for name in values:
        if name in layout.objects:
            yield Finding(name, "is mapped as an object, and holds a single value: refused", _RENAME)
        elif name in inner:
            yield Finding(name, "holds a value, and there are names below it: one of both is refused", _RENAME)
        elif above := next((above for above in _above(name) if above in layout.types), ""):
            yield Finding(name, f"stands below {above}, which holds a value: refused", _RENAME)


def _crowding(layout: Layout, values: Mapping[str, list[Any]]) -> Iterator[Finding]:
    new = {name for name in values if name not in layout.types}
    if not layout.is_flat:
        new |= {above for name in new for above in _above(name)} - layout.objects
    if layout.dynamic != "true" or layout.fields + len(new) <= layout.limit:
        return
    consequence = "those above it are stored, but not indexed" if layout.tolerates_more else "documents are refused"
    problem = f"{layout.fields} there and {len(new)} new ones are more than the limit of {layout.limit}: {consequence}"
    yield Finding("(all fields)", problem, _RAISE)


def _above(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "long", float: "double", str: "string"}
    return kinds.get(type(value), "string")


def _family(value: object) -> str:
    return "number" if _kind(value) in ("long", "double") else _kind(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
