"""Whatever a page is, it gives valid documents that say what it says, or our error."""

from __future__ import annotations

from typing import Any

import pytest

from fuzzing import Tally, attempt, make_interpreter, run_session
from generated_pages import RING
from page_reference import Reference

SEED = 20_261_121


def test_a_slice_of_generated_and_spoiled_pages_breaks_no_promise() -> None:
    tally = Tally()
    for number in range(10):
        tally.add(run_session(SEED, number, pages=150))

    assert tally.pages == tally.outcomes.total() == 1_500
    assert tally.mutated_equal / tally.mutated >= 0.4
    assert tally.outcomes["refused: not_json"] > 100


def test_a_session_can_be_told_again() -> None:
    assert run_session(SEED, 3, pages=20) == run_session(SEED, 3, pages=20)


def go_page(collections: object = 1, duration: object = 7, end: object = 1_795_262_400_000_000_000) -> bytes:
    rings = b'"PauseNs":[%s%s],"PauseEnd":[%s%s]' % (
        spell(duration),
        b",0" * (RING - 1),
        spell(end),
        b",0" * (RING - 1),
    )
    return b'{"memstats":{"NumGC":%s,%s}}' % (spell(collections), rings)


def spell(value: object) -> bytes:
    return str(value).encode()


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        pytest.param({"cmdline": True}, b'{"cmdline":[1,2.5]}', id="numbers for a command line"),
        pytest.param({"cmdline": True}, b'{"cmdline":true}', id="a word for a command line"),
        pytest.param({"cmdline": True}, b'{"cmdline":5}', id="a number for a command line"),
        pytest.param({}, b'{"memstats":{"PauseNs":"x","PauseEnd":1}}', id="rings that are none"),
        pytest.param({}, b'{"memstats":{"PauseNs":["x"]}}', id="a ring of texts"),
        pytest.param({}, go_page(end=2**70), id="an end in the year 39381"),
        pytest.param({}, go_page(end=-(2**70)), id="an end before the first year"),
        pytest.param({}, go_page(end=10**350), id="an end that is not finite"),
        pytest.param({}, go_page(duration=-(10**350)), id="a duration that is not finite"),
        pytest.param({}, go_page(collections=10**350), id="more collections than a double can tell"),
        pytest.param({}, b'{"a":-+Inf,"b":1}', id="two signs"),
    ],
)
def test_pages_that_once_broke_a_promise_keep_it(settings: dict[str, Any], body: bytes) -> None:
    configuration = {"prefix": "expvar", "go_runtime": True, "gc_events": True, "gc_history": True, **settings}
    interpreter, reference = make_interpreter(**configuration), Reference(**configuration)

    assert attempt(interpreter, reference, body) in ("document", "refused: not_json")
