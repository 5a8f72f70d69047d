"""What JSON is, what it is not, and what its grammar leaves to the reader: cases of our own for the categories of the
published parsing suites (RFC 8259, "Parsing JSON is a minefield").

Values stand in an object, for a page is one. Texts at the top that are JSON and no object are refused for that.
"""

from __future__ import annotations

import math

import pytest

from expvastic.errors import InvalidPayload
from expvastic.pages.decode import decode

ACCEPTED: list[tuple[str, bytes, object]] = [
    # numbers
    ("zero", b"0", 0),
    ("minus zero as an integer", b"-0", 0),
    ("minus one", b"-1", -1),
    ("a simple integer", b"123", 123),
    ("a simple real", b"123.456789", 123.456789),
    ("a real that is whole", b"1.0", 1.0),
    ("an exponent", b"1e2", 100.0),
    ("an exponent in capitals", b"1E22", 1e22),
    ("an exponent with a plus", b"1E+2", 100.0),
    ("an exponent with a minus", b"1e-2", 0.01),
    ("an exponent of zero", b"0e1", 0.0),
    ("an exponent of zero with a plus", b"0e+1", 0.0),
    ("an exponent with leading zeros", b"1e0002", 100.0),
    ("a fraction with an exponent", b"123.456e78", 123.456e78),
    ("close to zero", b"-0." + b"0" * 77 + b"1", -1e-78),
    ("blanks around a number", b" \t\r\n 4 \t\r\n ", 4),
    # texts
    ("an empty text", b'""', ""),
    ("ASCII", b'"asd "', "asd "),
    ("each short escape", rb'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
    ("escapes in small letters", rb'"\u0061\u30af\u00e9"', "aクé"),
    ("escapes in capitals", rb'"\u012A\uFFFF"', "Ī\uffff"),
    ("an escaped zero", rb'"\u0000"', "\0"),
    ("an escaped backslash before a letter", rb'"\\u0061"', r"\u0061"),
    ("an escaped control character", rb'"\u0012"', "\x12"),
    ("a surrogate pair", rb'"\uD834\uDD1E"', "𝄞"),
    ("two surrogate pairs", rb'"\ud83d\ude39\ud83d\udc8d"', "😹💍"),
    ("a pair for a noncharacter", rb'"\uDBFF\uDFFE"', "\U0010fffe"),
    ("an escaped noncharacter", rb'"\uFDD0"', "\ufdd0"),
    ("the last code point", rb'"\uDBFF\uDFFF"', "\U0010ffff"),
    ("two bytes", "é".encode().join((b'"', b'"')), "é"),
    ("three bytes", "€".encode().join((b'"', b'"')), "€"),
    ("four bytes", "𝄞".encode().join((b'"', b'"')), "𝄞"),
    ("a line separator", "\u2028\u2029".encode().join((b'"', b'"')), "\u2028\u2029"),
    ("a noncharacter", "\uffff".encode().join((b'"', b'"')), "\uffff"),
    ("a reserved character", "\U0001bfff".encode().join((b'"', b'"')), "\U0001bfff"),
    ("a DEL", b'"a\x7fa"', "a\x7fa"),
    ("a comment in a text", b'"a/*b*/c/*d//e"', "a/*b*/c/*d//e"),
    ("a byte order mark in a text", "\ufeff".encode().join((b'"', b'"')), "\ufeff"),
    # words, arrays, objects
    ("true", b"true", True),
    ("false", b"false", False),
    ("null", b"null", None),
    ("an empty array", b"[]", []),
    ("an array with blanks", b" [ 1 \n,\r\t2 ] ", [1, 2]),
    ("a mixed array", b'[null, 1, "1", {}]', [None, 1, "1", {}]),
    ("nested arrays", b"[[],[[]]]", [[], [[]]]),
    ("an empty object", b"{}", {}),
    ("an empty key", b'{"":0}', {"": 0}),
    ("an escaped zero in a key", rb'{"foo\u0000bar": 42}', {"foo\0bar": 42}),
    ("a key that is escaped throughout", rb'{"\u0061":1}', {"a": 1}),
    ("an object with line breaks", b'{\n"a": "b"\n}', {"a": "b"}),
    ("repeated keys: the last counts", b'{"a":"b","a":"c"}', {"a": "c"}),
    ("repeated keys with equal values", b'{"a":"b","a":"b"}', {"a": "b"}),
    ("repeated keys of two kinds", b'{"a":{"b":1},"a":[]}', {"a": []}),
]

REFUSED: list[tuple[str, bytes]] = [
    # numbers
    *((f"number {text!r}", text.encode()) for text in ("01", "-01", "012", "-012.3", "00", "+1", "++1", "--1", "- 1")),
    *((f"number {text!r}", text.encode()) for text in (".5", "-.5", "1.", "-1.", "0.e1", "2.e3", "1.e-2", ".-1", ".")),
    *(
        (f"number {text!r}", text.encode())
        for text in ("1e", "1E+", "1e-", "0e", "0e+", "1.0e", "1eE2", "0.3e+", "1e1.5")
    ),
    *(
        (f"number {text!r}", text.encode())
        for text in ("0x1", "0x42", "1_000", "1 000", "1a", "1.2a-3", "-", "-a", "1+2")
    ),
    *(
        (f"number {text!r}", text.encode())
        for text in ("1-1", "0x", "1ea", "-1x", "１", "1.8011670033376514H-308", "-foo")
    ),
    *((f"infinity as {text!r}", text.encode()) for text in ("inf", "INF", "infinity", "-inf", "+-Inf", "Infinit", "∞")),
    *(
        (f"no number as {text!r}", text.encode())
        for text in ("nan", "NAN", "Nan", "NaN1", "1NaN", "NaN.0", "- NaN", "--NaN")
    ),
    ("a byte that is no UTF-8 after a number", b"1\xe5"),
    # texts
    ("single quotes", b"'x'"),
    ("no quotes", b"word"),
    ("no closing quote", b'"x'),
    ("a lone quote", b'"'),
    ("an escaped closing quote", b'"\\"'),
    ("an escape of nothing", b'"\\'),
    ("an unknown escape", rb'"\a"'),
    ("an escaped x", rb'"\x00"'),
    ("an escaped quote of the other kind", rb'"\'"'),
    ("an escaped line break", b'"\\\n"'),
    ("an escaped emoji", '"\\🌀"'.encode()),
    ("an escaped byte that is no UTF-8", b'"\\\xe5"'),
    ("an escape in capitals", rb'"\U0041"'),
    ("an escape cut short", rb'"\u00A"'),
    ("an escape with another digit", rb'"\u00Gx"'),
    ("an escape with a sign", rb'"\u+123"'),
    ("a surrogate pair cut short", rb'"\uD834\uDd"'),
    ("a surrogate and an empty escape", rb'"\uD800\u"'),
    ("a bare line break", b'"a\nb"'),
    ("a bare tab", b'"\t"'),
    ("a bare zero", b'"a\x00b"'),
    ("a bare control character", b'"\x1f"'),
    # words
    *(
        (f"word {text!r}", text.encode())
        for text in ("True", "TRUE", "tru", "nul", "None", "fals", "truefalse", "undefined")
    ),
    # arrays
    ("a comma at the end", b"[1,]"),
    ("two commas at the end", b"[1,,]"),
    ("two commas", b"[1,,2]"),
    ("a comma first", b"[,1]"),
    ("a comma alone", b"[,]"),
    ("no comma", b"[1 2]"),
    ("a colon for a comma", b"[1:2]"),
    ("no end", b"[1"),
    ("no end after a comma", b"[1,"),
    ("a bracket too many", b"[1]]"),
    ("the other bracket", b"[1}"),
    ("a star", b"[*]"),
    ("three dots", b"[1,...]"),
    # objects
    ("no value", b'{"a":}'),
    ("no colon", b'{"a" 1}'),
    ("a comma for a colon", b'{"a",1}'),
    ("two colons", b'{"a"::1}'),
    ("a key that is a number", b"{1:1}"),
    ("a key that is a word", b"{a:1}"),
    ("a key in single quotes", b"{'a':1}"),
    ("a key that is null", b"{null:1}"),
    ("a key in brackets", b"{[1]:1}"),
    ("a comma at an object's end", b'{"a":1,}'),
    ("two commas in an object", b'{"a":1,,"b":2}'),
    ("a lone text in an object", b'{"a"}'),
    ("an object without an end", b'{"a":1'),
    ("the other bracket for an object's", b'{"a":1]'),
    # around
    ("a comment", b"1/**/"),
    ("a comment to the line's end", b"1//"),
    ("a comment with a hash", b"1#"),
    ("a form feed for a blank", b"\x0c1"),
    ("a no-break space for a blank", b"\xc2\xa01"),
    ("a vertical tab for a blank", b"\x0b1"),
    ("a word joiner for a blank", "\u2060".encode() + b"1"),
    ("a zero for a blank", b"\x001"),
    ("a byte order mark inside", b"\xef\xbb\xbf1"),
    ("two values", b"1 2"),
    ("nothing", b""),
]

WHOLE_REFUSED: list[tuple[str, bytes, str]] = [
    ("nothing at all", b"", "not_json"),
    ("a blank", b" ", "not_json"),
    ("a byte order mark alone", b"\xef\xbb\xbf", "not_json"),
    ("a byte order mark cut short", b"\xef\xbb{}", "not_json"),
    ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf{}", "not_json"),
    ("UTF-16 with a mark, small end first", "\ufeff{}".encode("utf-16-le"), "not_json"),
    ("UTF-16 with a mark, big end first", "\ufeff{}".encode("utf-16-be"), "not_json"),
    ("UTF-16 without a mark", '{"a":1}'.encode("utf-16-le"), "not_json"),
    ("UTF-32", '{"a":1}'.encode("utf-32-le"), "not_json"),
    ("something behind the object", b'{"a":1}x', "not_json"),
    ("a comment behind the object", b'{"a":1}/**/', "not_json"),
    ("a zero behind the object", b'{"a":1}\x00', "not_json"),
    ("a brace behind the object", b"{}}", "not_json"),
    ("a second object", b"{}{}", "not_json"),
    ("a comma behind the object", b"{},", "not_json"),
    ("a tag", b"<.>", "not_json"),
    ("an open brace", b"{", "not_json"),
    ("an open bracket", b"[", "not_json"),
    ("a bracket that opens a brace", b"[{", "not_json"),
    ("XSSI protection", b")]}',\n{}", "not_json"),
    ("an array", b"[]", "not_object"),
    ("a lone number", b"42", "not_object"),
    ("a lone minus one", b"-1", "not_object"),
    ("a lone text", b'"asd"', "not_object"),
    ("a lone word", b"true", "not_object"),
    ("a lone null with blanks", b" null ", "not_object"),
    ("a lone infinity", b"+Inf", "not_object"),
    ("a hundred thousand arrays", b"[" * 100_000, "too_deep"),
    ("a hundred thousand objects", b'{"":' * 100_000, "too_deep"),
    ("arrays and objects in turn", b'[{"":' * 50_000, "too_deep"),
]

# The grammar leaves these to the reader. What is no value that JSON can carry is there as NaN, an infinity or text
# with lone surrogates: flattening leaves it out by name, and the rest of the page is shipped.
FREE: list[tuple[str, bytes, object]] = [
    ("an integer beyond 64 bits is exact", b"18446744073709551616", 2**64),
    ("a very large negative integer is exact", b"-" + b"9" * 60, -int("9" * 60)),
    ("an integer above the largest double is exact still", b"1" + b"0" * 400, 10**400),
    ("an integer of five thousand digits", b"1" * 5_000, math.inf),
    ("a negative integer of five thousand digits", b"-" + b"1" * 5_000, math.inf),
    ("a real above the largest double", b"1.5e+9999", math.inf),
    ("a negative real below the smallest double", b"-1e9999", -math.inf),
    ("an exponent without bounds", b"0.4e006699999999999999999999999999999999999999999999999969999999", math.inf),
    ("an exponent without bounds below", b"123.456e-789", 0.0),
    ("minus zero keeps its sign", b"-0.0", -0.0),
    ("a minus zero by underflow", b"-1e-999", -0.0),
    ("the smallest double", b"5e-324", 5e-324),
    ("more digits than a double has", b"0.1000000000000000055511151231257827021181583404541015625", 0.1),
    ("a high surrogate alone", rb'"\uDADA"', "\udada"),
    ("a low surrogate alone", rb'"\uDFAA"', "\udfaa"),
    ("surrogates in the wrong order", rb'"\uDd1e\uD834"', "\udd1e\ud834"),
    ("a high surrogate before a letter", rb'"\uD800a"', "\ud800a"),
    ("a high surrogate before an escape", rb'"\uD800\n"', "\ud800\n"),
    ("two high surrogates", rb'"\uD800\uD800"', "\ud800\ud800"),
    ("a surrogate in UTF-8", b'"\xed\xa0\x80"', "\udced\udca0\udc80"),
    ("a lone continuation byte", b'"\x81"', "\udc81"),
    ("a sequence cut short", b'"\xe0\xff"', "\udce0\udcff"),
    ("an overlong sequence of two bytes", b'"\xc0\xaf"', "\udcc0\udcaf"),
    ("an overlong sequence of six bytes", b'"\xfc\x83\xbf\xbf\xbf\xbf"', "\udcfc\udc83\udcbf\udcbf\udcbf\udcbf"),
    ("a code point beyond the last", b'"\xf4\xbf\xbf\xbf"', "\udcf4\udcbf\udcbf\udcbf"),
    ("Latin-1", b'"\xe9"', "\udce9"),
    ("NaN", b"NaN", math.nan),
    ("minus NaN", b"-NaN", math.nan),
    ("Infinity", b"Infinity", math.inf),
    ("minus Infinity", b"-Infinity", -math.inf),
    ("infinity as Go prints it", b"+Inf", math.inf),
    ("minus infinity as Go prints it", b"-Inf", -math.inf),
    ("a hundred arrays", b"[" * 100 + b"]" * 100, None),
]


def ids(cases: list[tuple[str, bytes, object]] | list[tuple[str, bytes, str]] | list[tuple[str, bytes]]) -> list[str]:
    return [case[0] for case in cases]


@pytest.mark.parametrize(("_name", "text", "value"), ACCEPTED, ids=ids(ACCEPTED))
def test_json_is_read_as_what_it_says(_name: str, text: bytes, value: object) -> None:
    plain, lenient = decode(b'{"v":' + text + b"}"), decode(b'{"v":' + text + b',"other":NaN}')

    assert repr(plain) == repr({"v": value})
    assert repr(lenient["v"]) == repr(value), "a value that is no JSON beside it changes nothing"


@pytest.mark.parametrize(("_name", "text"), REFUSED, ids=ids(REFUSED))
@pytest.mark.parametrize("beside", [b"", b',"other":NaN'], ids=["alone", "beside NaN"])
def test_what_is_no_json_is_refused(_name: str, text: bytes, beside: bytes) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        decode(b'{"v":' + text + beside + b"}")

    assert refusal.value.reason == "not_json"


@pytest.mark.parametrize(("_name", "page", "reason"), WHOLE_REFUSED, ids=ids(WHOLE_REFUSED))
def test_what_is_no_page_is_refused_with_its_reason(_name: str, page: bytes, reason: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        decode(page)

    assert refusal.value.reason == reason


@pytest.mark.parametrize(("_name", "text", "value"), FREE, ids=ids(FREE))
def test_what_the_grammar_leaves_open_has_one_outcome(_name: str, text: bytes, value: object) -> None:
    page = decode(b'{"v":' + text + b',"other":1}')

    assert page["other"] == 1
    assert value is None or repr(page["v"]) == repr(value)


def test_a_byte_order_mark_before_a_page_is_passed_over() -> None:
    assert decode(b'\xef\xbb\xbf{"v":1}') == {"v": 1}


def test_blanks_around_a_page_are_passed_over() -> None:
    assert decode(b' \t\r\n{"v":1}\n\n') == {"v": 1}


@pytest.mark.parametrize("text", [rb"\uD800", rb"\uD834\uD834", b"\xff", b"\xed\xbf\xbf"])
def test_a_key_that_is_no_unicode_costs_no_page(text: bytes) -> None:
    page = decode(b'{"' + text + b'":1,"v":2}')

    assert page["v"] == 2
    assert len(page) == 2
