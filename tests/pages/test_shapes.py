import gc
from typing import Any

import pytest

from expvastic.datatypes import Kind
from expvastic.pages import known_shapes
from expvastic.pages.columns import PageColumns
from expvastic.pages.flatten import Limits
from expvastic.pages.moulding import Rules
from expvastic.pages.shapes import Columns
from expvastic.pages.strict import Content, StrictDecoder

PAGE = b"""{"a":1,"b":{"c":"x","d":{"e":1.5,"f":null},"g":[1,2.5],"h":{}},"cmdline":["app"],"i":["x","y"],"j":true,
    "k":[{"l":1}],"m":[1,"x"],"n":[],"o":{"p":{"q":2}}}"""
NAMES = ("a", "b.c", "b.d.e", "b.g", "i", "j", "o.p.q")


@pytest.fixture(autouse=True)
def _nobody_has_learned() -> None:
    known_shapes._latest.clear()


class Reader:
    """One reader's columns, its decoder and what it left out."""

    def __init__(self, prefix: str = "", *, gc_names: tuple[str, ...] = (), cmdline: bool = False, **limits: int):
        self.left_out: list[tuple[str, str]] = []
        settings = Limits(**limits)
        self.decoder = StrictDecoder(settings.string)
        rules = Rules(prefix, (settings.keys, settings.depth, settings.string, settings.list), gc_names, cmdline)
        self.columns = PageColumns(rules, settings, lambda name, reason: self.left_out.append((name, reason)))

    def decode(self, body: bytes) -> Content:
        return self.decoder.decode(body, None)

    def take(self, body: bytes) -> Columns | None:
        return self.columns.take(self.decode(body))

    def read(self, body: bytes) -> tuple[dict[str, Any], dict[str, Kind]]:
        content = self.decode(body)
        return self.columns.flatten(content, self.columns.take(content))

    def learn(self, body: bytes) -> "Reader":
        """Read a page twice."""
        self.read(body)
        self.read(body)
        self.left_out.clear()
        return self


def test_a_shape_is_known_once_it_was_seen_twice() -> None:
    reader = Reader()

    taken = []
    for _ in range(3):
        content = reader.decode(PAGE)
        taken.append(reader.columns.take(content))
        reader.columns.flatten(content, taken[-1])

    assert [bool(columns) for columns in taken] == [False, False, True]
    assert reader.columns.taken == 1


def test_what_one_reader_saw_another_has_seen() -> None:
    first, second, third = Reader(), Reader(), Reader()

    for reader in (first, second, third):
        reader.read(PAGE)

    assert third.columns.taken == 1
    assert not first.columns.taken


def test_readers_with_other_rules_have_seen_other_things() -> None:
    Reader().read(PAGE)
    other = Reader(string=5)
    other.read(PAGE)

    assert other.take(PAGE) is None


@pytest.mark.parametrize("prefix", ["", "expvar", "a.b"])
@pytest.mark.parametrize("cmdline", [True, False])
def test_both_ways_lead_to_the_same(prefix: str, cmdline: bool) -> None:
    plain, learned = Reader(prefix, cmdline=cmdline), Reader(prefix, cmdline=cmdline).learn(PAGE)

    general, lean = plain.read(PAGE), learned.read(PAGE)

    assert learned.columns.taken == 1
    assert repr(lean) == repr(general)
    assert learned.left_out == plain.left_out


def test_columns_say_what_their_names_are() -> None:
    columns = Reader().learn(PAGE).take(PAGE)

    assert columns is not None
    assert columns.shape.names == NAMES
    assert columns.values == [1, "x", 1.5, [1, 2.5], ["x", "y"], True, 2]
    assert [Kind(kind).name for kind in columns.kinds] == [
        *("INTEGER", "STRING", "FLOAT", "FLOAT_LIST", "STRING_LIST", "BOOLEAN", "INTEGER")
    ]


def test_types_may_change_from_page_to_page() -> None:
    reader = Reader().learn(b'{"a":0,"b":1,"c":[1]}')

    values, kinds = reader.read(b'{"a":0.5,"b":"x","c":["x"]}')

    assert reader.columns.taken == 1
    assert values == {"a": 0.5, "b": "x", "c": ["x"]}
    assert [*kinds.values()] == [Kind.FLOAT, Kind.STRING, Kind.STRING_LIST]


def test_more_patterns_of_types_than_are_kept_are_read_all_the_same() -> None:
    reader = Reader().learn(b'{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}')
    for number in range(2**7):
        page = {name: 1.5 if number >> place & 1 else 1 for place, name in enumerate("abcdefg")}

        values, _ = reader.read(repr(page).replace("'", '"').encode())

        assert repr(values) == repr(page)
    assert reader.columns.taken == 2**7


@pytest.mark.parametrize(
    "body",
    [
        b'{"b":{"c":"x","d":{"e":2}},"a":1,"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"d":{"e":2},"c":"x"},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdlinE":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":["x"],"z":1}',
        b'{"a":1,"b":{"c":"x","d":{"e":2,"f":3}},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{}},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":7},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":"e"},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":["e"]},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":null},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":null,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":{"e":1},"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1,"x"],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[true],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1,2,3,4,5],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":["xxxxxx"],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[%s],"n":null,"cmdline":["x"]}' % (b"9" * 350),
        b'{"a":%s,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":["x"]}' % (b"9" * 350),
        b'{"a":1,"b":{"c":"xxxxxx","d":{"e":2}},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":NaN,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":NaN,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":0,"cmdline":["x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":[1,"x"]}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":null}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":{"x":1}}',
        b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":[]}',
    ],
)
def test_a_page_that_differs_is_flattened_the_general_way(body: bytes) -> None:
    usual = b'{"a":1,"b":{"c":"x","d":{"e":2}},"l":[1],"n":null,"cmdline":["x"]}'
    plain, learned = Reader(string=5, list=4), Reader(string=5, list=4).learn(usual)
    assert learned.take(usual)
    before = learned.columns.taken
    learned.left_out.clear()

    lean, general = learned.read(body), plain.read(body)

    assert learned.columns.taken == before
    assert repr(lean) == repr(general)
    assert learned.left_out == plain.left_out


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":NaN,"b":1}', id="NaN"),
        pytest.param(b'{"a":18446744073709551615,"b":1}', id="an unsigned integer"),
        pytest.param(b'{"a":"xxxxxx","b":{"c":"\xc3\xa9"}}', id="a name that is not ASCII"),
        pytest.param(b'{"a\\"b":1,"c\\\\d":{"e\\nf":2}}', id="names that must be escaped"),
        pytest.param(b'{"a.b":1,"c.d":{"e.f":2}}', id="names with dots"),
        pytest.param(b'{"cmdline":"app -x","a":1}', id="a command line that is a text"),
    ],
)
def test_unusual_pages_have_a_shape_too(body: bytes) -> None:
    plain, learned = Reader("expvar"), Reader("expvar").learn(body)

    columns = learned.take(body)

    assert columns is not None
    assert repr(columns.as_dicts()) == repr(plain.read(body))
    assert learned.left_out == plain.left_out


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":null}', id="nothing to ship"),
        pytest.param(b'{"a":{"b":1},"a.b":2}', id="one name in two spellings"),
        pytest.param(b'{"a":1,"a.b":2}', id="a value that is an object as well"),
        pytest.param(b'{"":1,"b":2}', id="an unusable name"),
        pytest.param(b'{"a":{"b":{"c":{"d":1}}},"e":1}', id="too deep"),
        pytest.param(b'{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}', id="too many keys"),
        pytest.param(b'{"a":"xxxx","b":1}', id="a text that is cut"),
        pytest.param(b'{"a":[1,2,3],"b":1}', id="a list that is too long"),
        pytest.param(b'{"cmdline":{"a":1},"b":1}', id="no command line"),
        pytest.param(b'{"cmdline.a":1,"b":1}', id="no command line, with a dot"),
        pytest.param(b'\xef\xbb\xbf{"b":1}', id="no strict page"),
    ],
)
def test_a_page_that_no_shape_can_tell_is_always_flattened_the_general_way(body: bytes) -> None:
    reader = Reader(depth=3, keys=5, string=3, list=2).learn(body)

    for _ in range(20):
        reader.read(body)

    assert reader.columns.taken == 0


def test_readers_share_shapes_if_their_settings_say_the_same() -> None:
    first, second = (Reader("expvar").learn(PAGE).take(PAGE) for _ in range(2))
    others = [Reader("json"), Reader("expvar", cmdline=True), Reader("expvar", string=7), Reader("expvar", list=7)]

    taken = [reader.learn(PAGE).take(PAGE) for reader in others]

    assert first is not None
    assert second is not None
    assert first.shape is second.shape
    assert all(columns is not None and columns.shape is not first.shape for columns in taken)


def test_shapes_that_nobody_needs_are_given_back() -> None:
    gc.collect()
    before = len(known_shapes._all)
    reader = Reader("expvar").learn(b'{"given":1,"back":2}')
    assert len(known_shapes._all) == before + 1

    del reader
    gc.collect()

    assert len(known_shapes._all) == before


def test_above_the_bound_no_shape_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_shapes, "_COLUMNS_KEPT", 0)

    reader = Reader().learn(b'{"beyond":1}')

    assert reader.take(b'{"beyond":1}') is None


def test_a_shape_that_does_not_come_again_is_forgotten() -> None:
    reader = Reader().learn(b'{"a":1}')
    for number in range(known_shapes._MISSES):
        reader.read(b'{"x%d":1}' % number)

    assert reader.take(b'{"a":1}') is None


def test_a_page_now_and_then_of_another_shape_makes_none_forgotten() -> None:
    reader = Reader().learn(b'{"a":1}')
    for number in range(3 * known_shapes._MISSES):
        reader.read(b'{"x%d":1}' % number)
        reader.read(b'{"a":1}')

    assert reader.columns.taken == 3 * known_shapes._MISSES


def test_no_more_shapes_are_known_than_a_reader_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_shapes, "_SHAPES_KEPT", 1)
    reader = Reader().learn(b'{"only":1}')
    for _ in range(20):
        reader.read(b'{"only":1,"one":2}')

    assert reader.take(b'{"only":1,"one":2}')
    assert reader.take(b'{"only":1}') is None


def test_a_value_that_is_no_number_today_is_not_shipped() -> None:
    reader = Reader().learn(b'{"a":1,"b":NaN,"c":2}')
    assert reader.take(b'{"a":1,"b":NaN,"c":2}')

    values, _ = reader.read(b'{"a":NaN,"b":NaN,"c":2}')

    assert values == {"c": 2}


def test_pages_of_ever_new_names_have_no_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_shapes, "_find_or_build", None)
    reader = Reader()

    for number in range(100):
        reader.read(b'{"x%d":1}' % number)

    assert reader.columns.taken == 0


def test_shapes_that_take_turns_are_learned_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    find = known_shapes._find_or_build
    monkeypatch.setattr(known_shapes, "_find_or_build", lambda *which: built.append(1) or find(*which))
    reader = Reader()

    for number in range(2_000):
        reader.read(b'{"x%d":1}' % (number % 12))

    assert 2 <= len(built) <= 10


def test_a_shape_of_its_own_is_learned_while_pauses_come_and_go() -> None:
    reader = Reader(gc_names=("memstats.PauseNs",))
    without, with_pauses = b'{"memstats":{"Alloc":1}}', b'{"memstats":{"Alloc":1,"PauseNs":[5]}}'
    for _ in range(20):
        reader.read(without)
        reader.read(with_pauses)
    before = reader.columns.taken

    kinds = [reader.read(body)[1] for body in (without, with_pauses)]

    assert reader.columns.taken == before + 2
    assert kinds[1]["memstats.PauseNs"] is Kind.GC_LIST


def test_what_one_reader_has_learned_others_know_at_once() -> None:
    body = b'{"learned":1,"elsewhere":2}'
    first = Reader().learn(body)

    columns = [reader.take(body) for reader in (first, Reader())]

    assert columns[1] is not None
    assert columns[0] is not None
    assert columns[1].shape is columns[0].shape


def test_a_shape_of_another_reader_that_does_not_fit_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Reader().learn(b'{"not":1,"mine":2}'), Reader()
    for number in range(known_shapes._MISSES):
        assert second.take(b'{"x%d":1,"mine":2}' % number) is None
    monkeypatch.setattr(known_shapes, "_latest", None)

    assert second.take(b'{"x":1,"mine":2}') is None
    assert first.take(b'{"not":1,"mine":2}')


def test_of_few_kinds_of_pages_it_is_kept_in_mind_that_they_do_not_fit() -> None:
    bodies = [b"{%b}" % b",".join(b'"n%d":1' % place for place in range(count)) for count in range(1, 40)]
    first, second = Reader(), Reader()
    for body in bodies:
        first.learn(body)

    for body in bodies:
        second.take(body.replace(b'"n', b'"m'))

    assert 0 < len(second.columns._known._misses) <= known_shapes._SEEN_KEPT + 1
