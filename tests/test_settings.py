import math
from typing import Any

import pytest

from expvastic.settings import parse_duration, parse_size, parse_words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("1h0.5s", 3600.5),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1d", 86400.0),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("+3s", 3.0),
        ("5", 5.0),
        ("0.5", 0.5),
        (5, 5.0),
        (0.25, 0.25),
    ],
)
def test_durations_are_spelled_as_go_spells_them_or_are_seconds(text: Any, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5e3",
        "s",
        "5 s",
        "-5s",
        "0s",
        "1x",
        "ms5",
        0,
        -1,
        True,
        None,
        math.inf,
        math.nan,
        "9" * 400 + "s",
        "101000d",
    ],
)
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [(500, 500), ("500", 500), ("10 MB", 10_000_000), ("32 MiB", 2**25), ("1.5kb", 1500), ("2GiB", 2**31), ("7b", 7)],
)
def test_sizes_are_bytes_or_have_a_unit(text: Any, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "10 XB", "-1", 0, -1, True, None, 1.5, "9" * 400, 10**400, "1e9"])
def test_what_is_no_size_is_refused(text: Any) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize(("value", "words"), [("a b  c", ["a", "b", "c"]), (["a b"], ["a b"]), (3, 3)])
def test_one_scalar_is_split_at_blanks_where_a_list_is_meant(value: Any, words: Any) -> None:
    assert parse_words(value) == words
