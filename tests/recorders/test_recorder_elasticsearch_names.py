"""Index names: what Elasticsearch allows, and the dates in them."""

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
        ("a-%{+yy}-b-%{+MM_dd-HH}", "a-26-b-11_21-03", "a-*-b-*", True),
        ("%{+yyyyMMdd}-a", "20261121-a", "*-a", True),
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
        ("a-%{service.name}", "know no %{…} but dates"),
        ("a-%{+yyyy", "know no %{…} but dates"),
        ("a-%{+YYYY}", "its parts are yyyy, yy, MM, dd, HH"),
        ("a-%{+yyyy.mm}", "its parts are yyyy"),
        ("a-%{+}", "its parts are yyyy"),
        ("a-%{+yyyy/MM}", "must not hold"),
        ("a-%{+%Y}", "its parts are yyyy"),
        ("a-%{+dd%}-%{+w}", "its parts are yyyy"),
    ],
)
def test_a_name_that_elasticsearch_forbids_is_an_error_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError) as raised:
        IndexName(text)

    assert rule in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_date_changes_with_the_hour_in_utc_forwards_and_backwards() -> None:
    index = IndexName("a-%{+dd.HH}")

    names = [index.at(START + hours * HOUR) for hours in (0, 1, 21, 20, -4)]

    assert names == ["a-21.03", "a-21.04", "a-22.00", "a-21.23", "a-20.23"]
