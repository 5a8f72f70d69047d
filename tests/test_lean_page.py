"""The lean way of a page, and the general one, say the same."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import pytest

from expvastic.datatypes import Kind
from expvastic.pages import known_moulds, known_shapes
from fuzzing import CONFIGURATIONS, SAMPLES
from generated_pages import GoProgram
from lean import SETTINGS, Pair, run_lean_session
from page_reference import find_flaw
from test_json_corpus import ACCEPTED, FREE, REFUSED, WHOLE_REFUSED

RING = 256


@pytest.fixture(autouse=True)
def _nobody_has_learned() -> None:
    known_shapes._latest.clear()
    known_moulds._all.clear()


CORPUS = [
    *((name, b'{"before":1,"v":' + text + b',"after":2}') for name, text, *_ in [*ACCEPTED, *FREE, *REFUSED]),
    *((name, page) for name, page, _ in WHOLE_REFUSED),
]


def go_page(collections: int, *, first: int = 0, total: int = 1_000, cmdline: str = "app", **others: object) -> bytes:
    """A page of the life whose first collection ended at ``first``."""
    durations, ends = ["0"] * RING, ["0"] * RING
    for number in range(max(1, collections - RING + 1), collections + 1):
        place = (number - 1) % RING
        durations[place], ends[place] = str(number), str(first + number * 1_000)
    told = "".join(f',"{name}":{value}' for name, value in others.items())
    rings = f'"PauseNs":[{",".join(durations)}],"PauseEnd":[{",".join(ends)}]'
    sizes = '[{"Size":8,"Mallocs":5,"Frees":1}]'
    memstats = f'"Alloc":1,"TotalAlloc":{total},{rings},"NumGC":{collections},"BySize":{sizes}{told}'
    return f'{{"cmdline":["{cmdline}"],"hits":1,"memstats":{{{memstats}}}}}'.encode()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("body", SAMPLES, ids=["10k", "28k"])
def test_real_pages_are_the_same(body: bytes, settings: dict[str, Any]) -> None:
    pair = Pair(**settings)

    for _ in range(6):
        pair.read(body)

    assert pair.short_ways >= (0 if settings.get("limits") else 2)
    assert pair.moulded >= (3 if settings in ({"prefix": "expvar", "go_runtime": True}, {"prefix": "json"}) else 0)


@pytest.mark.parametrize("number", range(16))
def test_a_slice_of_generated_and_spoiled_pages_is_the_same(number: int) -> None:
    assert run_lean_session(20_261_121, number, pages=60).pages == 60


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_a_program_that_collects_and_is_restarted_is_the_same(configuration: dict[str, Any]) -> None:
    pair, program = Pair(**configuration), GoProgram(Random(7))

    for _ in range(120):
        pair.read(program.page().encode())

    assert pair.lean.restarts > 0 or not configuration.get("go_runtime")
    assert pair.short_ways > 50 or configuration.get("limits")


LIVES = {
    "nothing moves": [go_page(5), go_page(5)],
    "one more": [go_page(5), go_page(6)],
    "one more, and none": [go_page(5), go_page(6), go_page(6), go_page(7)],
    "no collection yet": [go_page(0), go_page(0), go_page(1)],
    "full rings": [go_page(300), go_page(300), go_page(302)],
    "a gap": [go_page(5), go_page(400)],
    "fewer": [go_page(9), go_page(3, first=10**6)],
    "the same number, other ends": [go_page(5), go_page(5, first=10**6)],
    "the same rings, another number": [go_page(5), go_page(5).replace(b'"NumGC":5', b'"NumGC":7')],
    "the same rings, a smaller number": [go_page(5), go_page(5).replace(b'"NumGC":5', b'"NumGC":3')],
    "overtaken": [go_page(5), go_page(8, first=10**6)],
    "a counter fell": [go_page(5), go_page(5, total=3)],
    "another command line": [go_page(5), go_page(5, cmdline="other")],
    "back and forth": [go_page(5), go_page(5, first=10**6), go_page(5), go_page(5, first=10**6)],
    "no goal": [go_page(5, NextGC=4_000), go_page(5, NextGC=2**64 - 1), go_page(6, NextGC=2**63)],
    "unread in between": [go_page(5), go_page(6)[:-9], go_page(6)],
    "odd in between": [go_page(5), go_page(6, Share="1e400"), go_page(6), go_page(6, Share="NaN"), go_page(7)],
    "an odd command line": [go_page(5).replace(b'["app"]', b"[NaN]")] * 3,
}


@pytest.mark.parametrize("settings", [{}, {"gc_history": True, "gc_events": True}, {"by_size": True}], ids=str)
@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_life_is_the_same(life: list[bytes], settings: dict[str, Any]) -> None:
    pair = Pair(**settings)
    for _ in range(3):
        pair.read(life[0])

    for body in itertools.chain.from_iterable(itertools.repeat(life, 4)):
        pair.read(body)


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_life_is_the_same_beyond_the_end_of_this_process(life: list[bytes]) -> None:
    pair = Pair()
    for _ in range(5):
        pair.read(life[0])

    for body in [*life[1:], *life]:
        pair.restart()
        pair.read(body)
        pair.read(body)


@pytest.mark.parametrize(("_name", "body"), CORPUS, ids=[name for name, _ in CORPUS])
def test_whatever_json_is_or_is_not_is_the_same(_name: str, body: bytes) -> None:
    pair = Pair()
    for _ in range(3):
        pair.read(b'{"before":1,"v":5,"after":2}')

    for _ in range(4):
        pair.read(body)


def test_a_page_with_nan_is_taken_by_a_mould() -> None:
    pair = Pair()
    body = go_page(5, GCCPUFraction="NaN")

    containers = [pair.read(body)[0] for _ in range(5)]

    assert pair.moulded == 3
    assert find_flaw(containers[-1]) is None
    assert pair.lean.left_out["expvar.memstats.GCCPUFraction", "not_finite"] == 5


def test_pages_that_are_no_bytes_are_the_same() -> None:
    pair = Pair()

    for step in range(4):
        pair.read({"a": step, "b": {"c": [1]}})

    assert pair.short_ways == 0


def test_kinds_are_counted_beyond_the_columns_that_are_kept() -> None:
    pair = Pair()
    names = "abcdefghi"
    for number in range(2 ** len(names)):
        page = {name: "1.5" if number >> place & 1 else "1" for place, name in enumerate(names)}
        pair.read(("{" + ",".join(f'"{name}":{value}' for name, value in page.items()) + "}").encode())

    half = len(names) * 2 ** (len(names) - 1)
    assert dict(pair.lean.kinds) == {Kind.INTEGER: half, Kind.FLOAT: half}
