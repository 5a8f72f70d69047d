"""Index names: what Elasticsearch allows, and the dates in them; the fields in them have a file of their own."""

from __future__ import annotations

import pytest

from expvastic.recorders.elasticsearch.destination import IndexName
from samples import START

HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "name", "pattern", "dated"),
    [
        ("expvastic", "expvastic", "expvastic", False),
        ("metrics-expvastic-default", "metrics-expvastic-default", "metrics-expvastic-default", False),
        ("expvastic-%{+yyyy.MM.dd}", "expvastic-2026.11.21", "expvastic-*", True),
        ("abc%{+yy}-b-%{+MM_dd-HH}", "abc26-b-11_21-03", "abc*-b-*", True),
        ("100%-%{+yyyy}", "100%-2026", "100%-*", True),
        ("50%y", "50%y", "50%y", False),
        ("é漢", "é漢", "é漢", False),
        (".hidden", ".hidden", ".hidden", False),
        ("a" * 255, "a" * 255, "a" * 255, False),
    ],
)
def test_a_name_knows_its_form_at_a_time_and_its_pattern(text: str, name: str, pattern: str, dated: bool) -> None:
    index = IndexName(text)

    assert (index.at(START), index.pattern, index.dated) == (name, pattern, dated)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must not be empty"),
        (".", "must not be . or .."),
        ("..", "must not be . or .."),
        ("Expvastic", "must be lower case"),
        ("É", "must be lower case"),
        ("-a", "must not start with"),
        ("_a", "must not start with"),
        ("+a", "must not start with"),
        *((f"a{forbidden}b", "must not hold") for forbidden in ' "*\\<|,>/?#:\n\x00'),
        ("<a-{now/d}>", "a date is written as %{+yyyy.MM.dd}"),
        ("a" * 256, "must not be longer than 255 bytes"),
        ("é" * 128, "must not be longer than 255 bytes"),
        *(
            (f"{start}%{{+yyyy.MM.dd}}-expvastic", "at least 3 characters before a date or field")
            for start in ("", "a", "a-")
        ),
        ("a-%{service.name}", "at least 3 characters before a date or field"),
        ("app-%{service.address}", "know no %{service.address}; write a date, such as %{+yyyy.MM.dd}, service.name"),
        ("app-%{labels.}", "know no %{labels.}"),
        ("app-%{}", "know no %{}"),
        ("app-%{ service.name }", "know no %{ service.name }"),
        ("app-%{+yyyy", "have a } for each %{"),
        ("app-%{service.name", "have a } for each %{"),
        ("app-%{%{service.name}}", "have a } for each %{"),
        ("App-%{service.name}", "must be lower case"),
        ("app-%{service.name}?", "must not hold"),
        ("a" * 220 + "%{service.name}", "must be shorter"),
        ("app-%{+YYYY}", "its parts are yyyy, yy, MM, dd, HH"),
        ("app-%{+yyyy.mm}", "its parts are yyyy"),
        ("app-%{+}", "its parts are yyyy"),
        ("app-%{+yyyy/MM}", "must not hold"),
        ("app-%{+%Y}", "its parts are yyyy"),
        ("app-%{+dd%}-%{+w}", "its parts are yyyy"),
    ],
)
def test_a_name_that_elasticsearch_forbids_is_an_error_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError) as raised:
        IndexName(text)

    assert rule in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_date_changes_with_the_hour_in_utc_forwards_and_backwards() -> None:
    index = IndexName("app-%{+dd.HH}")

    names = [index.at(START + hours * HOUR) for hours in (0, 1, 21, 20, -4)]

    assert names == ["app-21.03", "app-21.04", "app-22.00", "app-21.23", "app-20.23"]
