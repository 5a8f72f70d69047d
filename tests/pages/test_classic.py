"""The preset ``classic``, by the ancestor's worked example."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from expvastic.datatypes import Kind
from expvastic.pages.classic import CLASSIC, PREFIX, MappingChoice, whole_microseconds
from expvastic.pages.flatten import Flattener
from expvastic.pages.mapping import FieldMapping, MappingSettings, parse_map_file
from expvastic.settings import SettingsModel

_EXAMPLE = """{"memstats":{"Alloc":2780496,"EnableGC":true,"PauseNs":[1500,0,999]},"cmdline":["a"],"count":12,
"mix":[1,"x",3],"e":[]}"""

Read = tuple[dict[str, Any], dict[str, Kind], set[tuple[str, str]]]


def read(page: str, settings: MappingSettings = CLASSIC) -> Read:
    left_out: set[tuple[str, str]] = set()
    values, kinds = Flattener(PREFIX, lambda name, reason: left_out.add((name, reason))).flatten(json.loads(page))
    FieldMapping(settings, pause_rule=whole_microseconds).apply(values, kinds)
    return values, kinds, left_out


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("memstats.Alloc", 2.6516876220703125, Kind.MEGABYTE),  # 2.651688 there; D10
        ("memstats.PauseNs", [1, 0], Kind.GC_LIST),
        ("count", 12, Kind.INTEGER),  # 12.000000 there; D10
        ("memstats.EnableGC", True, Kind.BOOLEAN),  # vanished there; D15
    ],
)
def test_the_worked_example_gives_what_the_ancestor_gave_but_exact(name: str, value: Any, kind: Kind) -> None:
    values, kinds, _ = read(_EXAMPLE)

    assert values[name] == value
    assert type(values[name]) is type(value)
    assert kinds[name] is kind


def test_what_the_ancestor_rounded_is_the_same_to_its_six_decimals() -> None:
    values, _, _ = read(_EXAMPLE)

    assert f"{values['memstats.Alloc']:f}" == "2.651688"
    assert f"{values['count']:f}" == "12.000000"


def test_a_mixed_array_is_left_out_without_invented_zeros() -> None:
    values, _, left_out = read(_EXAMPLE)

    assert "mix" not in values
    assert ("mix", "mixed_array") in left_out


@pytest.mark.parametrize(
    ("page", "values"),
    [
        ('{"a\\"b":"line\\nbreak"}', {'a"b': "line\nbreak"}),  # D9
        ('{"n":9007199254740993,"f":1e-9}', {"n": 2**53 + 1, "f": 1e-9}),  # D10
        ('{"Sys":1048576,"app":{"Alloc":1048576}}', {"Sys": 1048576, "app.Alloc": 1048576}),  # D12
        ('{"MEMSTATS":{"sys":1048576}}', {"MEMSTATS.sys": 1.0}),  # D12
        ('{"app":{"PauseNs":[1500]}}', {"app.PauseNs": [1500]}),  # D12
        ('{"memstats":{"Sys":"many"}}', {"memstats.Sys": "many"}),  # D15
        ('{"memstats":{"Sys":null,"x":["a"]}}', {"memstats.x": ["a"]}),  # D15
        ('{"a":{"b":1},"a.b":2}', {"a.b": 2}),  # D15
        ('{"memstats":{"NumGC":3,"Mallocs":4}}', {"memstats.NumGC": 3, "memstats.Mallocs": 4}),
    ],
)
def test_the_ancestors_defects_are_not_repeated(page: str, values: dict[str, Any]) -> None:
    assert read(page)[0] == values


@pytest.mark.parametrize(
    "name", "Alloc TotalAlloc Sys HeapAlloc HeapSys HeapIdle HeapInuse HeapReleased StackInuse".split()
)
def test_memory_of_the_shipped_map_is_in_megabytes(name: str) -> None:
    assert read(json.dumps({"memstats": {name: 3 * 2**19}}))[0] == {f"memstats.{name}": 1.5}


@pytest.mark.parametrize(
    ("pauses", "shipped"),
    [
        ([], []),
        ([0, 0], []),
        ([1500, 0, 999, 1_000_000], [1, 0, 1000]),
        ([1700000000123456789], [1700000000123456]),
        ([2500.5, 0.0], [2]),
    ],
)
def test_pauses_are_whole_microseconds_without_zeros(pauses: list[float], shipped: list[int]) -> None:
    assert whole_microseconds(pauses) == shipped


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ({}, {"memstats.Sys": 1.0, "memstats.Alloc": 1.0, "x": 1048576}),
        ({"gc_types": "y"}, {"memstats.Sys": 1.0, "memstats.Alloc": 1.0, "x": 1048576}),  # D14
        ({"memory_bytes": {"x": "mb"}}, {"memstats.Sys": 1.0, "memstats.Alloc": 1.0, "x": 1.0}),  # D14
        ({"memory_bytes": {"Sys": "b"}}, {"memstats.Sys": 1048576, "memstats.Alloc": 1.0, "x": 1048576}),  # D11
        ({"memory_bytes": {"x": "gb"}}, {"memstats.Sys": 1.0, "memstats.Alloc": 1.0, "x": 2.0**-10}),  # D13
    ],
)
def test_a_map_file_upon_the_preset_adds_to_it(content: dict[str, Any], values: dict[str, Any]) -> None:
    page = '{"memstats":{"Sys":1048576,"Alloc":1048576},"x":1048576}'

    assert read(page, parse_map_file(content, CLASSIC))[0] == values


class Section(SettingsModel):
    """A section with the key, as a reader has it."""

    mapping: MappingChoice = MappingSettings()


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("classic", "classic"),
        ("Classic", "classic"),
        ({"gc_types": "a b"}, MappingSettings(gc_types=("a", "b"))),
        (CLASSIC, CLASSIC),
    ],
)
def test_the_key_takes_the_preset_or_a_mapping(written: Any, taken: Any) -> None:
    assert Section.model_validate({"mapping": written}).mapping == taken


@pytest.mark.parametrize("written", ["clasic", 5, {"memory_bytes": {"a": "tb"}}, {"gc": []}])
def test_what_is_wrong_with_the_key_is_said_once(written: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Section.model_validate({"mapping": written})

    assert caught.value.error_count() == 1


def test_a_preset_that_is_none_is_named() -> None:
    with pytest.raises(ValidationError, match="'clasic' is no preset; write classic, or a mapping with gc_types or"):
        Section.model_validate({"mapping": "clasic"})
