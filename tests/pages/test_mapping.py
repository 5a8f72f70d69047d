"""Units and GC lists by name, from map files and inline."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from expvastic.datatypes import Kind
from expvastic.pages.mapping import UNITS, FieldMapping, MappingSettings, parse_map_file

_MAP_FILE = """
gc_types: PauseNs memstats.PauseEnd
memory_bytes:
    HeapAlloc: MB
    memstats.Sys: kb
    Sys: gb
"""


def settings(**values: Any) -> MappingSettings:
    return MappingSettings.model_validate(values)


def complaint(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**values)
    (error,) = caught.value.errors()
    return str(error["ctx"]["error"])


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("memstats.HeapAlloc", "mb"),
        ("heapalloc", "mb"),
        ("a.b.HEAPALLOC", "mb"),
        ("memstats.Sys", "kb"),
        ("MEMSTATS.SYS", "kb"),
        ("app.memstats.Sys", "gb"),
        ("Sys", "gb"),
        ("HeapAlloc.count", None),
        ("MyHeapAlloc", None),
        ("", None),
    ],
)
def test_a_name_is_found_whole_before_its_last_part_and_in_any_case(name: str, unit: str | None) -> None:
    mapping = FieldMapping(parse_map_file(yaml.safe_load(_MAP_FILE)))

    assert mapping.unit_of(name) == (UNITS[unit] if unit else None)


@pytest.mark.parametrize(
    ("name", "is_gc"),
    [
        ("PauseNs", True),
        ("memstats.pausens", True),
        ("memstats.PauseEnd", True),
        ("PauseEnd", False),
        ("x.Pause", False),
    ],
)
def test_gc_lists_are_found_in_the_same_way(name: str, is_gc: bool) -> None:
    assert FieldMapping(parse_map_file(yaml.safe_load(_MAP_FILE))).is_gc(name) is is_gc


@pytest.mark.parametrize(
    ("unit", "value", "scaled", "kind"),
    [
        ("b", 2**63 - 1, 2**63 - 1, Kind.BYTE),
        ("b", 2**64 - 1, 2**64 - 1, Kind.BYTE),
        ("b", 1.5, 1.5, Kind.BYTE),
        ("kb", 1024, 1.0, Kind.KILOBYTE),
        ("kb", 1, 2.0**-10, Kind.KILOBYTE),
        ("mb", 2780496, 2.6516876220703125, Kind.MEGABYTE),
        ("mb", -(2**20), -1.0, Kind.MEGABYTE),
        ("mb", 0, 0.0, Kind.MEGABYTE),
        ("gb", 3 * 2**30, 3.0, Kind.FLOAT),
        ("gb", 2.0**31, 2.0, Kind.FLOAT),
    ],
)
def test_a_number_gets_its_unit_and_kind(unit: str, value: float, scaled: float, kind: Kind) -> None:
    values, kinds = {"a.Mem": value}, {"a.Mem": Kind.FLOAT if isinstance(value, float) else Kind.INTEGER}

    FieldMapping(settings(memory_bytes={"mem": unit})).apply(values, kinds)

    assert (values, kinds) == ({"a.Mem": scaled}, {"a.Mem": kind})
    assert type(values["a.Mem"]) is type(scaled)


def test_a_scaled_integer_is_the_double_nearest_to_the_quotient() -> None:
    chance = random.Random(4)
    for _ in range(2_000):
        value, unit = chance.getrandbits(chance.randint(1, 70)), UNITS[chance.choice(["kb", "mb", "gb"])]

        assert unit.scaled(value) == float(Fraction(value, unit.divisor))


def test_the_largest_number_that_a_page_can_have_is_scaled() -> None:
    assert UNITS["kb"].scaled(10**308) == pytest.approx(10**308 // 1024)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("lots", Kind.STRING), (True, Kind.BOOLEAN), ([1, 2], Kind.FLOAT_LIST), (["a"], Kind.STRING_LIST)],
)
def test_what_is_no_number_stays_under_the_name_of_memory(value: Any, kind: Kind) -> None:
    values, kinds = {"Sys": value}, {"Sys": kind}

    FieldMapping(settings(memory_bytes={"Sys": "mb"})).apply(values, kinds)

    assert (values, kinds) == ({"Sys": value}, {"Sys": kind})


def test_a_gc_list_keeps_its_numbers_and_gets_its_kind() -> None:
    values = {"p.PauseNs": [1500, 0, 999], "p.other": [1], "p.PauseEnd": "none"}
    kinds = {"p.PauseNs": Kind.FLOAT_LIST, "p.other": Kind.FLOAT_LIST, "p.PauseEnd": Kind.STRING}

    FieldMapping(settings(gc_types="PauseNs PauseEnd")).apply(values, kinds)

    assert values == {"p.PauseNs": [1500, 0, 999], "p.other": [1], "p.PauseEnd": "none"}
    assert kinds == {"p.PauseNs": Kind.GC_LIST, "p.other": Kind.FLOAT_LIST, "p.PauseEnd": Kind.STRING}


def test_a_rule_for_pauses_is_applied_to_gc_lists_alone() -> None:
    values = {"PauseNs": [3, 1], "other": [3, 1]}

    FieldMapping(settings(gc_types=["PauseNs"]), pause_rule=sorted).apply(
        values, {"PauseNs": Kind.GC_LIST, "other": Kind.FLOAT_LIST}
    )

    assert values == {"PauseNs": [1, 3], "other": [3, 1]}


def test_the_prefix_is_no_part_of_a_name() -> None:
    values = {"expvar.Sys": 1024, "expvar.a.Sys": 1024}

    mapping = FieldMapping(settings(memory_bytes={"expvar.Sys": "mb", "a.Sys": "kb"}), "expvar.")
    mapping.apply(values, {"expvar.Sys": Kind.INTEGER, "expvar.a.Sys": Kind.INTEGER})

    assert values == {"expvar.Sys": 1024, "expvar.a.Sys": 1.0}


def test_pages_with_ever_new_names_are_still_mapped() -> None:
    mapping = FieldMapping(settings(memory_bytes={"Sys": "kb"}))
    for number in range(45):
        values = {f"k{number}.{index}.Sys": 1024 for index in range(1_000)}

        mapping.apply(values, dict.fromkeys(values, Kind.INTEGER))

        assert set(values.values()) == {1.0}


def test_every_page_of_a_service_is_mapped_like_the_first() -> None:
    mapping = FieldMapping(settings(memory_bytes={"Sys": "kb"}, gc_types="PauseNs"))
    for _ in range(3):
        values = {"Sys": 1024, "PauseNs": [1], "n": 5}
        kinds = {"Sys": Kind.INTEGER, "PauseNs": Kind.FLOAT_LIST, "n": Kind.INTEGER}

        mapping.apply(values, kinds)

        assert values == {"Sys": 1.0, "PauseNs": [1], "n": 5}
        assert [*kinds.values()] == [Kind.KILOBYTE, Kind.GC_LIST, Kind.INTEGER]


def test_nothing_is_mapped_unless_told() -> None:
    values, kinds = {"memstats.Alloc": 5, "memstats.PauseNs": [1]}, {"memstats.Alloc": Kind.INTEGER}

    mapping = FieldMapping(MappingSettings())
    mapping.apply(values, kinds)

    assert not mapping
    assert values["memstats.Alloc"] == 5
    assert kinds["memstats.Alloc"] is Kind.INTEGER
    assert FieldMapping(settings(gc_types="a"))


@pytest.mark.parametrize("written", ["PauseNs PauseEnd", ["PauseNs", "PauseEnd"], "  PauseNs\n PauseEnd "])
def test_names_of_gc_lists_are_a_list_or_one_text(written: Any) -> None:
    assert settings(gc_types=written).gc_types == ("PauseNs", "PauseEnd")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"memory_bytes": {"Sys": "tb"}}, "'tb' is no unit; write b, kb, mb or gb"),
        ({"memory_bytes": {"Sys": ""}}, "'' is no unit; write b, kb, mb or gb"),
        ({"memory_bytes": {"Sys": 1}}, "1 is no unit; write b, kb, mb or gb"),
        ({"memory_bytes": {"Sys": ["mb"]}}, "['mb'] is no unit; write b, kb, mb or gb"),
        ({"memory_bytes": {"a..b": "mb"}}, "a name, or a part of it between dots, is empty"),
        ({"gc_types": ["a", " "]}, "a name, or a part of it between dots, is empty"),
        (
            {"memory_bytes": {"Sys": "mb", "sys": "kb"}},
            "Sys and sys differ in case alone, but have different units; case has no meaning",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(values: dict[str, Any], said: str) -> None:
    assert complaint(**values) == said


def test_a_long_wrong_unit_is_cut() -> None:
    assert len(complaint(memory_bytes={"Sys": "x" * 10_000})) < 100


def test_names_that_differ_in_case_alone_may_agree() -> None:
    assert settings(memory_bytes={"Sys": "mb", "sys": "MB"}).memory_bytes == {"Sys": "mb", "sys": "mb"}


_DEFAULTS = MappingSettings(gc_types=("memstats.PauseNs",), memory_bytes={"memstats.Sys": "mb", "memstats.Alloc": "mb"})


@pytest.mark.parametrize(
    ("text", "gc_types", "memory_bytes"),
    [
        ("", ("memstats.PauseNs",), {"memstats.Sys": "mb", "memstats.Alloc": "mb"}),
        ("gc_types:\nmemory_bytes:", ("memstats.PauseNs",), {"memstats.Sys": "mb", "memstats.Alloc": "mb"}),
        ("gc_types: [Mine]", ("memstats.PauseNs", "Mine"), {"memstats.Sys": "mb", "memstats.Alloc": "mb"}),
        ("memory_bytes: {x: b}", ("memstats.PauseNs",), {"memstats.Sys": "mb", "memstats.Alloc": "mb", "x": "b"}),
        ("memory_bytes: {memstats.sys: b}", ("memstats.PauseNs",), {"memstats.Alloc": "mb", "memstats.sys": "b"}),
        ("memory_bytes: {sys: kb}", ("memstats.PauseNs",), {"memstats.Alloc": "mb", "sys": "kb"}),
        ("GC_Types: memstats.PauseNs", ("memstats.PauseNs",), {"memstats.Sys": "mb", "memstats.Alloc": "mb"}),
    ],
)
def test_a_map_file_adds_to_the_defaults_name_by_name(
    text: str, gc_types: tuple[str, ...], memory_bytes: dict[str, str]
) -> None:
    assert parse_map_file(yaml.safe_load(text), _DEFAULTS) == settings(gc_types=gc_types, memory_bytes=memory_bytes)


@pytest.mark.parametrize("text", ["", "gc_types: a", "memory_bytes: {a: mb}"])
def test_without_defaults_bytes_that_a_map_file_does_not_name_stay_bytes(text: str) -> None:
    assert FieldMapping(parse_map_file(yaml.safe_load(text))).unit_of("memstats.Alloc") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]", "a map file must be a mapping with gc_types or memory_bytes"),
        ("memory: {a: mb}", "memory: unknown key"),
        ("memory_bytes: {a: xb, b: mb}", "memory_bytes.a: 'xb' is no unit; write b, kb, mb or gb"),
        ("memory_bytes: mb", "memory_bytes: Input should be a valid dictionary"),
        (
            "memory_bytes: {a: xb}\nignore: [cmdline]",
            "memory_bytes.a: 'xb' is no unit; write b, kb, mb or gb; ignore: unknown key",
        ),
    ],
)
def test_all_that_is_wrong_with_a_map_file_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_map_file(yaml.safe_load(text))

    assert str(caught.value) == said
