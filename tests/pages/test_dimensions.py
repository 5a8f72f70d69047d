"""Parts of paths that become labels."""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from expvastic.datatypes import Kind
from expvastic.pages.dimensions import Dimensions, DimensionSettings

_KINDS = {int: Kind.INTEGER, float: Kind.FLOAT, str: Kind.STRING, bool: Kind.BOOLEAN, list: Kind.FLOAT_LIST}
_ROUTES = ("routes.*.count", "route")

Told = tuple[dict[str, Any], list[tuple[dict[str, str], dict[str, Any]]]]


class Reader:
    """One reader's rules, and what they left out."""

    def __init__(self, *rules: tuple[str, str], prefix: str = "") -> None:
        settings = DimensionSettings.model_validate(
            {"dimension": [{"match": match, "label": label} for match, label in rules]}
        )
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.dimensions = Dimensions(settings.dimension, self._leave_out, prefix)

    def _leave_out(self, name: str, reason: str) -> None:
        self.left_out[name, reason] += 1

    def take(self, values: dict[str, Any]) -> Told:
        """What stays, and the rows."""
        values = dict(values)
        kinds = {name: _KINDS[type(value)] for name, value in values.items()}
        rows = self.dimensions.take(values, kinds)
        assert list(kinds) == list(values)
        assert all(list(row.kinds) == list(row.values) for row in rows)
        return values, [(row.labels, row.values) for row in rows]


def many(count: int, value: Any = 1) -> dict[str, Any]:
    return {f"routes./{number}.count": value for number in range(count)}


def test_values_that_match_leave_the_page_for_one_row_per_label_value() -> None:
    rest, rows = Reader(_ROUTES).take({"up": 1, "routes./a.count": 3, "routes./b.count": 4, "routes./a.seconds": 0.5})

    assert rest == {"up": 1, "routes./a.seconds": 0.5}
    assert rows == [({"route": "/a"}, {"routes.count": 3}), ({"route": "/b"}, {"routes.count": 4})]


def test_rules_with_one_label_share_a_row_per_value() -> None:
    reader = Reader(_ROUTES, ("routes.*.seconds", "route"), ("bytes.*", "route"))

    _, rows = reader.take({"routes./a.count": 3, "routes./a.seconds": 0.5, "bytes./a": 7, "bytes./b": 8})

    assert rows == [
        ({"route": "/a"}, {"routes.count": 3, "routes.seconds": 0.5, "bytes": 7}),
        ({"route": "/b"}, {"bytes": 8}),
    ]


def test_rules_with_different_labels_have_rows_of_their_own() -> None:
    _, rows = Reader(_ROUTES, ("queues.*.length", "queue")).take({"routes.a.count": 1, "queues.a.length": 2})

    assert rows == [({"route": "a"}, {"routes.count": 1}), ({"queue": "a"}, {"queues.length": 2})]


@pytest.mark.parametrize(
    ("rule", "name", "label", "left"),
    [
        ("*.count", "a.count", "a", "count"),
        ("hits.*", "hits.a", "a", "hits"),
        ("a.*.b.c", "a.x.b.c", "x", "a.b.c"),
        ("hosts.*.up", "hosts.www.example.com.up", "www.example.com", "hosts.up"),
        ("hits.*", "hits.10.0.0.1", "10.0.0.1", "hits"),
        ("routes.*.count", "routes.count.count", "count", "routes.count"),
        ("routes.*.count", "routes.GET /x?y=[*].count", "GET /x?y=[*]", "routes.count"),
    ],
)
def test_the_star_takes_all_that_is_between_even_with_dots(rule: str, name: str, label: str, left: str) -> None:
    assert Reader((rule, "l")).take({name: 1}) == ({}, [({"l": label}, {left: 1})])


@pytest.mark.parametrize(
    "name", ["routes.count", "routes", "count", "xroutes.a.count", "routes.a.counts", "Routes.a.count"]
)
def test_what_does_not_match_stays(name: str) -> None:
    reader = Reader(("routes.*.count.n", "route"))

    assert reader.take({name + ".m": 1}) == ({name + ".m": 1}, [])
    assert not reader.left_out


def test_of_two_rules_that_fit_the_one_that_says_more_takes_the_value() -> None:
    reader = Reader(_ROUTES, ("routes.*.latency.count", "route"))

    _, rows = reader.take({"routes./a.latency.count": 1, "routes./a.count": 2})

    assert rows == [({"route": "/a"}, {"routes.latency.count": 1, "routes.count": 2})]


def test_names_are_below_the_prefix_before_and_after() -> None:
    rest, rows = Reader(_ROUTES, prefix="expvar.").take({"expvar.routes./a.count": 3, "routes./a.count": 1})

    assert rest == {"routes./a.count": 1}
    assert rows == [({"route": "/a"}, {"expvar.routes.count": 3})]


def test_values_keep_their_types_and_kinds() -> None:
    values: dict[str, Any] = {"m.a": 2**64 - 1, "m.b": "text", "m.c": [1, 2], "m.d": True}
    reader = Reader(("m.*", "l"))
    kinds = {name: _KINDS[type(value)] for name, value in values.items()} | {"m.a": Kind.BYTE}

    rows = reader.dimensions.take(values, kinds)

    assert [row.values["m"] for row in rows] == [2**64 - 1, "text", [1, 2], True]
    assert [row.kinds["m"] for row in rows] == [Kind.BYTE, Kind.STRING, Kind.FLOAT_LIST, Kind.BOOLEAN]


def test_numbers_of_more_than_a_thousand_label_values_are_summed() -> None:
    _, rows = Reader(_ROUTES).take(many(1_003, 2**60 + 1))

    assert len(rows) == 1_001
    assert rows[-1] == ({"route": "_other"}, {"routes.count": 3 * (2**60 + 1)})


def test_the_first_thousand_are_known_for_good() -> None:
    reader = Reader(_ROUTES)
    reader.take(many(1_000))

    _, rows = reader.take({"routes./new.count": 5, "routes./7.count": 6, "routes./newer.count": 1})

    assert rows == [({"route": "/7"}, {"routes.count": 6}), ({"route": "_other"}, {"routes.count": 6})]


def test_rules_over_one_map_know_the_same_values() -> None:
    reader = Reader(_ROUTES, ("routes.*.seconds", "route"))
    reader.take(many(1_000))

    _, rows = reader.take({"routes./new.seconds": 0.5, "routes./7.seconds": 1.5})

    assert rows == [({"route": "/7"}, {"routes.seconds": 1.5}), ({"route": "_other"}, {"routes.seconds": 0.5})]


def test_rules_over_different_maps_have_a_thousand_each() -> None:
    reader = Reader(_ROUTES, ("hits.*", "route"))
    reader.take(many(1_000))

    assert reader.take({"hits.new": 1})[1] == [({"route": "new"}, {"hits": 1})]


def test_what_cannot_be_summed_is_counted_below_the_rule_and_not_below_users_data() -> None:
    reader = Reader(_ROUTES, prefix="expvar.")
    reader.take({f"expvar.{name}": 1 for name in many(1_000)})

    _, rows = reader.take(
        {"expvar.routes./x.count": "text", "expvar.routes./y.count": True, "expvar.routes./z.count": [1]}
    )

    assert rows == []
    assert reader.left_out == {("expvar.routes.*.count", "too_many_dimensions"): 3}


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([1, 2], 3),
        ([2**64, 1], 2**64 + 1),
        ([1, 0.5], 1.5),
        ([0.5, "text", 1.5], 2.0),
        ([1.7e308, 1.7e308], None),
        ([10**308, 10**308], None),
        ([10**308, 10**308, 0.5], None),
        ([1.7e308, 1.7e308, -1.7e308], None),
    ],
)
def test_a_sum_is_exact_or_left_out(numbers: list[Any], total: float | None) -> None:
    reader = Reader(_ROUTES)
    reader.take(many(1_000))

    _, rows = reader.take({f"routes./new{index}.count": number for index, number in enumerate(numbers)})

    assert rows == ([({"route": "_other"}, {"routes.count": total})] if total is not None else [])
    assert [type(row[1]["routes.count"]) for row in rows] == ([type(total)] if total is not None else [])
    assert reader.left_out["routes.*.count", "not_finite"] == (total is None)


def test_a_sum_keeps_the_kind_that_all_have() -> None:
    reader = Reader(_ROUTES)
    reader.take(many(1_000))
    values = {"routes./x.count": 1, "routes./y.count": 2}

    (row,) = reader.dimensions.take(values, dict.fromkeys(values, Kind.BYTE))

    assert row.kinds == {"routes.count": Kind.BYTE}


def test_a_key_that_is_called_other_is_summed_with_the_others() -> None:
    reader = Reader(_ROUTES)
    reader.take(many(1_000))

    _, rows = reader.take({"routes._other.count": 1, "routes./new.count": 2})

    assert rows == [({"route": "_other"}, {"routes.count": 3})]


@pytest.mark.parametrize("name", ["routes", "routes.count.x"])
def test_what_would_be_an_object_in_one_document_and_a_number_in_another_is_left_out(name: str) -> None:
    reader = Reader(_ROUTES)

    assert reader.take({name: 1, "up": 1}) == ({"up": 1}, [])
    assert reader.left_out == {(name, "also_a_dimension"): 1}


def test_a_total_beside_the_parts_stays_in_the_page() -> None:
    assert Reader(_ROUTES).take({"routes.count": 9})[0] == {"routes.count": 9}


def test_every_number_of_random_pages_is_in_the_rest_or_in_the_rows() -> None:
    chance = random.Random(4)
    reader = Reader(_ROUTES, ("q.*", "queue"))
    for _ in range(60):
        names = [f"routes.{chance.randint(0, 3_000)}.count" for _ in range(300)]
        names += [f"q.{chance.randint(0, 3_000)}" for _ in range(300)] + [f"plain{index}" for index in range(20)]
        page = {name: chance.randint(-(2**63), 2**64) for name in names}

        rest, rows = reader.take(page)

        assert sum(rest.values()) + sum(sum(values.values()) for _, values in rows) == sum(page.values())
        assert len(rest) == 20
    assert not reader.left_out


def test_pages_with_ever_new_label_values_lose_nothing() -> None:
    reader = Reader(_ROUTES)
    for poll in range(25):
        page = {f"routes.{poll}/{number}.count": 1 for number in range(1_000)}

        rest, rows = reader.take(page)

        assert rest == {}
        assert sum(values["routes.count"] for _, values in rows) == 1_000


def test_the_largest_finite_sum_is_shipped() -> None:
    reader = Reader(_ROUTES)
    reader.take(many(1_000))

    assert reader.take({"routes./x.count": sys.float_info.max})[1][0][1] == {"routes.count": sys.float_info.max}


def test_without_rules_there_is_nothing_to_ask() -> None:
    assert not Reader().dimensions
    assert Reader(_ROUTES).dimensions


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([("routes.count", "r")], "'routes.count' must have one star, alone between dots, like routes.*.count"),
        ([("routes.*.*", "r")], "'routes.*.*' must have one star, alone between dots, like routes.*.count"),
        ([("routes.**", "r")], "'routes.**' must have one star, alone between dots, like routes.*.count"),
        ([("routes.a*", "r")], "'routes.a*' must have one star, alone between dots, like routes.*.count"),
        ([("a*.*", "r")], "'a*.*' must have one star, alone between dots, like routes.*.count"),
        ([("*", "r")], "a star alone leaves no name for the value; write what stands before or behind it"),
        ([("", "r")], "'' must have one star, alone between dots, like routes.*.count"),
        ([("a..*", "r")], "'a..*' can match nothing: a part of it between dots is empty, or it is too long"),
        ([("a.*", "")], "'' is no label; write letters, digits, _ and -, a letter first, at most 64"),
        ([("a.*", "a.b")], "'a.b' is no label; write letters, digits, _ and -, a letter first, at most 64"),
        ([("a.*", "1st")], "'1st' is no label; write letters, digits, _ and -, a letter first, at most 64"),
        ([("a.*", "l" * 65)], f"'{'l' * 65}' is no label; write letters, digits, _ and -, a letter first, at most 64"),
        ([("a.*", "x"), ("a.*", "y")], "a.* has two rules; take one out"),
        ([("a.*", "x"), ("a.*", "x")], "a.* has two rules; take one out"),
        ([("a.*.b", "x"), ("*.a.b", "x")], "a.*.b and *.a.b would both make a.b with the label x"),
        ([("a.*", "x"), ("a.*.b", "x")], "rules make both a and a.b, which no index can hold together"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(rules: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Reader(*rules)

    (error,) = caught.value.errors()
    assert str(error["ctx"]["error"]) == said
