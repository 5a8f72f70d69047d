"""Flattening equals the plainest way of doing it, wherever that is right."""

from __future__ import annotations

import json
import math
from collections import Counter
from random import Random
from typing import Any

import pytest

from expvastic.datatypes import Kind
from expvastic.pages.flatten import Flattener
from generated_pages import GoProgram, Objects


def naive(page: dict[str, Any], *above: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in page.items():
        if isinstance(value, dict):
            found |= naive(value, *above, key)
        else:
            found[".".join([*above, key])] = value
    return found


def is_plain(value: object) -> bool:
    """Whether the rules ship the value as it is."""
    if isinstance(value, list):
        types = set(map(type, value))
        return (
            len(value) <= 1_024
            and (types == {str} or types in ({int}, {float}, {int, float}))
            and all(map(is_plain, value))
        )
    if isinstance(value, str):
        return len(value) <= 1_024
    return isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 2**1023 and math.isfinite(value))


def is_plain_name(name: str) -> bool:
    return len(name) <= 512 and name.count(".") < 20 and all(part.strip() for part in name.split("."))


def is_right(name: str, value: object, names: set[str], spellings: Counter[str]) -> bool:
    """Whether the naive way is right about a value: names and values as usual, nothing that meets another."""
    is_alone = spellings[name] == 1 and not any(other.startswith(f"{name}.") for other in names)
    return is_alone and is_plain(value) and is_plain_name(name)


def spelled(page: dict[str, Any], *above: str) -> list[str]:
    """Every name as often as it is spelled."""
    found: list[str] = []
    for key, value in page.items():
        found += spelled(value, *above, key) if isinstance(value, dict) else [".".join([*above, key])]
    return found


def random_pages(seed: int, prefix: str) -> list[dict[str, Any]]:
    draw = Random(seed)
    objects, program = Objects(draw), GoProgram(draw)
    texts = [program.page() if draw.random() < 0.1 else objects.page() for _ in range(250)]
    return [json.loads(text) for text in texts if len(text) < 20_000 and text.endswith(("}", "\n"))]


@pytest.mark.parametrize(("seed", "prefix"), [(1, "expvar"), (2, ""), (3, "a.b")])
def test_flattening_equals_the_naive_way_wherever_that_is_right(seed: int, prefix: str) -> None:
    left_out: list[tuple[str, str]] = []
    flattener = Flattener(prefix, lambda name, reason: left_out.append((name, reason)))
    compared = 0
    for page in random_pages(seed, prefix):
        above = [prefix] if prefix else []
        reference, spellings = naive(page, *above), Counter(spelled(page, *above))
        right = {name for name, value in reference.items() if is_right(name, value, set(reference), spellings)}

        values, kinds = flattener.flatten(page)

        assert {name: repr(values.get(name)) for name in right} == {name: repr(reference[name]) for name in right}
        assert set(values) <= set(reference)
        assert list(kinds) == list(values)
        compared += len(right)
    assert compared > 600


def test_the_order_is_the_pages_own() -> None:
    for page in random_pages(4, "expvar"):
        values, _ = Flattener("expvar", lambda _name, _reason: None).flatten(page)

        assert list(values) == [name for name in naive(page, "expvar") if name in values]


def test_kinds_follow_from_the_values() -> None:
    simple = {int: Kind.INTEGER, float: Kind.FLOAT, str: Kind.STRING, bool: Kind.BOOLEAN}
    for page in random_pages(5, "expvar"):
        values, kinds = Flattener("expvar", lambda _name, _reason: None).flatten(page)

        for name, value in values.items():
            of_list = Kind.STRING_LIST if isinstance(value, list) and type(value[0]) is str else Kind.FLOAT_LIST
            assert kinds[name] is simple.get(type(value), of_list)
