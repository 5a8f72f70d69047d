"""Pages by the million for the interpreter, from a seed: generated, and spoiled as only programs and wires can.

A session is one interpreter's life with some hundred pages. It depends on the seed and its own number alone, so that
sessions can run in any order, and the one that failed again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from expvastic.datatypes import Page, Reading
from expvastic.document import Identity
from expvastic.errors import InvalidPayload
from expvastic.interpreter import Interpreter
from expvastic.pages.settings import InterpreterSettings
from generated_pages import CLOCK, GoProgram, Objects, choose
from page_reference import Reference, Violation

SAMPLES = tuple(path.read_bytes() for path in sorted((Path(__file__).parent / "pages" / "samples").glob("*.json")))
SESSION = 250  # pages of a session

_ODD_VALUES = (
    *(b"NaN", b"-NaN", b"+Inf", b"-Inf", b"Inf", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"5e-324", b"-0.0"),
    *(b"null", b"{}", b"[]", b"true", b"false", b"0", b"-1", b"1.5", b'"1.5"', b'""', b"[1,2]", b'["x"]', b'{"a":1}'),
    *(b"9223372036854775807", b"18446744073709551615", b"18446744073709551616", b"1" + b"0" * 200, b"9" * 350),
    *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"', b'"\xff\xfe"', b'"\\ud83e\\udd94"', b'"\xf0\x9f\xa6\x94"'),
    *(b"01", b"+1", b".5", b"1.", b"nan", b"0x10", b"'x'", b"[1,]", b"undefined", b'"\x00"', b'"\\x41"', b'"\n"'),
    *(b"[NaN,1]", b"[1,1e999]", b'["\\ud800"]', b"[1,null]", b"[[1],[2]]", b'[{"Size":8}]', b"9" * 5_000, b"1e-999"),
)
_SNIPPETS = (
    *(b"NaN", b"+Inf", b"1e400", b"\\ud800", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"a":1,', b',"a":2'),
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\x00", b"0", b"-", b".", b"e", b" ", b"\n", b"//", b"\xa0"),
)
MEMBER = re.compile(rb'("(?:[^"\\]|\\.)*+")\s*+:\s*+("(?:[^"\\]|\\.)*+"|[-+.\w]++|\[[^][{}"]*+\])')

_ITEM = re.compile(rb"(?<=[\[,])\s*+[-+.\w]++(?=\s*+[],])")

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"prefix": "expvar", "go_runtime": True},
    {"prefix": "expvar", "go_runtime": True, "gc_events": True, "gc_history": True},
    {"prefix": "expvar", "go_runtime": True, "gc_events": True, "cmdline": True, "tags": {"env": "test"}},
    {"prefix": "json"},
    {"prefix": "", "tags": {"env": "test"}},
    {"prefix": "", "go_runtime": True, "gc_events": True, "cmdline": True},
    {"prefix": "a.b", "limits": {"keys": 4, "depth": 5, "string": 3, "list": 2}},
)


@dataclass
class Tally:
    """What became of the pages of some sessions."""

    outcomes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    pages: int = 0
    mutated: int = 0
    mutated_equal: int = 0

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.left_out += other.left_out
        self.pages += other.pages
        self.mutated += other.mutated
        self.mutated_equal += other.mutated_equal


def run_session(seed: int, number: int, pages: int = SESSION) -> Tally:
    """One session; raises Violation for the first page that breaks a promise."""
    draw = Random(f"{seed}:{number}")
    configuration = draw.choice(CONFIGURATIONS)
    interpreter, reference = make_interpreter(**configuration), Reference(**configuration)
    objects, program, tally = Objects(draw), GoProgram(draw), Tally()
    for step in range(pages):
        is_mutated = draw.random() < 0.6
        body = choose(draw, SAMPLES, objects, program)
        body = mutate(draw, body) if is_mutated else body
        outcome = attempt(interpreter, reference, body, step)
        tally.outcomes[outcome] += 1
        tally.mutated += is_mutated
        tally.mutated_equal += is_mutated and outcome == "document"
    tally.pages = pages
    for (_, reason), count in interpreter.left_out.items():
        tally.left_out[reason] += count
    return tally


def make_interpreter(prefix: str, go_runtime: bool = False, **settings: Any) -> Interpreter:
    return Interpreter(
        InterpreterSettings.model_validate(settings),
        Identity("0123456789abcdef", "host-1", "9.9"),
        reader="app",
        target="http://localhost:1234/debug/vars",
        prefix=prefix,
        interval=10.0,
        go_runtime=go_runtime,
    )


def attempt(interpreter: Interpreter, reference: Reference, body: bytes, step: int = 0) -> str:
    """What became of a page, in a few words; raises Violation if a promise was broken."""
    counted = interpreter.left_out.total()
    try:
        containers = interpreter.interpret(Reading(CLOCK + step * 10**9, 1_000, (Page(body, "expvar"),)))
    except InvalidPayload as refusal:
        reference.check_refusal(body, refusal)
        return f"refused: {refusal.reason}"
    except Exception as error:
        raise Violation(f"{type(error).__name__} out of interpret: {error}", body) from error
    reference.check(body, containers, interpreter.left_out.total() - counted)
    return "document" if containers else "nothing to ship"


def mutate(draw: Random, body: bytes) -> bytes:
    """The page with one to three things done to it."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        body = draw.choice(_MUTATIONS)(draw, body)
    return body


def _flip(draw: Random, body: bytes) -> bytes:
    if not body:
        return body
    changed = bytearray(body)
    changed[draw.randrange(len(body))] ^= draw.choice((1, 1, 2, 4, 32, 128))
    return bytes(changed)


def _cut(draw: Random, body: bytes) -> bytes:
    start = draw.randrange(len(body) + 1)
    return body[:start] + body[start + draw.choice((1, 1, 2, 8, len(body))) :]


def _insert(draw: Random, body: bytes) -> bytes:
    place = draw.randrange(len(body) + 1)
    return body[:place] + draw.choice(_SNIPPETS) + body[place:]


def _replace_value(draw: Random, body: bytes) -> bytes:
    member = _some_member(draw, body)
    return body[: member.start(2)] + draw.choice(_ODD_VALUES) + body[member.end(2) :] if member else body


def _replace_item(draw: Random, body: bytes) -> bytes:
    item = _ITEM.search(body, draw.randrange(len(body) + 1))
    return body[: item.start()] + draw.choice(_ODD_VALUES) + body[item.end() :] if item else body


def _repeat_key(draw: Random, body: bytes) -> bytes:
    member = _some_member(draw, body)
    if not member:
        return body
    again = member[1] + b":" + draw.choice(_ODD_VALUES)
    if draw.random() < 0.5:
        return body[: member.start()] + again + b"," + body[member.start() :]
    return body[: member.end()] + b"," + again + body[member.end() :]


def _exchange_values(draw: Random, body: bytes) -> bytes:
    first, second = sorted(
        (_some_member(draw, body), _some_member(draw, body)), key=lambda found: found.end() if found else 0
    )
    if not first or not second or first.end() > second.start():
        return body
    middle = body[first.end(2) : second.start(2)]
    return body[: first.start(2)] + second[2] + middle + first[2] + body[second.end(2) :]


def _mark_byte_order(_draw: Random, body: bytes) -> bytes:
    return b"\xef\xbb\xbf" + body


def _some_member(draw: Random, body: bytes) -> re.Match[bytes] | None:
    """A member with a plain value, from a random place on."""
    return MEMBER.search(body, draw.randrange(len(body) + 1)) or MEMBER.search(body)


_MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    *(_replace_value, _replace_value, _replace_value, _replace_value, _exchange_values, _exchange_values),
    *(_replace_item, _repeat_key, _repeat_key, _flip, _flip, _cut, _insert, _insert, _mark_byte_order),
)
