"""Values per second, from two samples of a counter and the time between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Literal, TypeGuard

from .flatten import NAME_LIMIT

SUFFIX = "_per_second"  # a sibling of the counter, never below it: a number is never an object as well
_NANOSECONDS = 10**9
_SHAPES_KEPT = 16  # a page of Go's has some names only now and then, so it comes in a few shapes

Plan = tuple[tuple[str, str], ...]  # (name, derived name or nothing, if it is taken)


class Rates:
    """The last sample of one target's page, and what the next one has over it.

    ``selected`` are names of the page's own, dotted or their last part alone, in any case; or ``"counters"``, then
    those of which ``is_counter`` says so. ``prefix``, with its dot, is what stands before own names in the values.
    """

    def __init__(
        self, selected: Collection[str] | Literal["counters"], is_counter: Callable[[str], bool], *, prefix: str = ""
    ) -> None:
        self._selected = None if selected == "counters" else frozenset(map(str.casefold, selected))
        self._is_counter = is_counter
        self._prefix = prefix
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._seen: dict[str, int | float] = {}
        self._time = 0

    def derive(self, values: Mapping[str, object], time_ns: int, *, is_continuous: bool) -> dict[str, float]:
        """The rates since the sample before, by derived name; to be called with every sample.

        A rate is absent if there is nothing to compare with: no number in the sample before or in this one, a number
        that fell, a time that did not advance, or a target that is not continuous (another life, a clock that was
        set). A value of the page's own that has the derived name, or an object, is never replaced.
        """
        shape = tuple(values)
        plan = self._plans.get(shape)
        if plan is None:
            plan = self._keep_plan(shape)
        now = {name: value for name, _ in plan if _is_number(value := values[name])}
        before, elapsed = self._seen, time_ns - self._time
        self._seen, self._time = now, time_ns
        if not is_continuous or elapsed <= 0:
            return {}
        rates: dict[str, float] = {}
        for name, derived in plan:
            if derived and name in now and name in before and now[name] >= before[name]:
                rate = _per_second(before[name], now[name], elapsed)
                if rate is not None:
                    rates[derived] = rate
        return rates

    def _keep_plan(self, shape: tuple[str, ...]) -> Plan:
        if len(self._plans) >= _SHAPES_KEPT:
            self._plans.clear()
        taken = _taken(shape)
        plan = tuple((name, _derived(name, taken)) for name in shape if self._is_selected(name))
        self._plans[shape] = plan
        return plan

    def _is_selected(self, name: str) -> bool:
        name = name.removeprefix(self._prefix)
        if self._selected is None:
            return self._is_counter(name)
        full = name.casefold()
        return full in self._selected or full.rpartition(".")[2] in self._selected


def _taken(names: Collection[str]) -> set[str]:
    """The names that a derived value may not have: those of values, and of objects that values lie in."""
    taken = set(names)
    for name in names:
        if SUFFIX + "." in name:
            parts = name.split(".")
            taken.update(".".join(parts[:length]) for length in range(1, len(parts)))
    return taken


def _derived(name: str, taken: Collection[str]) -> str:
    name += SUFFIX
    return "" if name in taken or len(name) > NAME_LIMIT else name


def _is_number(value: object) -> TypeGuard[int | float]:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _per_second(before: float, now: float, elapsed: int) -> float | None:
    """The exact difference by the exact time, rounded once; None if no float is that large."""
    numerator, denominator = now.as_integer_ratio()
    less, part = before.as_integer_ratio()
    try:
        return (numerator * part - less * denominator) * _NANOSECONDS / (denominator * part * elapsed)
    except OverflowError:
        return None
