"""Values that are as they were are not shipped again, up to an age."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import ValidationError

from expvastic.datatypes import Kind
from expvastic.pages.unchanged import Unchanged, UnchangedSettings

_KINDS = {int: Kind.INTEGER, float: Kind.FLOAT, str: Kind.STRING, bool: Kind.BOOLEAN, list: Kind.FLOAT_LIST}
_SECOND = 1_000_000


def shipped(unchanged: Unchanged, values: dict[str, Any], seconds: float, about: str = "page") -> dict[str, Any]:
    values = dict(values)
    kinds = {name: _KINDS[type(value)] for name, value in values.items()}
    before = len(values)
    dropped = unchanged.drop(about, values, kinds, round(seconds * _SECOND))
    assert list(kinds) == list(values)
    assert dropped == before - len(values)
    return values


def test_what_changed_is_shipped_and_the_rest_is_not() -> None:
    unchanged = Unchanged(60)

    assert shipped(unchanged, {"a": 1, "b": "x"}, 0) == {"a": 1, "b": "x"}
    assert shipped(unchanged, {"a": 2, "b": "x"}, 1) == {"a": 2}
    assert shipped(unchanged, {"a": 1, "b": "x"}, 2) == {"a": 1}


def test_nothing_is_left_of_a_page_that_did_not_change() -> None:
    unchanged = Unchanged(60)
    shipped(unchanged, {"a": 1, "b": [1, 2], "c": True}, 0)

    assert shipped(unchanged, {"a": 1, "b": [1, 2], "c": True}, 1) == {}


def test_each_value_is_shipped_again_at_its_own_age() -> None:
    unchanged = Unchanged(10)
    shipped(unchanged, {"a": 1, "b": 1}, 0)
    shipped(unchanged, {"a": 1, "b": 2}, 4)

    assert shipped(unchanged, {"a": 1, "b": 2}, 9.999999) == {}
    assert shipped(unchanged, {"a": 1, "b": 2}, 10) == {"a": 1}
    assert shipped(unchanged, {"a": 1, "b": 2}, 14) == {"b": 2}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1.0),
        (1, True),
        (0, False),
        ("1", 1),
        ([1], [2]),
        ([1], [1, 1]),
        (2**53, 2**53 + 1),
        (float(2**53), 2**53 + 1),
    ],
)
def test_another_type_or_value_is_a_change(first: Any, second: Any) -> None:
    unchanged = Unchanged(60)
    shipped(unchanged, {"a": first}, 0)

    assert shipped(unchanged, {"a": second}, 1) == {"a": second}


def test_documents_about_different_things_are_told_apart() -> None:
    unchanged = Unchanged(60)
    shipped(unchanged, {"a": 1}, 0, "one")

    assert shipped(unchanged, {"a": 1}, 1, "other") == {"a": 1}
    assert shipped(unchanged, {"a": 1}, 2, "one") == {}


def test_pauses_are_never_the_same_as_before() -> None:
    unchanged = Unchanged(60)
    for time in range(3):
        values: dict[str, Any] = {"pauses": [1500], "n": 1}

        unchanged.drop("page", values, {"pauses": Kind.GC_LIST, "n": Kind.INTEGER}, time)

        assert values.get("pauses") == [1500]


def test_names_that_tell_what_happened_are_always_shipped() -> None:
    unchanged = Unchanged(60, always=["lost"])
    shipped(unchanged, {"lost": 3, "a": 1}, 0)

    assert shipped(unchanged, {"lost": 3, "a": 1}, 1) == {"lost": 3}


def test_a_clock_set_back_silences_nothing() -> None:
    unchanged = Unchanged(60)
    shipped(unchanged, {"a": 1}, 1_000_000)

    assert shipped(unchanged, {"a": 1}, 5) == {"a": 1}
    assert shipped(unchanged, {"a": 1}, 6) == {}


def test_after_a_restart_everything_is_shipped() -> None:
    unchanged = Unchanged(60)
    shipped(unchanged, {"a": 1}, 0)

    unchanged.forget()

    assert shipped(unchanged, {"a": 1}, 1) == {"a": 1}


@pytest.mark.parametrize("value", [1, [1] * 9, "x" * 600, ["x" * 100] * 4])
def test_what_exceeds_the_memory_is_shipped_every_time(value: Any) -> None:
    unchanged = Unchanged(60, cells=50)
    page = {f"v{index}": value for index in range(60)}
    shipped(unchanged, page, 0)

    again = shipped(unchanged, page, 1)

    assert 0 < len(again) < len(page)
    assert unchanged._cells <= 50


def test_places_of_names_that_are_gone_are_given_to_new_ones() -> None:
    unchanged = Unchanged(60, cells=50)
    shipped(unchanged, {f"old{index}": 1 for index in range(50)}, 0, "gone")
    page = {f"new{index}": 1 for index in range(50)}
    shipped(unchanged, page, 1)

    assert len(shipped(unchanged, page, 2)) == 50
    shipped(unchanged, page, 61.5)
    assert shipped(unchanged, page, 62) == {}


def test_whoever_keeps_what_was_shipped_last_has_the_page() -> None:
    chance = random.Random(4)
    unchanged = Unchanged(5, cells=100)
    known: dict[str, Any] = {}
    for time in range(400):
        page = {f"v{chance.randint(0, 60)}": chance.choice([1, 2, 1.0, True, "a", [1], [1.5]]) for _ in range(40)}

        new = shipped(unchanged, page, time)
        known |= new

        assert all(repr(known[name]) == repr(value) for name, value in page.items())
        assert unchanged._cells == sum(
            1 + (len(v) if type(v) is list else 0) for v, _, _ in unchanged._shipped["page"].values()
        )


def test_the_age_is_a_duration() -> None:
    assert UnchangedSettings.model_validate({"max_age": "90s"}).max_age == 90
    assert UnchangedSettings().max_age == 600
    with pytest.raises(ValidationError, match="not a duration"):
        UnchangedSettings.model_validate({"max_age": "soon"})
