"""A part of a path to a label: a map keyed by users' data becomes documents of few fields, not an index of many.

Theory of operation: by the rule ``{match: routes.*.count, label: route}`` the value ``routes./home.count`` leaves the
poll's document for a row with the label ``route: /home`` and the value ``routes.count``. Rules with one label share
the rows of equal label values. The keys of such a map may have dots of their own (hosts, versions), so the star takes
any text between what is before and behind it; if several rules fit, the one that says most does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator

from ..datatypes import Kind
from ..settings import SettingsModel
from .flatten import NAME_LIMIT, LeaveOut, find_conflicts

VALUES_PER_RULE = 1_000
OTHER = "_other"
_NAMES_KEPT = 20_000  # names of one reader; above it the memory is started afresh
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_LARGEST = sys.float_info.max


def _with_one_star(pattern: str) -> str:
    parts = pattern.split(".")
    if parts.count("*") != 1 or pattern.count("*") != 1:
        raise ValueError(f"{pattern!r} must have one star, alone between dots, like routes.*.count")
    if len(parts) == 1:
        raise ValueError("a star alone leaves no name for the value; write what stands before or behind it")
    if not all(map(str.strip, parts)) or len(pattern) > NAME_LIMIT:
        raise ValueError(f"{pattern!r} can match nothing: a part of it between dots is empty, or it is too long")
    return pattern


def _usable_label(label: str) -> str:
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{label!r} is no label; write letters, digits, _ and -, a letter first, at most 64")
    return label


class DimensionRule(SettingsModel):
    """A part of a path that becomes a label; everything else of the path is the value's name."""

    match: Annotated[str, AfterValidator(_with_one_star)]
    """The page's own names, spelt as in the page, with one star in the place of what varies: `routes.*.count`."""
    label: Annotated[str, AfterValidator(_usable_label)]
    """The label's name; documents have it as `labels.NAME`."""


def _compatible(rules: tuple[DimensionRule, ...]) -> tuple[DimensionRule, ...]:
    """The rules, if no two of them make one field, or a field and an object, of what they match."""
    first: dict[str, str] = {}
    made: dict[tuple[str, str], str] = {}
    for rule in rules:
        name = _name_of(rule.match)
        if (other := made.setdefault((rule.label, name), rule.match)) != rule.match:
            raise ValueError(f"{other} and {rule.match} would both make {name} with the label {rule.label}")
        if first.setdefault(rule.match, rule.label) != rule.label or rules.count(rule) > 1:
            raise ValueError(f"{rule.match} has two rules; take one out")
    if conflicts := find_conflicts(names := list(dict.fromkeys(map(_name_of, first)))):
        below = next(name for name in names if name.startswith(f"{conflicts[0]}."))
        raise ValueError(f"rules make both {conflicts[0]} and {below}, which no index can hold together")
    return rules


Rules = Annotated[tuple[DimensionRule, ...], AfterValidator(_compatible)]


class DimensionSettings(SettingsModel):
    """Which parts of paths become labels."""

    dimension: Rules = ()
    """Parts of names that become labels: values that match go to documents of their own, one per different label
    value. At most 1,000 different ones; numbers of further ones are summed as `_other`."""


class Row(msgspec.Struct, frozen=True):
    """The values of one document beside the poll's."""

    labels: dict[str, str]
    values: dict[str, Any] = {}
    kinds: dict[str, Kind] = {}


class _Rule(msgspec.Struct, frozen=True, eq=False):
    before: str
    after: str
    pattern: str
    name: str
    label: str
    known: set[str]  # label values, shared by rules that take their stars from one map

    def admits(self, star: str) -> bool:
        """Whether it has a row of its own: the first so many have."""
        if star in self.known:
            return True
        if star == OTHER or len(self.known) >= VALUES_PER_RULE:
            return False
        self.known.add(star)
        return True


_Place = tuple[_Rule | None, str]  # the rule (none: in the way of one) and the star's text
_OUTSIDE: _Place = (None, "")


class Dimensions:
    """One reader's rules, and the label values that it has seen; ``prefix`` stands before the names it is given."""

    def __init__(self, rules: Iterable[DimensionRule], leave_out: LeaveOut, prefix: str = "") -> None:
        known: dict[tuple[str, str], set[str]] = {}
        self._rules: list[_Rule] = []
        for rule in rules:
            before, _, after = rule.match.partition("*")
            shared = known.setdefault((rule.label, before), set())
            own = _Rule(prefix + before, after, prefix + rule.match, prefix + _name_of(rule.match), rule.label, shared)
            self._rules.append(own)
        self._rules.sort(key=lambda rule: (len(rule.before) + len(rule.after), len(rule.before)), reverse=True)
        self._leave_out = leave_out
        self._placed: dict[str, _Place | None] = {}

    def __bool__(self) -> bool:
        """Whether there are any rules."""
        return bool(self._rules)

    def take(self, values: dict[str, Any], kinds: dict[str, Kind]) -> list[Row]:
        """Take out of a page's values, in place, what the rules match, and return it in rows."""
        rows: dict[tuple[str, str], Row] = {}
        surplus: dict[_Rule, list[tuple[Any, Kind]]] = {}
        for name in [*values]:
            place = self._placed[name] if name in self._placed else self._place(name)
            if place is None:
                continue
            value, kind = values.pop(name), kinds.pop(name)
            rule, star = place
            if rule is None:
                self._leave_out(name, "also_a_dimension")
            elif rule.admits(star):
                _add(rows, rule, star, value, kind)
            else:
                surplus.setdefault(rule, []).append((value, kind))
        for rule, items in surplus.items():
            self._sum(rows, rule, items)
        return [*rows.values()]

    def _place(self, name: str) -> _Place | None:
        """Where a name belongs, kept; None if no rule is about it."""
        if len(self._placed) >= _NAMES_KEPT:
            self._placed.clear()
        place = self._placed[name] = self._find(name)
        return place

    def _find(self, name: str) -> _Place | None:
        for rule in self._rules:
            start, end = len(rule.before), len(name) - len(rule.after)
            if start < end and name.startswith(rule.before) and name.endswith(rule.after):
                return rule, name[start:end]
        return _OUTSIDE if any(_cannot_stand_beside(name, rule.name) for rule in self._rules) else None

    def _sum(self, rows: dict[tuple[str, str], Row], rule: _Rule, items: Collection[tuple[Any, Kind]]) -> None:
        """Put what has no row of its own into ``_other``, as far as it can be summed."""
        numbers = [(value, kind) for value, kind in items if type(value) in (int, float)]
        for _ in range(len(items) - len(numbers)):
            self._leave_out(rule.pattern, "too_many_dimensions")
        if not numbers:
            return
        total = _total([value for value, _ in numbers])
        if total is None:
            self._leave_out(rule.pattern, "not_finite")
            return
        kinds = {kind for _, kind in numbers}
        plain = Kind.INTEGER if type(total) is int else Kind.FLOAT
        _add(rows, rule, OTHER, total, kinds.pop() if len(kinds) == 1 else plain)


def _add(rows: dict[tuple[str, str], Row], rule: _Rule, star: str, value: Any, kind: Kind) -> None:
    row = rows.get((rule.label, star))
    if row is None:
        row = rows[rule.label, star] = Row({rule.label: star})
    row.values[rule.name] = value
    row.kinds[rule.name] = kind


def _total(numbers: list[float]) -> float | None:
    """The sum, of integers exactly; None if it is larger than any number that can be shipped."""
    try:
        total: float = sum(number for number in numbers if type(number) is int)
        if floats := [number for number in numbers if type(number) is float]:
            total += sum(floats)
    except OverflowError:
        return None
    return total if -_LARGEST <= total <= _LARGEST else None


def _cannot_stand_beside(name: str, other: str) -> bool:
    """Whether one of two names is an object in the other: no index holds a number and an object of one name."""
    return name.startswith(f"{other}.") or other.startswith(f"{name}.")


def _name_of(pattern: str) -> str:
    """The name of what a rule matches: its parts without the star."""
    return ".".join(part for part in pattern.split(".") if part != "*")
