from __future__ import annotations

import random
from collections import Counter

import pytest

from expvastic.pages.by_size import CLASSES, SizeClasses

Row = dict[str, int]
SIZES = [0, 8, 16, 24]


def table(*counts: tuple[int, int], sizes: list[int] | None = None) -> list[Row]:
    """A table of Go's with these mallocs and frees."""
    rows = zip(sizes or SIZES, counts, strict=False)
    return [{"Size": size, "Mallocs": mallocs, "Frees": frees} for size, (mallocs, frees) in rows]


OLD = table((0, 0), (10, 5), (7, 7), (2**64 - 10, 2))


def seen(*tables: list[Row]) -> SizeClasses:
    classes = SizeClasses()
    for rows in tables:
        classes.derive(rows)
    return classes


def test_the_new_mallocs_and_frees_of_each_class_are_told_and_classes_without_any_omitted() -> None:
    now = table((0, 0), (13, 6), (7, 7), (2**64 - 9, 2))

    assert seen(OLD).derive(now) == {"8": {"Mallocs": 3, "Frees": 1}, "24": {"Mallocs": 1, "Frees": 0}}


def test_the_first_table_has_no_news() -> None:
    assert SizeClasses().derive(OLD) == {}


def test_the_same_table_again_has_no_news() -> None:
    assert seen(OLD).derive(OLD) == {}


def test_after_a_reset_there_is_no_news_until_the_table_after_the_next() -> None:
    classes = seen(OLD)
    classes.reset()

    assert classes.derive(table((0, 0), (20, 9), (9, 9), (2**64 - 1, 3))) == {}
    assert classes.derive(table((0, 0), (21, 9), (9, 9), (2**64 - 1, 3))) == {"8": {"Mallocs": 1, "Frees": 0}}


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(table((0, 0), (9, 5), (7, 7), (2**64 - 9, 2)), id="mallocs fell"),
        pytest.param(table((0, 0), (10, 4), (7, 7), (2**64 - 9, 2)), id="frees fell"),
        pytest.param(table((0, 0), (11, 6), (8, 8), (2**64 - 9, 3), sizes=[0, 8, 16, 32]), id="another size"),
        pytest.param(table((0, 0), (11, 6), (8, 8)), id="fewer classes"),
        pytest.param([*OLD, {"Size": 32, "Mallocs": 3, "Frees": 1}], id="more classes"),
    ],
)
def test_a_table_that_is_no_successor_has_no_news_and_is_what_the_next_is_compared_with(now: list[Row]) -> None:
    classes = seen(OLD)

    assert classes.derive(now) == {}
    assert classes.derive([*now[:-1], {**now[-1], "Frees": now[-1]["Frees"] + 4}]) == {
        str(now[-1]["Size"]): {"Mallocs": 0, "Frees": 4}
    }


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(None, id="nothing"),
        pytest.param(5, id="a number"),
        pytest.param("BySize", id="a text"),
        pytest.param({}, id="an object"),
        pytest.param([], id="an empty list"),
        pytest.param([1, 2], id="numbers"),
        pytest.param([*OLD, None], id="a null among rows"),
        pytest.param([{"Size": 8, "Mallocs": 1}], id="no frees"),
        pytest.param([{"Size": 8, "Mallocs": 1, "Frees": "1"}], id="frees as text"),
        pytest.param([{"Size": 8, "Mallocs": 1.0, "Frees": 1}], id="mallocs as a float"),
        pytest.param([{"Size": True, "Mallocs": 1, "Frees": 1}], id="a boolean size"),
        pytest.param([{"Size": -8, "Mallocs": 1, "Frees": 1}], id="a negative size"),
        pytest.param([{"Size": 8, "Mallocs": -1, "Frees": 1}], id="negative mallocs"),
        pytest.param([{"Size": 8, "Mallocs": 1, "Frees": -1}], id="negative frees"),
        pytest.param(table((1, 1), (2, 1), sizes=[8, 8]), id="the same size twice"),
        pytest.param(table((1, 1), (2, 1), sizes=[16, 8]), id="falling sizes"),
        pytest.param(table(*[(1, 1)] * (CLASSES + 1), sizes=[*range(CLASSES + 1)]), id="too many classes"),
    ],
)
def test_what_is_no_table_of_gos_is_told_from_one_without_news_and_changes_nothing(other: object) -> None:
    classes = seen(OLD)

    assert classes.derive(other) is None
    assert classes.derive(table((0, 0), (12, 5), (7, 7), (2**64 - 10, 2))) == {"8": {"Mallocs": 2, "Frees": 0}}


def test_a_table_of_all_classes_is_taken() -> None:
    sizes = [*range(0, 8 * CLASSES, 8)]
    before, now = (table(*[(count, 0)] * CLASSES, sizes=sizes) for count in (1, 2))

    assert len(seen(before).derive(now) or {}) == CLASSES


@pytest.mark.parametrize("seed", range(10))
def test_the_news_of_many_polls_add_up_to_what_the_program_did_since_the_first(seed: int) -> None:
    draw = random.Random(seed)
    classes = SizeClasses()
    counts: Counter[tuple[int, str]] = Counter()
    told: Counter[tuple[int, str]] = Counter()
    done: Counter[tuple[int, str]] = Counter()
    for poll in range(50):
        for _ in range(draw.randrange(5) if poll else 0):
            did = Counter({(draw.choice(SIZES), draw.choice(["Mallocs", "Frees"])): draw.randrange(1, 2**40)})
            counts += did
            done += did
        rows = [{"Size": size, **{what: counts[size, what] for what in ("Mallocs", "Frees")}} for size in SIZES]

        news = classes.derive(rows)

        assert news is not None
        told += Counter({(int(size), what): count for size, row in news.items() for what, count in row.items()})
    assert told == done, f"seed {seed}"
