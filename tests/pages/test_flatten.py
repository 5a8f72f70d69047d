from typing import Any

import pytest

from expvastic.datatypes import Kind
from expvastic.pages.flatten import Flattener, Limits


def flatten(
    page: dict[str, Any], prefix: str = "", **limits: int
) -> tuple[dict[str, Any], dict[str, Kind], list[tuple[str, str]]]:
    left_out: list[tuple[str, str]] = []
    flattener = Flattener(prefix, lambda name, reason: left_out.append((name, reason)), Limits(**limits))
    values, kinds = flattener.flatten(page)
    return values, kinds, left_out


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, Kind.INTEGER),
        (-(2**63) - 1, Kind.INTEGER),
        (2**64 - 1, Kind.INTEGER),
        (10**300, Kind.INTEGER),
        (0.0, Kind.FLOAT),
        (-0.0, Kind.FLOAT),
        (5e-324, Kind.FLOAT),
        ("", Kind.STRING),
        ("text", Kind.STRING),
        (True, Kind.BOOLEAN),
        (False, Kind.BOOLEAN),
        ([1, 2], Kind.FLOAT_LIST),
        ([1, 2.5], Kind.FLOAT_LIST),
        (["a", ""], Kind.STRING_LIST),
    ],
)
def test_a_value_keeps_itself_and_gets_its_kind(value: object, kind: Kind) -> None:
    values, kinds, left_out = flatten({"a": value})

    assert values == {"a": value}
    assert type(values["a"]) is type(value)
    assert kinds == {"a": kind}
    assert left_out == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null"),
        ({}, "empty_object"),
        ([], "empty_array"),
        ([{"Size": 8}], "array_of_objects"),
        ([1, "x"], "mixed_array"),
        ([1, None], "mixed_array"),
        ([True, False], "mixed_array"),
        ([[1]], "mixed_array"),
        (10**400, "not_finite"),
        ([1, 10**400], "not_finite"),
        (float("inf"), "not_finite"),
        (float("nan"), "not_finite"),
        (b"bytes", "unknown_type"),
        ("\udcff", "not_unicode"),
        (["x", "\ud800"], "not_unicode"),
        ([1] * 1025, "too_long"),
    ],
)
def test_what_cannot_be_shipped_is_left_out_and_reported_by_name(value: object, reason: str) -> None:
    values, kinds, left_out = flatten({"up": {"a": value}, "b": 1})

    assert values == {"b": 1}
    assert list(kinds) == ["b"]
    assert left_out == [("up.a", reason)]


def test_nested_objects_become_dotted_names_in_the_apps_own_spelling() -> None:
    values, _, _ = flatten({"memstats": {"Alloc": 1, "Sub Level": {"x-y": 2}}, "count": 3}, prefix="expvar")

    assert values == {"expvar.memstats.Alloc": 1, "expvar.memstats.Sub Level.x-y": 2, "expvar.count": 3}


def test_a_name_spelled_in_two_ways_has_the_last_value() -> None:
    values, kinds, _ = flatten({"a.b": 1, "a": {"b": "two"}})

    assert values == {"a.b": "two"}
    assert kinds == {"a.b": Kind.STRING}


def test_long_strings_are_cut() -> None:
    values, _, _ = flatten({"a": "x" * 5000, "b": ["y" * 5000]})

    assert values == {"a": "x" * 1024, "b": ["y" * 1024]}


def test_names_are_the_same_objects_from_page_to_page() -> None:
    flattener = Flattener("expvar", lambda _name, _reason: None)

    first, _ = flattener.flatten({"memstats": {"Alloc": 1}})
    second, _ = flattener.flatten({"memstats": {"Alloc": 2}})

    assert next(iter(first)) is next(iter(second))


def test_pages_with_ever_new_names_do_not_fill_the_memory() -> None:
    flattener = Flattener("", lambda _name, _reason: None)
    for page in range(60):
        flattener.flatten({f"{page}": {f"{number}": number for number in range(1_000)}})

    assert sum(map(len, flattener._names.values())) <= 22_000


@pytest.mark.parametrize(
    "key", ["", ".", "a.", ".a", "a..b", " ", "a. .b", "\t", "x" * 600, "\ud800", ".".join("x" * 30)]
)
def test_a_name_that_no_index_takes_is_left_out(key: str) -> None:
    values, _, left_out = flatten({key: 1, "b": 2}, prefix="expvar")

    assert values == {"expvar.b": 2}
    [(name, reason)] = left_out
    assert reason == "unusable_name"
    assert name.encode()


@pytest.mark.parametrize("key", ['quote"', "new\nline", "tab\t", "\x00", "ünï", "🦔", "a.b", "-", "_x", "@timestamp"])
def test_any_other_name_is_kept_as_it_is(key: str) -> None:
    values, _, left_out = flatten({key: 1}, prefix="expvar")

    assert values == {f"expvar.{key}": 1}
    assert left_out == []


@pytest.mark.parametrize(
    "page",
    [
        {"a": 1, "a.b": 2, "c": 3},
        {"a.b": 2, "a": 1, "c": 3},
        {"c": 3, "a.b": 2, "a": "text"},
    ],
)
def test_a_value_that_is_also_an_object_is_left_out_whichever_came_first(page: dict[str, Any]) -> None:
    values, kinds, left_out = flatten(page)

    assert values == {"a.b": 2, "c": 3}
    assert set(kinds) == set(values)
    assert left_out == [("a", "also_an_object")]


def test_conflicts_are_found_again_on_every_page_and_forgotten_with_the_next_shape() -> None:
    left_out: list[tuple[str, str]] = []
    flattener = Flattener("", lambda name, reason: left_out.append((name, reason)))
    pages = [{"a": 1, "a.b.c": 2}, {"a": 1, "a.b.c": 2}, {"a": 1}]

    assert [flattener.flatten(page)[0] for page in pages] == [{"a.b.c": 2}, {"a.b.c": 2}, {"a": 1}]
    assert left_out == [("a", "also_an_object")] * 2


def test_the_limits_hold() -> None:
    deep: dict[str, Any] = {"x": 1}
    for _ in range(50):
        deep = {"d": deep}
    page = {"deep": deep, **{f"n{number}": number for number in range(20)}}

    values, _, left_out = flatten(page, prefix="expvar", keys=10, depth=5)

    assert list(values) == [f"expvar.n{number}" for number in range(10)]
    assert left_out[0] == ("expvar.deep.d.d.d", "too_deep")
    assert [reason for _, reason in left_out[1:]] == ["too_many_keys"] * 10
