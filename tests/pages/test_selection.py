"""Globs and renamings on a page's own names."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest
from pydantic import ValidationError

from expvastic.pages.selection import Selection, SelectionSettings


def selection(**values: Any) -> Selection:
    return Selection(SelectionSettings.model_validate(values))


@pytest.mark.parametrize(
    ("pattern", "matched", "not_matched"),
    [
        ("Alloc", ["Alloc", "alloc"], ["memstats.Alloc", "Allocs", "Allo"]),
        ("memstats.Alloc", ["memstats.Alloc", "MEMSTATS.ALLOC"], ["memstatsXAlloc", "a.memstats.Alloc"]),
        ("*", ["a", "a b"], ["a.b"]),
        ("memstats.*", ["memstats.Alloc"], ["memstats", "memstats.a.b"]),
        ("memstats.Heap*", ["memstats.HeapAlloc", "memstats.heap"], ["memstats.Heap.a", "memstats.Sys"]),
        ("*.count", ["a.count"], ["count", "a.b.count"]),
        ("**", ["a", "a.b", "a.b.c"], []),
        ("memstats.**", ["memstats.a", "memstats.a.b.c"], ["memstats", "memstat.a"]),
        ("**.count", ["count", "a.count", "a.b.count"], ["a.counts", "count.a", "acount"]),
        ("a.**.b", ["a.b", "a.x.b", "a.b.b", "a.x.b.y.b"], ["a", "b", "a.x.c", "x.a.b"]),
        ("**.a.**.b.**", ["a.b.c", "x.a.y.b.z", "a.a.b.b.b"], ["a.b", "b.a.c"]),
        ("a?c", ["abc", "a-c", "aßc"], ["ac", "abbc", "a.c"]),
        ("a.b*c*d", ["a.bcd", "a.bxcxd", "a.bcdcd"], ["a.bdc", "a.bc.d"]),
        ("a[b]!", ["a[b]!", "A[B]!"], ["ab!", "a[b]"]),
        ("GET /*", ["GET /", "get /home/x"], ["GET"]),
        ("a*", ["a\nb"], []),
    ],
)
def test_a_pattern_matches_whole_names_by_their_parts(pattern: str, matched: list[str], not_matched: list[str]) -> None:
    asked = selection(include=[pattern])

    assert [name for name in matched + not_matched if asked.resolve(name)] == matched


def _naive(pattern: list[str], name: list[str]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        least = 1 if len(pattern) == 1 else 0
        return any(_naive(pattern[1:], name[skipped:]) for skipped in range(least, len(name) + 1))
    return bool(name) and pattern[0] in ("*", name[0]) and _naive(pattern[1:], name[1:])


def test_any_pattern_of_whole_parts_matches_what_a_naive_matcher_does() -> None:
    chance = random.Random(4)
    names = [list(name) for length in range(1, 6) for name in itertools.product("ab", repeat=length)]
    for _ in range(150):
        pattern = chance.choices(["a", "b", "*", "**"], k=chance.randint(1, 5))
        asked = selection(include=[".".join(pattern)])

        matched = [name for name in names if asked.selects(".".join(name))]

        assert matched == [name for name in names if _naive(pattern, name)], pattern


@pytest.mark.parametrize("pattern", ["*a" * 100 + "b", ".".join(["**", "a*a*a*b"] * 40)])
def test_a_hostile_name_costs_little(pattern: str) -> None:
    asked = selection(include=[pattern])
    start = time.process_time()

    assert asked.resolve("a" * 512) is None
    assert asked.resolve("a." * 255 + "a") is None
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, ["a", "b.c", "b.d"]),
        ({"include": ["b.*"]}, ["b.c", "b.d"]),
        ({"exclude": ["b.*"]}, ["a"]),
        ({"include": ["b.*"], "exclude": ["**.c"]}, ["b.d"]),
        ({"include": "a b.c"}, ["a", "b.c"]),
        ({"include": ["a"], "exclude": ["a"]}, []),
    ],
)
def test_what_is_included_is_kept_unless_excluded(settings: dict[str, Any], kept: list[str]) -> None:
    asked = selection(**settings)

    assert [name for name in ("a", "b.c", "b.d") if asked.resolve(name)] == kept
    assert bool(asked) is bool(settings)


def test_a_value_is_renamed_where_its_name_is_just_this() -> None:
    asked = selection(rename={"a.b": "new.name"})

    assert [asked.resolve(name) for name in ("a.b", "A.b", "a.b.c", "b")] == ["new.name", "A.b", "a.b.c", "b"]


def test_patterns_are_about_the_names_before_they_are_changed() -> None:
    asked = selection(include=["old"], exclude=["new"], rename={"old": "new", "other": "x"})

    assert [asked.resolve(name) for name in ("old", "other")] == ["new", None]


def test_a_value_makes_way_for_one_that_is_renamed_to_its_name() -> None:
    asked = selection(rename={"a": "b"})

    assert [asked.resolve(name) for name in ("a", "b")] == ["b", None]
    assert asked.is_displaced("b")
    assert not asked.is_displaced("a")


def test_no_value_makes_way_for_one_that_is_not_kept() -> None:
    assert selection(exclude=["a"], rename={"a": "b"}).resolve("b") == "b"


def test_names_can_be_swapped() -> None:
    asked = selection(rename={"a": "b", "b": "a"})

    assert [asked.resolve(name) for name in ("a", "b")] == ["b", "a"]


def test_different_names_never_become_one() -> None:
    chance = random.Random(4)
    names = [f"{first}.{second}" for first in "abc" for second in "abc"]
    for _ in range(200):
        old, new = chance.sample(names, 4), chance.sample(names, 4)
        asked = selection(rename=dict(zip(old, new, strict=True)), exclude=chance.sample(names, 1))

        resolved = [found for name in names if (found := asked.resolve(name))]

        assert len(resolved) == len(set(resolved))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"include": [""]}, "'' can match nothing: it, or a part of it between dots, is empty"),
        ({"exclude": ["a..b"]}, "'a..b' can match nothing: it, or a part of it between dots, is empty"),
        ({"exclude": [".a"]}, "'.a' can match nothing: it, or a part of it between dots, is empty"),
        ({"include": ["***"]}, "'***' is no pattern: ** must stand alone between dots; * is one part, or some of it"),
        ({"include": ["a**"]}, "'a**' is no pattern: ** must stand alone between dots; * is one part, or some of it"),
        ({"include": ["a" * 513]}, "a pattern has at most 512 characters"),
        ({"rename": {"a": "x", "b": "x"}}, "a and b would both become x; give each its own name"),
        ({"rename": {"a": "x.y", "b": "x"}}, "b cannot become x, because a becomes x.y, below it"),
        ({"rename": {"a": ""}}, "'' is no usable name: every part between dots needs letters"),
        ({"rename": {"a": "x..y"}}, "'x..y' is no usable name: every part between dots needs letters"),
        ({"rename": {"a": "x\ny"}}, "'x\\ny' is no usable name: every part between dots needs letters"),
        (
            {"rename": {"memstats.*": "mem.*"}},
            "'mem.*' is no usable name: names are renamed one by one, * has no meaning here",
        ),
        ({"rename": {"a": "x" * 513}}, "a name has at most 512 characters"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SelectionSettings.model_validate(settings)

    (error,) = caught.value.errors()
    assert str(error["ctx"]["error"]) == said
