"""The readable line: what it shows, how it is cut, and that no page can drive the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from expvastic.recorders.console.pretty import harmless_json, pretty_line, visible
from samples import make_container


@pytest.fixture
def _five_hours_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XYZ+5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def values_of(line: str) -> list[str]:
    return line.partition("  ")[2].split(" value")[1].removeprefix("s").split()


@pytest.mark.usefixtures("_five_hours_west")
def test_the_time_is_local_with_milliseconds() -> None:
    line = pretty_line(make_container(time=1_795_231_860_123_999), 200)

    assert line.startswith("22:31:00.123  app  expvar  1 value  count=0")


def test_numbers_are_exact_and_floats_short() -> None:
    container = make_container(**{"expvar.a": 2**64, "expvar.b": 0.1 + 0.2, "expvar.c": True, "expvar.d": -0.0})

    assert values_of(pretty_line(container, 200)) == ["a=18446744073709551616", "b=0.3", "c=true", "d=-0"]


@pytest.mark.parametrize(("name", "shown"), [("expvar.a.b", "a.b"), ("json.a", "a"), ("own.a", "own.a"), ("a", "a")])
def test_the_prefix_of_the_page_is_left_out(name: str, shown: str) -> None:
    assert values_of(pretty_line(make_container(**{name: 1}), 200)) == [f"{shown}=1"]


def test_long_texts_and_lists_are_cut() -> None:
    container = make_container(a="x" * 100, b=[1, 2, 3, 4], c=[1, 2, 3, 4, 5])

    line = pretty_line(container, 200)

    assert f"a={'x' * 39}… b=[1 2 3 4] c=[1 2 3 4 …5 in all]" in line


def test_a_text_with_blanks_or_without_anything_is_quoted() -> None:
    line = pretty_line(make_container(a="two words", b=""), 200)

    assert line.endswith(' a="two words" b=""')


@pytest.mark.parametrize("width", [60, 61, 62, 63, 64, 65, 70, 100])
def test_as_many_values_are_shown_as_fit(width: int) -> None:
    container = make_container(**{f"expvar.n{number}": number for number in range(100)})

    line = pretty_line(container, width)

    assert width - 7 < len(line) <= width
    assert line.endswith(" …")


def test_what_fits_whole_has_no_mark_of_more() -> None:
    assert not pretty_line(make_container(), 80).endswith("…")


def test_characters_of_double_width_count_twice() -> None:
    container = make_container(**{f"expvar.n{number}": "漢字" for number in range(20)})

    line = pretty_line(container, 80)

    assert len(line) + 2 * line.count("漢") <= 80
    assert line.count("漢") >= 3


def test_a_narrow_terminal_still_shows_who_it_is() -> None:
    assert pretty_line(make_container(reader="app"), 10).endswith("  app  expvar  1 value  …")


def test_labels_tell_documents_of_one_dataset_apart() -> None:
    container = make_container()
    document = container.document.replace(b'"event.dataset"', b'"labels.recorder":"es","labels.n":1,"event.dataset"')

    assert "  app  expvar  recorder=es  n=1  1 value " in pretty_line(replace(container, document=document), 200)


def test_a_document_without_a_service_shows_its_reader() -> None:
    container = replace(make_container(reader="mine"), document=b'{"a":1}')

    assert "  mine  1 value " in pretty_line(container, 200)


HOSTILE = "\x1b[2J\x1b]0;title\x07 \r\n\t\x00\x7f \x9b31m \u202eabc \u2028 \U000e0001"


def test_no_page_can_drive_the_terminal() -> None:
    about = {"service.name": "s\x1b[1m", "event.dataset": "\x9bd", "labels.a\x1b": "\x1bl", "x": 1}
    container = replace(
        make_container(reader="a\x1b[2Jb"),
        document=json.dumps({**about, f"expvar.{HOSTILE}": HOSTILE, "list": [HOSTILE]}).encode(),
        kinds=bytes([3, 6]),
    )

    line = pretty_line(container, 1000)

    assert line.isprintable()
    assert "\\x1b[2J\\x1b]0;title\\x07" in line
    assert "  s\\x1b[1m  \\x9bd  a\\x1b=\\x1bl  2 values " in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢 🦔", "plain é 漢 🦔"),
        ("\x1b", "\\x1b"),
        ("\n", "\\n"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_obeys_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_json_without_anything_to_obey_is_untouched() -> None:
    document = make_container(a="é 漢 🦔").document

    assert harmless_json(document) is document
