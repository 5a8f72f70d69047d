"""Two interpreters of one reader, the lean one and the one that always goes the general way, page by page."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from expvastic.datatypes import Container, Page, Reading
from expvastic.document import Identity
from expvastic.errors import InvalidPayload
from expvastic.interpreter import Interpreter, News
from expvastic.pages.settings import InterpreterSettings
from fuzzing import CONFIGURATIONS, MEMBER, SAMPLES, SESSION, Tally, mutate
from generated_pages import CLOCK, GoProgram, Objects, choose
from page_reference import Violation


class Pair:
    """Feeds both the same pages; raises Violation at the first difference."""

    def __init__(self, prefix: str = "expvar", go_runtime: bool = True, **settings: Any) -> None:
        self._make = functools.partial(_make, prefix, go_runtime, settings)
        self.lean, self.general = self._make(lean=True), self._make(lean=False)
        self._steps = 0

    def read(self, body: bytes | Mapping[str, object]) -> list[Container]:
        """The containers of a page, if both say the same."""
        self._steps += 1
        reading = Reading(CLOCK + self._steps * 10**9, 1_000, (Page(body, "expvar"),))
        lean, general = _attempt(self.lean, reading), _attempt(self.general, reading)
        difference = _find_difference(lean, general) or self._find_other_state()
        if difference:
            raise Violation(f"the lean way differs: {difference}", body if isinstance(body, bytes) else b"")
        return lean[0]

    def restart(self) -> None:
        """Go on in another process, as it were: both with what the other of them knew."""
        lean, general = self._make(lean=True), self._make(lean=False)
        lean.restore(self.general.knowledge())
        general.restore(self.lean.knowledge())
        self.lean, self.general = lean, general

    @property
    def short_ways(self) -> int:
        """How many pages went a short way."""
        return self.moulded + self.lean._columns.taken

    @property
    def moulded(self) -> int:
        """How many of them a mould took."""
        return self.lean._moulds.taken if self.lean._moulds else 0

    def _find_other_state(self) -> str:
        for name in ("left_out", "kinds", "restarts", "clock_steps", "containers"):
            lean, general = getattr(self.lean, name), getattr(self.general, name)
            if lean != general:
                return f"{name} is {lean}, should be {general}"
        return "" if self.lean.knowledge() == self.general.knowledge() else "what is known of the target"


def _make(prefix: str, go_runtime: bool, settings: Mapping[str, Any], *, lean: bool) -> Interpreter:
    identity = Identity("0123456789abcdef", "host-1", "9.9")
    identity._start = "start"
    return Interpreter(
        InterpreterSettings.model_validate(settings),
        identity,
        reader="app",
        target="http://localhost:1234/debug/vars",
        prefix=prefix,
        interval=10.0,
        go_runtime=go_runtime,
        lean=lean,
    )


_Outcome = tuple[list[Container], str, list[News]]


def _attempt(interpreter: Interpreter, reading: Reading) -> _Outcome:
    try:
        return interpreter.interpret(reading), "", interpreter.take_news()
    except InvalidPayload as refusal:
        return [], f"{refusal.reason}: {refusal}", interpreter.take_news()


def _find_difference(lean: _Outcome, general: _Outcome) -> str:
    if lean[1:] != general[1:]:
        return f"{lean[1:]!r}, should be {general[1:]!r}"[:500]
    if len(lean[0]) != len(general[0]):
        return f"{len(lean[0])} containers, should be {len(general[0])}"
    for one, other in zip(lean[0], general[0], strict=True):
        for name in ("id", "time", "reader", "weight"):
            is_one, is_other = getattr(one, name), getattr(other, name)
            if is_one != is_other:
                return f"{name} is {is_one!r}, should be {is_other!r}"
        # Told apart by their spelling: 1, 1.0 and True are equal.
        said, should = repr(_members(one)), repr(_members(other))
        if said != should:
            return f"the document is {said}, should be {should}"[:2_000]
        if [value.name for value in one] == [value.name for value in other] and one.document != other.document:
            return f"the document is {one.document!r}, should be {other.document!r}"[:2_000]
    return ""


def _members(container: Container) -> list[tuple[str, Any, int]]:
    """Of a document by name: the value and its kind. The order of a page's keys means nothing."""
    kinds = {value.name: value.kind for value in container}
    return sorted((name, value, kinds.get(name, 0)) for name, value in json.loads(container.document).items())


SETTINGS: tuple[dict[str, Any], ...] = (
    *CONFIGURATIONS,
    {"by_size": True},
    {"rates": "counters", "limits": {"string": 20, "list": 300}},
    {"prefix": "", "mapping": "classic"},
    {"drop_unchanged": {}, "include": "memstats.**", "rename": {"memstats.Alloc": "allocated"}},
    {"dimension": [{"match": "app.*", "label": "worker"}, {"match": "*.b", "label": "any"}], "cmdline": True},
)

PLAIN: tuple[dict[str, Any], ...] = (
    {},
    {"gc_events": True, "gc_history": True},
    {"prefix": "json"},
    {"tags": {"a": "b"}},
)
"""With these every page goes the shortest way that there is."""


def run_lean_session(seed: int, number: int, pages: int = SESSION) -> Tally:
    """One target's pages both ways; raises Violation at the first difference."""
    draw = Random(f"lean:{seed}:{number}")
    pair = Pair(**draw.choice(draw.choice((SETTINGS, PLAIN))))
    next_page, spoiled = _draw_source(draw), draw.choice((0.1, 0.3, 0.6))
    tally = Tally(pages=pages)
    body = b""
    for _ in range(pages):
        body = body if body and draw.random() < 0.2 else next_page()
        is_mutated = draw.random() < spoiled
        made = pair.read(draw.choice((mutate, mutate, mutate, exchange))(draw, body) if is_mutated else body)
        tally.outcomes["document" if made else "nothing to ship, or refused"] += 1
        tally.mutated += is_mutated
    tally.outcomes["of them a short way"] += pair.short_ways
    tally.outcomes["of them by a mould"] += pair.moulded
    return tally


def exchange(draw: Random, body: bytes) -> bytes:
    """The page with two of its members in each other's place."""
    members = [found.span() for found in MEMBER.finditer(body)]
    if len(members) < 2:
        return body
    (start, end), (later, last) = sorted(draw.sample(members, 2))
    return body[:start] + body[later:last] + body[end:later] + body[start:end] + body[last:]


class SteadyProgram(GoProgram):
    """A Go program whose pages have one shape, and no number that is beyond 63 bits or none."""

    def page(self) -> str:
        page = super().page().replace("NaN", "0").replace(str(2**64 - 1), str(4 << 20))
        return _LARGE.sub("77", page)


_LARGE = re.compile(r"(?<=\"hits\": )[0-9]{19,}")


def _draw_source(draw: Random) -> Callable[[], bytes]:
    """One target: a Go program, a page that stays as it is, a page whose shape does, or anything."""
    objects, program, steady = Objects(draw), GoProgram(draw), SteadyProgram(draw)
    fixed = objects.page().encode()
    return draw.choice(
        (
            lambda: steady.page().encode(),
            lambda: steady.page().encode(),
            lambda: program.page().encode(),
            lambda: draw.choice(SAMPLES),
            lambda: fixed,
            lambda: choose(draw, SAMPLES, objects, program),
        )
    )
