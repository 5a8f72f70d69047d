import math

import pytest

from expvastic.errors import InvalidPayload
from expvastic.pages.decode import decode


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"<html><body>404</body></html>", "not_json"),
        (b'{"a":1', "not_json"),
        (b'{"a":1}}', "not_json"),
        (b'{"a":"\xff}', "not_json"),
        (b"\xff\xfe{\x00}\x00", "not_json"),
        (b"{'a':1}", "not_json"),
        (b'{"a":01}', "not_json"),
        (b'{"a":1,}', "not_json"),
        (b'{"a":+1}', "not_json"),
        (b'{"a":.5}', "not_json"),
        (b'{"a":1NaN}', "not_json"),
        (b'{"a":"\x01"}', "not_json"),
        (b'{"a":"\\x"}', "not_json"),
        (b'{"a":1}{"b":2}', "not_json"),
        (b'{"a":NaN} NaN', "not_json"),
        (b'{"a":"' + b'\\"' * 100_000, "not_json"),
        (b"NaN", "not_object"),
        (b"[1,2]", "not_object"),
        (b'"ok"', "not_object"),
        (b"null", "not_object"),
        (b'{"a":' * 100_000, "too_deep"),
        (b'{"n":NaN,"a":' * 100_000, "too_deep"),
    ],
)
def test_what_is_no_json_object_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidPayload) as raised:
        decode(body)

    assert raised.value.reason == reason
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 250


def test_integers_of_any_length_are_exact() -> None:
    page = decode(b'{"a":9223372036854775807,"b":18446744073709551615,"c":123456789012345678901234567890}')

    assert page == {"a": 2**63 - 1, "b": 2**64 - 1, "c": 123456789012345678901234567890}


def test_of_a_repeated_key_the_last_value_counts() -> None:
    assert decode(b'{"a":1,"a":2}') == {"a": 2}


def test_a_mapping_is_a_page_as_it_is() -> None:
    page = {"a": 1}

    assert decode(page) is page


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b'{"a":NaN,"b":1}', {"a": math.nan, "b": 1}),
        (b'{"a":+Inf,"b":-Inf}', {"a": math.inf, "b": -math.inf}),
        (b'{"a":Infinity,"b":-Infinity}', {"a": math.inf, "b": -math.inf}),
        (b'{"a":[1,NaN]}', {"a": [1, math.nan]}),
        (b'{"a":1e400,"b":2}', {"a": math.inf, "b": 2}),
        (b'{"a":-1e400}', {"a": -math.inf}),
        (b'{"a":' + b"9" * 5_000 + b"}", {"a": math.inf}),
        (b'{"NaN":"NaN, +Inf and \\"NaN\\"","a":NaN}', {"NaN": 'NaN, +Inf and "NaN"', "a": math.nan}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":"\xff\xfe","b":1}', {"a": "\udcff\udcfe", "b": 1}),
        (b'{"a":"\\ud800","b":1}', {"a": "\ud800", "b": 1}),
        (b'{"a":NaN,"b":18446744073709551615}', {"a": math.nan, "b": 2**64 - 1}),
        (b'{"a":NaN,"a":2}', {"a": 2}),
    ],
)
def test_what_programs_print_beside_json_costs_no_page(body: bytes, page: dict[str, object]) -> None:
    assert repr(decode(body)) == repr(page)


@pytest.mark.parametrize("number", ["5e-324", "-0.0", "1e308", "0.1", "123456789.123456789", "1e-400", "0", "-1"])
def test_both_decoders_read_the_same_number(number: str) -> None:
    plain, lenient = decode(f'{{"a":{number}}}'.encode()), decode(f'{{"a":{number},"n":NaN}}'.encode())

    assert repr(plain["a"]) == repr(lenient["a"])
