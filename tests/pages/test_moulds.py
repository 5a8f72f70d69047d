"""Moulds: when they are made, what they take, and that they say what the general way says.

Every page here is read both ways, and any difference fails the test.
"""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest

from expvastic.pages import known_moulds
from lean import Pair

PAGE = b"""{"a":1,"b":{"c":"x","d":{"e":1.5,"f":null},"g":[1,2.5],"h":{}},"cmdline":["app"],"i":["x","y"],"j":true,
    "k":[{"l":1},{"l":2}],"n":[],"o":{"p":{"q":2}},"r":{"p":{"q":3}}}"""


@pytest.fixture(autouse=True)
def _nobody_has_made_any() -> None:
    known_moulds._all.clear()


def learned(body: bytes = PAGE, **settings: Any) -> Pair:
    """Has a mould of a page."""
    pair = Pair(**settings)
    for _ in range(3):
        pair.read(body)
    assert pair.moulded == 1
    return pair


def go_page(collections: int = 3, first: bytes = b'"Alloc":1', odd: bytes = b"") -> bytes:
    rings = [b"0"] * 256, [b"0"] * 256
    for number in range(max(1, collections - 255), collections + 1):
        for ring in rings:
            ring[(number - 1) % 256] = b"%d" % (number * 1_000)
    texts = tuple(map(b",".join, rings))
    return b'{"cmdline":["app"],%b"memstats":{%b,"TotalAlloc":7,"PauseNs":[%b],"PauseEnd":[%b],"NumGC":%d},"z":2}' % (
        odd,
        first,
        *texts,
        collections,
    )


@pytest.mark.parametrize("settings", [{}, {"go_runtime": False}, {"prefix": "json"}, {"prefix": "a.b"}], ids=str)
def test_a_page_that_was_seen_twice_has_a_mould(settings: dict[str, Any]) -> None:
    pair = Pair(**settings)

    taken = []
    for _ in range(4):
        pair.read(PAGE)
        taken.append(pair.moulded)

    assert taken == [0, 0, 1, 2]


@pytest.mark.parametrize("body", [PAGE, go_page()], ids=["plain", "go"])
def test_a_mould_of_another_reader_takes_the_second_page(body: bytes) -> None:
    first, second = learned(body), Pair()

    for _ in range(2):
        second.read(body)

    assert second.moulded == 1
    assert second.lean._moulds._moulds == first.lean._moulds._moulds  # type: ignore[union-attr]


def test_moulds_are_not_shared_where_settings_say_something_else() -> None:
    learned()
    others = [Pair(prefix="other"), Pair(go_runtime=False), Pair(limits={"string": 9}), Pair(limits={"list": 9})]

    for pair in others:
        for _ in range(2):
            pair.read(PAGE)

    assert [pair.moulded for pair in others] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "settings",
    [
        {"cmdline": True},
        {"rates": "counters"},
        {"include": "a"},
        {"prefix": ""},
        {"mapping": "classic"},
        {"by_size": True},
    ],
    ids=str,
)
def test_where_settings_ask_for_more_there_are_no_moulds(settings: dict[str, Any]) -> None:
    pair = Pair(**settings)

    for _ in range(4):
        pair.read(PAGE)

    assert pair.moulded == 0
    assert pair.short_ways > 0


def test_moulds_that_nobody_needs_are_given_back() -> None:
    pair = learned()
    assert len(known_moulds._all) == 1

    del pair
    gc.collect()

    assert len(known_moulds._all) == 0


def test_above_the_bound_no_mould_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_moulds, "_VALUES_KEPT", 3)
    pair = Pair()

    for _ in range(6):
        pair.read(PAGE)

    assert pair.moulded == 0


ALIKE = {
    "others": PAGE.replace(b'"x"', b'"other"').replace(b"1.5", b"-2.25e-7"),
    "a float that is whole": PAGE.replace(b"1.5", b"3"),
    "no blanks": json.dumps(json.loads(PAGE), separators=(",", ":")).encode(),
    "blanks": json.dumps(json.loads(PAGE), indent=3).encode(),
    "other order": json.dumps(dict(reversed(json.loads(PAGE).items()))).encode(),
    "other order below": PAGE.replace(b'"c":"x","d":{"e":1.5,"f":null}', b'"d":{"f":null,"e":1.5},"c":"x"'),
    "a key twice": PAGE.replace(b'{"a":1', b'{"a":7,"a":1'),
    "an object twice": PAGE.replace(b'"o":{"p":{"q":2}}', b'"o":{"p":{"q":9}},"o":{"p":{"q":2}}'),
    "an escaped key": PAGE.replace(b'"a":', b'"\\u0061":'),
    "escapes in a text": PAGE.replace(b'"x"', b'"\\u00e9\\n\\ud83e\\udd94"'),
    "the largest": PAGE.replace(b'"a":1', b'"a":9223372036854775807'),
    "the smallest": PAGE.replace(b'"a":1', b'"a":-9223372036854775808'),
    "minus zero": PAGE.replace(b'"a":1', b'"a":-0'),
    "minus zero as a float": PAGE.replace(b"1.5", b"-0.0"),
    "odd objects in an array": PAGE.replace(b'{"l":1}', b'{"m":[[1e999]],"\xff":"\xff"}'),
    "other numbers in a list": PAGE.replace(b"[1,2.5]", b"[0.5]"),
}


@pytest.mark.parametrize("body", ALIKE.values(), ids=ALIKE)
def test_a_page_that_is_alike_is_taken(body: bytes) -> None:
    pair = learned()

    pair.read(body)

    assert pair.moulded == 2


OTHER = {
    "a float": PAGE.replace(b'"a":1', b'"a":1.0'),
    "an exponent": PAGE.replace(b'"a":1', b'"a":1e0'),
    "a boolean": PAGE.replace(b'"a":1', b'"a":true'),
    "a number for a boolean": PAGE.replace(b"true", b"1"),
    "a text": PAGE.replace(b'"a":1', b'"a":"1"'),
    "null": PAGE.replace(b'"a":1', b'"a":null'),
    "no null": PAGE.replace(b"null", b"0"),
    "beyond 63 bits": PAGE.replace(b'"a":1', b'"a":9223372036854775808'),
    "beyond 64 bits": PAGE.replace(b'"a":1', b'"a":18446744073709551616'),
    "beyond all": PAGE.replace(b'"a":1', b'"a":' + b"9" * 400),
    "too small": PAGE.replace(b'"a":1', b'"a":-9223372036854775809'),
    "infinite": PAGE.replace(b"1.5", b"1e400"),
    "NaN": PAGE.replace(b"1.5", b"NaN"),
    "a long text": PAGE.replace(b'"x","d"', b'"%b","d"' % (b"x" * 1_025)),
    "a long list": PAGE.replace(b"[1,2.5]", b"[%b1]" % (b"1," * 1_024)),
    "a mixed list": PAGE.replace(b"[1,2.5]", b'[1,"x"]'),
    "an empty list": PAGE.replace(b"[1,2.5]", b"[]"),
    "a list that is full": PAGE.replace(b'"n":[]', b'"n":[1]'),
    "an object that is full": PAGE.replace(b'"h":{}', b'"h":{"i":1}'),
    "an object that is empty": PAGE.replace(b'{"q":2}', b"{}"),
    "no objects": PAGE.replace(b'{"l":1}', b"1"),
    "objects that are gone": PAGE.replace(b'{"l":1},{"l":2}', b""),
    "a key more": PAGE.replace(b'{"a":1', b'{"a":1,"a2":1'),
    "a key less": PAGE.replace(b'"a":1,', b""),
    "a key more below": PAGE.replace(b'"q":2', b'"q":2,"s":1'),
    "a first value of another type": PAGE.replace(b'{"a":1', b'{"a":"x","a":1'),
    "another command line": PAGE.replace(b'["app"]', b"[1]"),
    "bytes that are no text": PAGE.replace(b'"x","d"', b'"\xff","d"'),
    "a lone surrogate": PAGE.replace(b'"x","d"', b'"\\ud800","d"'),
    "a mark of byte order": b"\xef\xbb\xbf" + PAGE,
    "something behind": PAGE + b"x",
    "its end missing": PAGE[:-1],
    "no object": b"[1]",
    "nothing": b"",
}


@pytest.mark.parametrize("body", OTHER.values(), ids=OTHER)
def test_a_page_that_differs_goes_another_way(body: bytes) -> None:
    pair = learned()

    pair.read(body)

    assert pair.moulded == 1
    pair.read(PAGE)
    assert pair.moulded == 2


UNTOLD = {
    "nothing to ship": b'{"a":null}',
    "one name in two spellings": b'{"a":{"b":1},"a.b":2}',
    "a value that is an object as well": b'{"a":1,"a.b":2}',
    "an unusable name": b'{"":1,"b":2}',
    "a name that must be escaped": b'{"a\\"b":1,"b":2}',
    "a mixed list": b'{"a":[1,"x"],"b":1}',
    "too deep": b'{"a":{"b":{"c":{"d":1}}},"e":1}',
    "too many keys": b'{"a":1,"b":2,"c":3,"d":4,"e":5}',
    "no command line": b'{"cmdline":{"a":1},"b":1}',
    "no command line, with a dot": b'{"cmdline.a":1,"b":1}',
    "a command line of numbers": b'{"cmdline":[1],"b":1}',
    "a mark of byte order": b'\xef\xbb\xbf{"b":1}',
    "a counter that is none": go_page(odd=b"").replace(b'"TotalAlloc":7', b'"TotalAlloc":7.5'),
    "a counter below zero": go_page().replace(b'"TotalAlloc":7', b'"TotalAlloc":-7'),
    "rings in another order": go_page().replace(b"PauseNs", b"_").replace(b"PauseEnd", b"PauseNs"),
    "something between the rings": go_page().replace(b'"PauseEnd"', b'"x":1,"PauseEnd"'),
    "many that are no numbers": b'{"a":1,%b}' % b",".join(b'"n%d":NaN' % number for number in range(9)),
}


@pytest.mark.parametrize("body", UNTOLD.values(), ids=UNTOLD)
def test_there_is_no_mould_of_what_none_can_tell(body: bytes) -> None:
    pair = Pair(limits={"depth": 4, "keys": 7 if b"memstats" in body else 5})

    for _ in range(20):
        pair.read(body)

    assert pair.moulded == 0


TOLD = {
    "a name that is not ASCII": b'{"\xc3\xa9":1,"b":{"\xc3\xa9":2}}',
    "names with dots": b'{"a.b":1,"c.d":{"e.f":2}}',
    "a command line that is a text": b'{"cmdline":"app -x","a":1}',
    "no command line": b'{"a":1}',
    "something that is no number": b'{"a": NaN,"b":1,"c":{"a":+Inf}}',
    "no counters but one": go_page().replace(b'"TotalAlloc":7,', b""),
    "no collections": go_page(0),
    "full rings": go_page(300),
    "lists of pauses that are none": b'{"memstats":{"Alloc":1},"PauseNs":[1,2]}',
}


@pytest.mark.parametrize("body", TOLD.values(), ids=TOLD)
def test_unusual_pages_have_moulds_too(body: bytes) -> None:
    pair = learned(body)

    pair.read(body)

    assert pair.moulded == 2


def test_a_value_may_have_been_of_several_types() -> None:
    pair = learned(b'{"a":1,"b":1}')
    variants = [b'{"a":0.5,"b":1}', b'{"a":1,"b":"x"}', b'{"a":true,"b":0.5}', b'{"a":"y","b":2}']
    for _ in range(40):
        for body in variants:
            pair.read(body)
    before = pair.moulded

    for body in variants:
        pair.read(body)

    assert pair.moulded == before + len(variants)


def test_a_value_that_is_now_a_number_now_a_list_has_no_mould_that_takes_both() -> None:
    pair = learned(b'{"a":1}')

    for _ in range(20):
        pair.read(b'{"a":[1]}')
        pair.read(b'{"a":1}')

    assert pair.moulded == 21


def test_pages_with_and_without_something_left_out_are_both_taken() -> None:
    pair = Pair()
    for _ in range(20):
        pair.read(b'{"a":1}')
        pair.read(b'{"a":1,"b":null}')
    before = pair.moulded

    pair.read(b'{"a":1}')
    pair.read(b'{"a":1,"b":null}')

    assert pair.moulded == before + 2


def test_a_page_that_has_a_number_only_at_times_is_taken_both_ways() -> None:
    pair = Pair()
    for _ in range(10):
        pair.read(b'{"a":1,"b":0.5}')
        pair.read(b'{"a":1,"b":NaN}')
    before = pair.moulded

    pair.read(b'{"a":1,"b":0.5}')
    pair.read(b'{"a":1,"b":NaN}')

    assert pair.moulded == before + 2


def test_a_word_for_no_number_within_a_text_stays() -> None:
    pair = learned(b'{"a": NaN,"b":"x"}')

    pair.read(b'{"a": NaN,"b":"\\"a\\": NaN,"}')

    assert pair.moulded == 2


def test_pages_of_ever_other_names_have_no_moulds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_moulds, "make_mould", None)
    pair = Pair()

    for number in range(60):
        pair.read(b'{"a":1,"b":{"x%d":1}}' % number)

    assert pair.moulded == 0


def test_moulds_are_made_ever_more_seldom_of_pages_that_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = known_moulds.make_mould
    monkeypatch.setattr(known_moulds, "make_mould", lambda *which: made.append(1) or make(*which))
    monkeypatch.setattr(known_moulds, "_VALUES_KEPT", 4)
    pair = Pair()

    for number in range(600):
        pair.read(b'{"x%d":1}' % (number % 12))

    assert 2 <= len(made) <= 12


def test_a_reader_whose_moulds_take_nothing_has_none_until_names_come_again() -> None:
    pair = learned(b'{"a":1}')
    for number in range(known_moulds._MISSES + 1):
        pair.read(b'{"x%d":1}' % number)
    assert pair.lean._moulds is not None
    assert pair.lean._moulds._moulds == ()

    for _ in range(3):
        pair.read(b'{"b":1}')

    assert pair.moulded == 2


def test_collections_are_told_while_they_come_and_go() -> None:
    pair = learned(go_page(3))

    for collections in (4, 4, 6, 6, 20, 20, 254, 255, 256, 258, 258):
        pair.read(go_page(collections))

    assert pair.moulded == 12
    assert pair.lean.restarts == 0


@pytest.mark.parametrize("collections", [2, 400])
def test_another_life_is_seen_and_the_mould_stays(collections: int) -> None:
    pair = learned(go_page(5))

    pair.read(go_page(collections))
    pair.read(go_page(collections))

    assert pair.lean.restarts == 1
    assert pair.moulded == 2


def test_lives_that_never_go_on_are_read_the_other_short_way() -> None:
    pair = learned(go_page(5))

    for number in range(10):
        pair.read(go_page(5 + 300 * number))

    assert pair.moulded == 2
    assert pair.short_ways > 6


def test_a_command_line_that_changes_is_another_life() -> None:
    pair = learned(go_page(5))

    pair.read(go_page(5).replace(b'["app"]', b'["app","-v"]'))

    assert pair.lean.restarts == 1
    assert pair.moulded == 1


@pytest.mark.parametrize(
    "body",
    [
        go_page(6).replace(b'"PauseNs":[', b'"PauseNs":["x",'),
        go_page(6).replace(b"]", b"", 2),
        go_page(6).replace(b'"PauseEnd"', b'"PauseENd"'),
        go_page(6).replace(b'"PauseNs"', b'"Pausens"'),
        go_page(6, first=b'"PauseNs":[1],"PauseEnd":[1]'),
        go_page(6, odd=b'"PauseNs":[1],"PauseEnd":[2],'),
        go_page(6, first=b'"Alloc":1,"PauseEnd":[1]'),
        go_page(6)[:-9],
        go_page(6).replace(b'"NumGC":6', b'"NumGC":-6'),
        go_page(6).replace(b'"NumGC":6', b'"NumGC":6.0'),
        go_page(6).replace(b"[1000,", b"[1000 ,"),
    ],
)
def test_odd_rings_are_read_the_general_way(body: bytes) -> None:
    pair = learned(go_page(5))

    pair.read(body)

    assert pair.moulded <= 2
    pair.read(go_page(6))
    pair.read(go_page(7))


def test_a_page_whose_rings_begin_much_earlier_is_taken() -> None:
    pair = learned(go_page(5, odd=b'"text":"%b",' % (b"x" * 900)))

    pair.read(go_page(5, odd=b'"text":"x",'))

    assert pair.moulded == 2


def test_more_pauses_than_a_list_may_have_are_left_out() -> None:
    pair = learned(go_page(5), limits={"list": 4})

    pair.read(go_page(10))

    assert pair.lean.left_out["expvar.memstats.PauseNs", "too_long"] == 1
    assert pair.moulded == 1
