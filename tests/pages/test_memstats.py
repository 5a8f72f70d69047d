from __future__ import annotations

import pytest

from expvastic.pages.memstats import FIELDS, FieldFacts, is_counter, look_up

# As a page of a Go 1.26 program has them.
ON_A_PAGE = """Alloc TotalAlloc Sys Lookups Mallocs Frees HeapAlloc HeapSys HeapIdle HeapInuse HeapReleased HeapObjects
StackInuse StackSys MSpanInuse MSpanSys MCacheInuse MCacheSys BuckHashSys GCSys OtherSys NextGC LastGC PauseTotalNs
PauseNs PauseEnd NumGC NumForcedGC GCCPUFraction EnableGC DebugGC BySize""".split()
COUNTERS = {"TotalAlloc", "Lookups", "Mallocs", "Frees", "PauseTotalNs", "NumGC", "NumForcedGC"}


def named(*, kind: str) -> set[str]:
    return {name for name, facts in FIELDS.items() if facts.kind == kind}


def test_every_field_of_a_page_is_known_in_the_order_of_the_page_and_no_other() -> None:
    assert list(FIELDS) == ON_A_PAGE


def test_the_counters_are_those_that_never_fall_in_one_life() -> None:
    assert named(kind="counter") == COUNTERS


def test_only_the_pauses_are_rings_and_only_the_size_classes_a_table() -> None:
    assert (named(kind="ring"), named(kind="table")) == ({"PauseNs", "PauseEnd"}, {"BySize"})


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("ns", {"PauseTotalNs", "PauseNs"}),
        ("ns since epoch", {"LastGC", "PauseEnd"}),
        ("fraction", {"GCCPUFraction"}),
        ("count", {"Lookups", "Mallocs", "Frees", "HeapObjects", "NumGC", "NumForcedGC", "BySize"}),
        ("", {"EnableGC", "DebugGC"}),
    ],
)
def test_what_is_not_measured_in_bytes_has_its_own_unit(unit: str, names: set[str]) -> None:
    assert {name for name, facts in FIELDS.items() if facts.unit == unit} == names


def test_all_the_rest_is_bytes() -> None:
    in_bytes = {name for name, facts in FIELDS.items() if facts.unit == "bytes"}

    assert {name for name in in_bytes if name.endswith(("Sys", "Inuse", "Alloc"))} == in_bytes - {
        "HeapIdle",
        "HeapReleased",
        "NextGC",
    }
    assert len(in_bytes) == len(FIELDS) - 14


def test_younger_fields_tell_which_go_brought_them() -> None:
    younger = {name: facts.since for name, facts in FIELDS.items() if facts.since != "1.0"}

    assert younger == {
        "GCSys": "1.2",
        "OtherSys": "1.2",
        "PauseEnd": "1.4",
        "GCCPUFraction": "1.5",
        "NumForcedGC": "1.8",
    }


@pytest.mark.parametrize("name", FIELDS)
def test_a_meaning_is_one_short_sentence_of_its_own(name: str) -> None:
    meaning = FIELDS[name].meaning

    assert meaning[0].isupper()
    assert meaning.endswith(".")
    assert meaning.count(".") == 1
    assert 5 < len(meaning) <= 80
    assert [facts.meaning for facts in FIELDS.values()].count(meaning) == 1


def test_facts_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        FIELDS["Alloc"] = FIELDS["Sys"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        FIELDS["Alloc"].kind = "counter"  # type: ignore[misc]


def test_a_field_is_looked_up_by_the_name_that_the_page_gives_it() -> None:
    facts = look_up("memstats.NumForcedGC")

    assert facts == FieldFacts("counter", "count", "Collections that the program itself asked for.", "1.8")


@pytest.mark.parametrize(
    "name", ["NumGC", "app.NumGC", "app.memstats.NumGC", "memstats", "memstats.Mine", "memstats.", ""]
)
def test_nothing_is_known_of_a_value_that_is_not_a_field_of_memstats(name: str) -> None:
    assert look_up(name) is None
    assert not is_counter(name)


@pytest.mark.parametrize("field", ON_A_PAGE)
def test_a_field_is_a_counter_if_its_kind_says_so(field: str) -> None:
    assert is_counter(f"memstats.{field}") is (field in COUNTERS)
