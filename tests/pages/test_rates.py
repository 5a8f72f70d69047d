from __future__ import annotations

import math
import random
from collections.abc import Mapping
from fractions import Fraction

import pytest

from expvastic.pages.flatten import NAME_LIMIT
from expvastic.pages.memstats import is_counter
from expvastic.pages.rates import Rates

SECOND = 10**9
START = 1_795_262_400_000_000_000


def no_counter(name: str) -> bool:
    raise AssertionError(f"asked whether {name} is a counter, although names are given")


def after(
    before: Mapping[str, object],
    now: Mapping[str, object],
    *names: str,
    elapsed: int = SECOND,
    is_continuous: bool = True,
) -> dict[str, float]:
    """The rates of the second of two samples."""
    rates = Rates(names, no_counter)
    rates.derive(before, START, is_continuous=True)
    return rates.derive(now, START + elapsed, is_continuous=is_continuous)


def test_a_rate_is_what_a_counter_grew_by_in_a_second_under_a_name_beside_its_own() -> None:
    assert after({"app.hits": 10}, {"app.hits": 25}, "app.hits", elapsed=5 * SECOND) == {"app.hits_per_second": 3.0}


def test_the_true_time_between_the_samples_counts() -> None:
    rate = after({"hits": 0}, {"hits": 1_000}, "hits", elapsed=1_234_567_891)["hits_per_second"]

    assert rate == float(Fraction(1_000 * SECOND, 1_234_567_891))


def test_a_counter_that_stood_still_has_the_rate_zero() -> None:
    assert after({"hits": 7}, {"hits": 7}, "hits") == {"hits_per_second": 0.0}


@pytest.mark.parametrize("base", [2**53, 2**63 - 1, 2**64 - 2, 10**30])
def test_a_step_of_one_is_seen_however_large_the_counter_is(base: int) -> None:
    assert after({"hits": base}, {"hits": base + 1}, "hits") == {"hits_per_second": 1.0}


@pytest.mark.parametrize(
    ("before", "now", "rate"),
    [(0.5, 2.0, 1.5), (1, 2.5, 1.5), (0.5, 2, 1.5), (-2, -1, 1.0), (0.1, 0.3, 0.2), (2**60, float(2**61), 2.0**60)],
)
def test_integers_and_floats_may_take_turns(before: float, now: float, rate: float) -> None:
    assert after({"load": before}, {"load": now}, "load") == {"load_per_second": pytest.approx(rate, rel=1e-15)}


def test_the_first_sample_has_no_rates() -> None:
    assert Rates(["hits"], no_counter).derive({"hits": 5}, START, is_continuous=True) == {}


@pytest.mark.parametrize(
    ("before", "now"), [(10, 9), (10, -1), (2**64, 2**64 - 1), (0.5, 0.25), (2**53 + 1, float(2**53))]
)
def test_a_counter_that_fell_has_no_rate(before: float, now: float) -> None:
    assert after({"hits": before}, {"hits": now}, "hits") == {}


def test_a_counter_that_fell_takes_no_rate_from_the_others() -> None:
    now = after({"hits": 10, "misses": 10}, {"hits": 9, "misses": 11}, "hits", "misses")

    assert now == {"misses_per_second": 1.0}


def test_a_target_that_is_not_continuous_has_no_rates() -> None:
    assert after({"hits": 1}, {"hits": 100}, "hits", is_continuous=False) == {}


@pytest.mark.parametrize("elapsed", [0, -1, -SECOND])
def test_without_a_time_that_advanced_there_are_no_rates(elapsed: int) -> None:
    assert after({"hits": 1}, {"hits": 2}, "hits", elapsed=elapsed) == {}


@pytest.mark.parametrize(
    ("step", "is_continuous"), [(SECOND, False), (0, True), (-60 * SECOND, True)], ids=["restart", "same time", "back"]
)
def test_a_sample_without_rates_is_what_the_next_one_is_compared_with(step: int, is_continuous: bool) -> None:
    rates = Rates(["hits"], no_counter)
    rates.derive({"hits": 1_000}, START, is_continuous=True)
    rates.derive({"hits": 2_000}, START + step, is_continuous=is_continuous)

    assert rates.derive({"hits": 2_006}, START + step + 2 * SECOND, is_continuous=True) == {"hits_per_second": 3.0}


def test_a_counter_that_fell_is_compared_with_its_new_value_next_time() -> None:
    rates = Rates(["hits"], no_counter)
    for place, hits in enumerate([50, 3]):
        rates.derive({"hits": hits}, START + place * SECOND, is_continuous=True)

    assert rates.derive({"hits": 7}, START + 2 * SECOND, is_continuous=True) == {"hits_per_second": 4.0}


def test_only_the_sample_before_counts_not_an_older_one() -> None:
    rates = Rates(["hits"], no_counter)
    for place, page in enumerate([{"hits": 1}, {}, {"hits": 5}]):
        assert rates.derive(page, START + place * SECOND, is_continuous=True) == {}

    assert rates.derive({"hits": 6}, START + 3 * SECOND, is_continuous=True) == {"hits_per_second": 1.0}


@pytest.mark.parametrize("value", ["5", True, None, [5], {"a": 5}, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("is_now", [True, False])
def test_what_is_no_number_has_no_rate_even_if_it_is_selected(value: object, is_now: bool) -> None:
    before, now = ({"hits": 1}, {"hits": value}) if is_now else ({"hits": value}, {"hits": 1})

    assert after(before, now, "hits") == {}


def test_a_rate_that_no_float_can_hold_is_absent() -> None:
    assert after({"hits": 0}, {"hits": 10**308}, "hits", elapsed=1) == {}


@pytest.mark.parametrize(
    ("selected", "names"),
    [
        ("app.hits", {"app.hits"}),
        ("hits", {"app.hits", "Web.Hits", "hits"}),
        ("HITS", {"app.hits", "Web.Hits", "hits"}),
        ("web.HITS", {"Web.Hits"}),
        ("straße.größe", {"STRASSE.Größe"}),
        ("app", set()),
        ("it", set()),
        ("", set()),
    ],
)
def test_names_are_dotted_or_the_last_part_in_any_case(selected: str, names: set[str]) -> None:
    page = dict.fromkeys(["app.hits", "Web.Hits", "hits", "hits.other", "STRASSE.Größe"], 1)

    assert set(after(page, page, selected)) == {f"{name}_per_second" for name in names}


def test_counters_are_those_that_are_known_to_be_some() -> None:
    page = {"memstats.Mallocs": 8, "memstats.Alloc": 9, "memstats.NumGC": 3, "Mallocs": 1, "hits": 1}
    rates = Rates("counters", is_counter)
    rates.derive(page, START, is_continuous=True)

    now = rates.derive({**page, "memstats.Mallocs": 10}, START + SECOND, is_continuous=True)

    assert now == {"memstats.Mallocs_per_second": 2.0, "memstats.NumGC_per_second": 0.0}


@pytest.mark.parametrize("selected", ["counters", ["memstats.numgc"], ["NumGC"]])
def test_names_are_the_pages_own_whatever_prefix_stands_before_them(selected: list[str]) -> None:
    rates = Rates(selected, is_counter, prefix="expvar.")
    rates.derive({"expvar.memstats.NumGC": 1}, START, is_continuous=True)

    now = rates.derive({"expvar.memstats.NumGC": 2}, START + SECOND, is_continuous=True)

    assert now == {"expvar.memstats.NumGC_per_second": 1.0}


@pytest.mark.parametrize("own", [4, "4/s", [4]])
def test_a_value_of_the_pages_own_with_that_name_wins(own: object) -> None:
    page = {"hits": 1, "hits_per_second": own}

    assert after(page, page, "hits") == {}


@pytest.mark.parametrize("below", ["app.hits_per_second.p50", "app.hits_per_second.by.path"])
def test_an_object_of_the_pages_own_with_that_name_wins(below: str) -> None:
    page = {"app.hits": 1, below: 4}

    assert after(page, page, "app.hits") == {}


def test_where_the_page_has_its_own_only_now_and_then_the_sample_still_counts() -> None:
    page = {"hits": 1}

    assert after({**page, "hits_per_second": 4}, page, "hits") == {"hits_per_second": 0.0}


def test_a_name_that_would_be_too_long_is_not_derived() -> None:
    fitting, too_long = "a" * (NAME_LIMIT - 11), "b" * (NAME_LIMIT - 10)
    page = {fitting: 1, too_long: 1}

    assert set(after(page, page, fitting, too_long)) == {f"{fitting}_per_second"}


def test_the_values_of_a_page_are_left_as_they_are() -> None:
    page: dict[str, object] = {"hits": 1}
    after(page, page, "hits")

    assert page == {"hits": 1}


def test_no_more_is_kept_than_the_last_page_and_a_few_shapes() -> None:
    rates = Rates(["hits", "counter"], no_counter)
    for number in range(1_000):
        rates.derive({f"app{number}.counter": number, f"other{number}": 1}, START + number, is_continuous=True)

    assert rates._seen == {"app999.counter": 999}
    assert len(rates._plans) <= 16


class Naive:
    """Keeps every page, compares with the one before, computes in fractions."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.pages: list[tuple[dict[str, object], int]] = []

    def derive(self, values: dict[str, object], time: int, *, is_continuous: bool) -> dict[str, float]:
        self.pages.append((dict(values), time))
        rates: dict[str, float] = {}
        for name in self.names & values.keys() if len(self.pages) > 1 and is_continuous else ():
            (old_page, old_time), (page, _) = self.pages[-2:]
            now, old = page[name], old_page.get(name)
            if not isinstance(now, int | float) or not isinstance(old, int | float):
                continue
            grown = Fraction(now) - Fraction(old)
            if grown >= 0 and time > old_time and f"{name}_per_second" not in values:
                rates[f"{name}_per_second"] = float(grown / Fraction(time - old_time, SECOND))
        return rates


def random_page(draw: random.Random, page: dict[str, object]) -> dict[str, object]:
    """The next page of a program: its counters mostly grow, some fall, vanish or are something else for once."""
    grown: dict[str, object] = {}
    for number in range(6):
        name = f"app.n{number}"
        last = page.get(name)
        start = last if isinstance(last, int | float) else draw.choice([0, 2**53, 2**64 - 5, 0.25])
        step = draw.choice([0, 1, draw.randrange(10**6), draw.randrange(2**64), draw.random(), -1])
        what = draw.random()
        if what < 0.8:
            grown[name] = start + step
        elif what < 0.9:
            grown[name] = draw.choice(["text", 0, 7.5])
    if draw.random() < 0.1:
        grown["app.n1_per_second"] = 5
    return grown


@pytest.mark.parametrize("seed", range(20))
def test_random_pages_give_what_a_naive_computation_gives(seed: int) -> None:
    draw = random.Random(seed)
    names = {f"app.n{number}" for number in range(5)}
    rates, naive = Rates(names, no_counter), Naive(names)
    page: dict[str, object] = {}
    time = START
    derived = 0
    for _ in range(100):
        page = random_page(draw, page)
        time += draw.choice([0, -1, 1, draw.randrange(1, 10**11), SECOND])
        is_continuous = draw.random() < 0.9

        found = rates.derive(page, time, is_continuous=is_continuous)

        assert found == naive.derive(page, time, is_continuous=is_continuous), f"seed {seed}"
        derived += len(found)
    assert derived > 50
