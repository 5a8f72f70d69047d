import json
from typing import Any

import pytest

from expvastic.errors import InvalidPayload
from expvastic.pages import strict
from expvastic.pages.decode import decode
from expvastic.pages.rings import RING, Ring, digest_of, read_ring
from expvastic.pages.strict import NOT_FINITE, Content, StrictDecoder

DURATIONS, ENDS = ([base + place for place in range(RING)] for base in (1_000, 10**18))
SIZES = '[{"Size":8,"Mallocs":5,"Frees":1}]'


def go_text(
    durations: object = DURATIONS, ends: object = ENDS, sizes: str = SIZES, collections: str = "300", rest: str = ""
) -> str:
    rings = f'"PauseNs":{spell(durations)},"PauseEnd":{spell(ends)}'
    return f'{{"memstats":{{"Alloc":1,{rings},"NumGC":{collections},"BySize":{sizes}}},"count":2{rest}}}'


def spell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def read(text: str | bytes, text_limit: int = 1_024, known: Any = None, **wishes: bool) -> Content:
    body = text.encode() if isinstance(text, str) else text
    return StrictDecoder(text_limit, **{"with_rings": True, **wishes}).decode(body, known)


def test_a_usual_page_is_strict_and_bound() -> None:
    body = b'{"a":1,"b":-0.0,"c":"x","d":{"e":[1,2.5],"f":null},"g":true,"h":{},"i":9223372036854775807}'

    content = read(body)

    assert (content.strict, content.bound, content.marked) == (True, True, False)
    assert repr(content.page) == repr(decode(body))


@pytest.mark.parametrize(
    "text",
    ['{"a":18446744073709551615}', '{"a":"xxxx"}', '{"a":' * 10 + "1" + "}" * 10, '{"a":-9223372036854775809}'],
)
def test_a_page_with_something_out_of_bounds_is_strict_all_the_same(text: str) -> None:
    content = read(text, text_limit=3)

    assert (content.strict, content.bound) == (True, False)
    assert content.page == json.loads(text)


def test_after_a_while_without_it_a_page_is_bound_again() -> None:
    decoder = StrictDecoder(3)
    decoder.decode(b'{"a":"xxxx"}', None)

    bound = [decoder.decode(b'{"a":1}', None).bound for _ in range(strict._LOOSE_FOR)]

    assert bound == [False] * (strict._LOOSE_FOR - 1) + [True]


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":1e400}',
        b'{"a":' + b"9" * 5_000 + b"}",
        b'{"a":[1,NaN]}',
        b'{"a":":NaN,","b":NaN}',
        b'{"cmdline":NaN}',
        b'{"cmdline":[{"a":NaN}]}',
    ],
)
def test_what_is_not_as_it_should_be_is_read_the_general_way(body: bytes) -> None:
    content = read(body)

    assert not content.strict
    assert repr(content.without_marks()) == repr(decode(body))


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"a":1', b'{"a":-NaN NaN}', b'{"a":nan}'])
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidPayload) as raised:
        read(body)

    with pytest.raises(InvalidPayload) as wanted:
        decode(body)
    assert str(raised.value) == str(wanted.value)


@pytest.mark.parametrize("word", ["NaN", "+NaN", "-NaN", "Inf", "+Inf", "-Infinity"])
@pytest.mark.parametrize("page", ['{"a":%s}', '{"a":{"b": %s },"c":":NaN"}', '{"a":1,"b":{"c":%s,"c":2},"d":%s}'])
def test_what_is_no_number_is_marked(page: str, word: str) -> None:
    body = page.replace("%s", word).encode()

    content = read(body)

    assert (content.strict, content.marked) == (True, True)
    unmarked, wanted = repr(content.without_marks()), repr(decode(body))
    assert unmarked == wanted.replace("-inf", "nan").replace("inf", "nan")


def test_marks_below_the_deepest_level_that_anybody_can_ask_for_cost_no_page() -> None:
    content = read('{"a":' * 600 + "NaN" + "}" * 600)

    assert content.without_marks()["a"]


def test_a_ring_is_given_as_one() -> None:
    memstats: Any = read(go_text()).page["memstats"]

    assert [memstats["PauseNs"][place] for place in range(RING)] == DURATIONS
    assert [memstats["PauseEnd"][place] for place in range(RING)] == ENDS
    assert memstats["BySize"] == [{}]
    assert [*memstats] == ["Alloc", "PauseNs", "PauseEnd", "NumGC", "BySize"]


def test_a_ring_is_given_as_one_whatever_else_is_in_the_page() -> None:
    content = read(go_text(rest=',"list":[1,NaN],"text":"\\ud800","large":1e400'))

    memstats: Any = content.page["memstats"]
    assert not content.strict
    assert isinstance(memstats["PauseEnd"], Ring)
    assert repr(content.page["list"]) == "[1, nan]"


def test_rings_are_left_alone_unless_they_are_asked_for() -> None:
    text = go_text()

    assert read(text, with_rings=False).page == json.loads(text)


def test_sizes_are_read_if_they_are_asked_for() -> None:
    memstats: Any = read(go_text(), with_sizes=True).page["memstats"]

    assert memstats["BySize"] == json.loads(SIZES)
    assert isinstance(memstats["PauseNs"], Ring)


def test_a_ring_that_is_known_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first: Any = read(go_text()).page["memstats"]
    known = digest_of(first["PauseNs"].text, first["PauseEnd"].text)
    monkeypatch.setattr(strict, "read_ring", None)

    memstats: Any = read(go_text(collections="301"), known=known).page["memstats"]

    assert (memstats["PauseEnd"][7], memstats["NumGC"]) == (ENDS[7], 301)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(go_text(durations=DURATIONS[1:]), id="255 durations"),
        pytest.param(go_text(ends=[*ENDS, 1]), id="257 ends"),
        pytest.param(go_text(durations=[-1, *DURATIONS[1:]]), id="a negative duration"),
        pytest.param(go_text(durations=[1.0, *DURATIONS[1:]]), id="a float"),
        pytest.param(go_text(ends=[2**63, *ENDS[1:]]), id="an end that is rather large"),
        pytest.param(go_text(ends=[2**64, *ENDS[1:]]), id="an end that is too large"),
        pytest.param(go_text(durations="[[1],2]"), id="a list within"),
        pytest.param(go_text(durations='["]",1]'), id="a text with a bracket"),
        pytest.param(go_text(durations="[NaN]"), id="no number"),
        pytest.param(go_text(durations=7), id="no list"),
        pytest.param(go_text(collections="-1"), id="a negative count of collections"),
        pytest.param(go_text(collections="1.0"), id="no whole number of collections"),
        pytest.param(go_text(collections='"x"'), id="no count of collections"),
        pytest.param(go_text(sizes="[]"), id="no sizes"),
        pytest.param(go_text(sizes="[1,{}]"), id="sizes that are mixed"),
        pytest.param(go_text(sizes="[1,2]"), id="sizes that are numbers"),
        pytest.param(go_text(sizes='[{"a":[1]},{"b":2}]'), id="sizes with lists"),
        pytest.param('{"memstats":7,"x":' + go_text() + "}", id="memstats that are none"),
        pytest.param('{"x":' + go_text() + "}", id="memstats elsewhere"),
        pytest.param(go_text(rest=',"memstats":{"NumGC":1}'), id="memstats twice"),
        pytest.param(go_text().replace('"NumGC"', '"PauseNs":[1],"NumGC"'), id="PauseNs twice"),
        pytest.param(go_text().replace('"PauseNs"', r'"\"PauseNs"', 1), id="PauseNs with a quote"),
        pytest.param(r'{"a":"\"PauseNs\":[1],\"PauseEnd\":[2]",' + go_text()[1:], id="rings in a text"),
        pytest.param('{"PauseNs":[1],' + go_text()[1:], id="PauseNs at the top"),
        pytest.param('{"PauseEnd":[1],' + go_text()[1:], id="PauseEnd at the top"),
        pytest.param(go_text(rest=',"BySize":[{}]').replace('"BySize"', '"Sizes"', 1), id="BySize at the top"),
    ],
)
def test_lists_that_are_no_rings_or_stand_elsewhere_are_as_they_are(text: str) -> None:
    content = read(text)

    expected = decode(text.encode())
    memstats: Any = content.page.get("memstats")
    if content.strict and isinstance(memstats, dict) and isinstance(memstats.get("PauseNs"), Ring):
        told = {"PauseNs": DURATIONS, "PauseEnd": ENDS, "BySize": json.loads(SIZES)}
        content.page = {**content.page, "memstats": {**memstats, **told}}
    assert repr(content.page) == repr(expected)


@pytest.mark.parametrize(
    "text",
    [
        go_text(durations="[01]"),
        go_text(durations="1]"),
        go_text(ends="[1"),
        go_text(sizes='[{"a":01}]'),
        go_text(sizes='[{"a" 1}]'),
        go_text(sizes='[{"a":"\x01"}]'),
        go_text(sizes=r'[{"a":"\x"}]'),
    ],
)
def test_lists_that_are_broken_are_refused(text: str) -> None:
    with pytest.raises(InvalidPayload, match="not JSON"):
        read(text)


@pytest.mark.parametrize("text", [b"", b"[1", b"[]", b'["\xff"]', b"[" * 100_000])
def test_a_ring_is_256_numbers_or_none(text: bytes) -> None:
    assert read_ring(text) is None


def test_nobody_can_guess_a_mark() -> None:
    assert read('{"a":"%s"}' % ("x" + "0" * 32)).page["a"] != NOT_FINITE
    assert len(NOT_FINITE) == 33
