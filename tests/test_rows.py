from typing import Any

from expvastic.cli.rows import PageRows, Row, changed, spell_json, spell_table
from expvastic.datatypes import Page, Reading
from expvastic.pages.mapping import MappingSettings


def rows_of(page: dict[str, Any], rows: PageRows | None = None, time: int = 10**18) -> dict[str, Row]:
    return {row.name: row for row in (rows or PageRows()).rows(Reading(time, 1, (Page(page, "expvar"),)))}


def test_what_go_says_of_itself_has_its_unit_and_role() -> None:
    rows = rows_of({"memstats": {"Alloc": 1, "Mallocs": 2, "GCCPUFraction": 0.5, "EnableGC": True}, "count": 3})

    assert rows["memstats.Alloc"] == Row("memstats.Alloc", "integer", "bytes", "gauge", 1)
    assert rows["memstats.Mallocs"] == Row("memstats.Mallocs", "integer", "count", "counter", 2)
    assert rows["memstats.GCCPUFraction"] == Row("memstats.GCCPUFraction", "float", "fraction", "gauge", 0.5)
    assert rows["memstats.EnableGC"] == Row("memstats.EnableGC", "boolean", "", "", True)
    assert rows["count"] == Row("count", "integer", "", "", 3)


def test_a_mapping_shows_in_what_its_values_would_be_shipped() -> None:
    rows = rows_of({"memstats": {"Sys": 2**21, "Alloc": 7}}, PageRows(MappingSettings(memory_bytes={"sys": "mb"})))

    assert rows["memstats.Sys"] == Row("memstats.Sys", "megabyte", "mb", "gauge", 2.0)
    assert rows["memstats.Alloc"].unit == "bytes"


def test_what_would_be_left_out_says_why() -> None:
    rows = rows_of({"a": None, "b": float("nan"), "c": [1, "x"]})

    assert {row.name: row.left_out for row in rows.values()} == {"a": "null", "b": "not_finite", "c": "mixed_array"}


def test_a_command_line_is_shown_with_its_secrets_masked() -> None:
    assert rows_of({"cmdline": ["app", "-password", "x"]})["cmdline"].value == ["app", "-password", "***"]


def test_every_number_has_a_rate_from_the_second_page_on() -> None:
    rows = PageRows()
    first = rows_of({"a": 1, "b": "x"}, rows)
    second = rows_of({"a": 5, "b": "y"}, rows, time=10**18 + 2 * 10**9)

    assert first["a"].rate is None
    assert (second["a"].rate, second["b"].rate) == (2.0, None)


def test_changes_are_values_that_are_others_now() -> None:
    before = [Row("a", value=1), Row("b", value=2), Row("d", left_out="null")]
    now = [Row("a", value=1, rate=0.0), Row("b", value=3), Row("c", value=4), Row("d", value=5)]

    assert [row.name for row in changed(before, now)] == ["b", "c", "d"]


def test_a_row_as_json_has_what_it_has() -> None:
    assert spell_json(Row("a", "integer", "", "", 0)) == '{"name":"a","kind":"integer","value":0}'
    assert spell_json(Row("a", left_out="null")) == '{"name":"a","left_out":"null"}'
    assert spell_json(Row("a", "boolean", value=False)) == '{"name":"a","kind":"boolean","value":false}'


def test_a_table_fits_its_width_and_shows_control_characters() -> None:
    rows = [
        Row("n" * 100, "integer", value=1),
        Row("evil", "string", value="\x1b[2J" + "x" * 300),
        Row("z", left_out="null"),
    ]

    lines = list(spell_table(rows, 90, frozenset({"z"})))

    assert max(map(len, lines)) <= 90
    assert lines[0].split() == ["NAME", "KIND", "UNIT", "ROLE", "VALUE"]
    assert "\x1b" not in "".join(lines)
    assert "\\x1b[2J" in lines[2]
    assert lines[3].startswith("*z")
    assert "left out" in lines[3]
