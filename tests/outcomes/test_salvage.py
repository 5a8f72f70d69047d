"""Documents here are written as text, because it is their bytes that matter."""

import json
import random
import re
from collections.abc import Iterable

import msgspec
import pytest

from expvastic.datatypes import Container
from expvastic.outcomes.salvage import METADATA, REFUSED, ROUNDS, Salvage
from expvastic.recorders.elasticsearch.template import Features, build_mappings
from samples import make_container

HEAD = '"@timestamp":"2026-11-21T03:31:00.000000Z","event.duration":5,"service.name":"app","labels.env":"prod"'
RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])


def make(*members: str, head: str = HEAD) -> Container:
    return Container("id-1", 7, "app", ("{" + ",".join([head, *members]) + "}").encode())


def rescued(container: Container, field: str) -> Container:
    found = Salvage().rescue(container, field, 0.0)
    assert found is not None
    return found


def raw(container: Container) -> dict[str, bytes]:
    return {name: bytes(value) for name, value in RAW.decode(container.document).items()}


def refused(container: Container) -> list[str]:
    return list(json.loads(container.document).get(REFUSED, []))


def names(container: Container) -> list[str]:
    """What is left of a page."""
    return [name for name in raw(container) if name not in METADATA and name != REFUSED]


def learn(salvage: Salvage, container: Container, field: str, *, batches: int = 3, now: float = 0.0) -> None:
    for _ in range(batches):
        salvage.batch_ended([(container, field)], [], now)


# -- one document --


def test_the_refused_value_becomes_text_at_the_end_of_the_document() -> None:
    container = make('"expvar.a":1', '"expvar.b":2')

    assert rescued(container, "expvar.a").document == make('"expvar.b":2', f'"{REFUSED}":["expvar.a=1"]').document


def test_id_time_and_reader_stay() -> None:
    container = make_container(3, reader="other")
    found = rescued(container, "expvar.count")

    assert (found.id, found.time, found.reader) == (container.id, container.time, container.reader)


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        ("18446744073709551616", "expvar.a=18446744073709551616"),
        ("1.0", "expvar.a=1.0"),
        ("1", "expvar.a=1"),
        ("-2.50e-7", "expvar.a=-2.50e-7"),
        ("true", "expvar.a=true"),
        ('"text"', "expvar.a=text"),
        (r'"two\nlines \"quoted\" \u00e9"', 'expvar.a=two\nlines "quoted" é'),
        ("[1,2.0,18446744073709551616]", "expvar.a=[1,2.0,18446744073709551616]"),
        (r'["a","\n"]', r'expvar.a=["a","\n"]'),
        ('{"b":1}', 'expvar.a={"b":1}'),
        ("null", "expvar.a=null"),
    ],
)
def test_a_value_is_told_as_it_is_written_and_a_string_as_itself(value: str, entry: str) -> None:
    assert refused(rescued(make(f'"expvar.a":{value}'), "expvar.a")) == [entry]


@pytest.mark.parametrize(
    ("field", "gone"),
    [
        ("expvar.a.b", ["expvar.a.b"]),
        ("expvar.a", ["expvar.a.b", "expvar.a.c"]),
        ("expvar.d.e.f", ["expvar.d"]),
        ("expvar", ["expvar.a.b", "expvar.a.c", "expvar.ab", "expvar.d"]),
        ("labels", ["labels.env"]),
        ("labels.env", ["labels.env"]),
    ],
)
def test_the_field_named_may_be_a_member_or_above_or_below_one(field: str, gone: list[str]) -> None:
    container = make('"expvar.a.b":1', '"expvar.a.c":2', '"expvar.ab":3', '"expvar.d":4')

    assert set(raw(container)) - set(raw(rescued(container, field))) == set(gone)


@pytest.mark.parametrize("field", ["", "@timestamp", "service", "service.name", "event.duration", "nowhere", REFUSED])
def test_if_no_value_is_named_all_fields_that_the_template_does_not_have_go(field: str) -> None:
    found = rescued(make('"expvar.a":1', '"b":2'), field)

    assert list(raw(found)) == ["@timestamp", "event.duration", "service.name", REFUSED]
    assert refused(found) == ["labels.env=prod", "expvar.a=1", "b=2"]


def test_what_the_template_has_stays_and_is_what_salvage_takes_for_it() -> None:
    properties = build_mappings(Features())["properties"]

    assert isinstance(properties, dict)
    assert set(properties) - {REFUSED} == METADATA


def test_nothing_more_can_be_taken_out_of_a_document_without_values() -> None:
    bare = rescued(make('"expvar.a":1'), "")

    assert Salvage().rescue(bare, "", 0.0) is None
    assert Salvage().rescue(bare, "expvar.a", 0.0) is None


@pytest.mark.parametrize("document", [b"", b"[]", b"{", b'{"a":\xff}', b'{"\xff":1}', b'{"a":' + b"[" * 9_999])
def test_what_is_no_json_object_cannot_be_salvaged(document: bytes) -> None:
    assert Salvage().rescue(Container("id", 7, "app", document), "a", 0.0) is None


def test_text_that_is_not_utf_8_is_told_with_marks_in_its_place() -> None:
    found = rescued(Container("id", 7, "app", b'{"a":"x\xff","b":["\xfe"]}'), "")

    assert refused(found) == ['a="x�"', 'b=["�"]']


def test_a_second_refusal_is_told_behind_the_first() -> None:
    found = rescued(rescued(make('"expvar.a":1', '"expvar.b":2', '"expvar.c":3'), "expvar.b"), "expvar.a")

    assert names(found) == ["labels.env", "expvar.c"]
    assert refused(found) == ["expvar.b=2", "expvar.a=1"]


def test_a_value_of_the_page_that_has_our_name_is_told_first() -> None:
    found = rescued(make(f'"{REFUSED}":5', '"a":1'), "a")

    assert refused(found) == [f"{REFUSED}=5", "a=1"]


def test_what_is_told_already_but_cannot_be_read_is_told_as_text() -> None:
    found = rescued(Container("id", 7, "app", b'{"a":1,"%b":["\xff"]}' % REFUSED.encode()), "a")

    assert refused(found) == [f'{REFUSED}=["�"]', "a=1"]


def test_each_round_takes_out_something_so_that_rounds_end() -> None:
    container: Container | None = make(*(f'"expvar.{number}":{number}' for number in range(ROUNDS + 5)))
    lengths = []
    for number in range(ROUNDS):
        assert container is not None
        lengths.append(len(names(container)))
        container = Salvage().rescue(container, f"expvar.{number}" if number < ROUNDS - 1 else "", 0.0)

    assert lengths == sorted(set(lengths), reverse=True)
    assert container is not None
    assert names(container) == []
    assert len(refused(container)) == ROUNDS + 5 + len(["labels.env"])


def test_a_container_that_was_salvaged_has_no_typed_values_rather_than_wrong_ones() -> None:
    container = make_container(1, **{"expvar.a": 1, "expvar.b": 2.5})

    assert list(rescued(container, "expvar.a")) == []


# -- limits --


def test_an_entry_is_cut_to_what_a_keyword_keeps() -> None:
    entries = [*refused(rescued(make(f'"a":"{"x" * 5000}"'), "a")), *refused(rescued(make(f'"a":"{"😀" * 999}"'), "a"))]

    assert [len(entry.encode("utf-16-le")) // 2 for entry in entries] == [1024, 1024]
    assert entries[1] == "a=" + "😀" * 511


def test_a_character_of_two_units_is_not_cut_in_half() -> None:
    (entry,) = refused(rescued(make(f'"ab":"{"😀" * 999}"'), "ab"))

    assert entry == "ab=" + "😀" * 510


def test_at_most_256_entries_are_kept_and_the_last_tells_of_the_rest() -> None:
    found = rescued(make(*(f'"expvar.{number}":{number}' for number in range(300))), "expvar")

    assert len(refused(found)) == 256
    assert refused(found)[254:] == ["expvar.254=254", "… and 45 more"]


def test_all_entries_together_take_at_most_32_kilobytes() -> None:
    found = rescued(make(*(f'"expvar.{number}":"{"é" * 900}"' for number in range(100))), "expvar")
    entries = refused(found)

    assert 30_000 < len(raw(found)[REFUSED]) <= 32 * 1024
    assert entries[-1] == f"… and {100 - len(entries) + 1} more"


def test_the_rest_is_counted_on_through_rounds() -> None:
    found = make(*(f'"expvar.{group}.{number}":{number}' for group in "abc" for number in range(200)))
    last = []
    for group in "abc":
        found = rescued(found, f"expvar.{group}")
        last.append(refused(found)[-1])

    assert refused(found)[:200] == [f"expvar.a.{number}={number}" for number in range(200)]
    assert last == ["expvar.a.199=199", f"… and {400 - 255} more", f"… and {600 - 255} more"]


# -- any document --


def draw_value(draw: random.Random) -> str:
    return draw.choice(
        [
            *(str(draw.randrange(2**70)), "1", "1.0", "-0.0", "1e5", "18446744073709551616", "true", "false"),
            *("[1,2]", "[1.0,3]", '["a","b"]', '"é\\u00e9\\n"', '"' + "x" * draw.randrange(2000) + '"', '""'),
        ]
    )


def draw_name(draw: random.Random) -> str:
    parts = [draw.choice(["a", "b", "a]", "[x", 'q\\"', "é", " "]) for _ in range(draw.randrange(1, 4))]
    return draw.choice(["expvar.", "labels.", "", "json."]) + ".".join(parts)


@pytest.mark.parametrize("seed", range(40))
def test_no_other_members_bytes_ever_change_and_nothing_is_lost(seed: int) -> None:
    draw = random.Random(seed)
    members = {draw_name(draw): draw_value(draw) for _ in range(draw.randrange(1, 60))}
    container = make(*(f'"{name}":{value}' for name, value in members.items()))
    before = raw(container)
    told: list[str] = []
    rounds = 0
    while (found := Salvage().rescue(container, draw.choice([*before, "expvar", "nowhere", "a.b.c"]), 0.0)) is not None:
        rounds += 1
        after = raw(found)
        entries = refused(found)

        assert list(after)[-1] == REFUSED
        assert all(after[name] == before[name] for name in after if name != REFUSED)
        assert METADATA & before.keys() <= after.keys()
        assert len(after) < len(raw(container)) + (REFUSED not in raw(container))
        assert entries[: len(told)] == told or "more" in entries[-1]
        gone = before.keys() - after.keys()
        more = re.fullmatch(r"… and (\d+) more", entries[-1])
        assert len(gone) == (len(entries) - 1 + int(more[1]) if more else len(entries))
        told, container = entries, found
    assert rounds
    assert names(container) == []


# -- what is learned --


def test_nothing_is_done_to_a_container_while_nothing_is_known() -> None:
    container = Container("id", 7, "app", b"not even looked at")
    salvage = Salvage()

    assert salvage.prepare(container, 0.0) is container
    assert salvage.batch_ended([], [container], 0.0) == []


def test_a_value_refused_in_three_batches_running_is_taken_out_beforehand_for_ten_minutes() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1', '"expvar.b":2')
    learned = [salvage.batch_ended([(container, "expvar.a")], [], 100.0) for _ in range(3)]

    assert learned == [[], [], [("expvar.a", "integer")]]
    assert refused(salvage.prepare(container, 100.0)) == ["expvar.a=1"]
    assert refused(salvage.prepare(container, 699.9)) == ["expvar.a=1"]
    assert salvage.prepare(container, 700.0) is container


def test_two_batches_are_not_enough_however_often_they_refuse() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    for _ in range(2):
        salvage.batch_ended([(container, "expvar.a")] * 500, [], 0.0)

    assert salvage.prepare(container, 0.0) is container


@pytest.mark.parametrize(
    ("bad", "others"),
    [
        ("1", ["1.5", '"1"', "true", "[1]", "{}"]),
        ("1.5", ["1", '"1.5"']),
        ("1e5", ["100000"]),
        ('"x"', ["true", "1", '["x"]']),
        ("false", ['"false"', "0"]),
        ("[1]", ["1", "{}"]),
        ("{}", ["[]"]),
    ],
)
def test_only_values_of_the_same_kind_are_taken_out(bad: str, others: Iterable[str]) -> None:
    salvage = Salvage()
    learn(salvage, make(f'"expvar.a":{bad}'), "expvar.a")

    assert all(salvage.prepare(same, 0.0) is same for other in others if (same := make(f'"expvar.a":{other}')))
    assert names(salvage.prepare(make(f'"expvar.a":{bad}'), 0.0)) == ["labels.env"]


def test_a_container_without_the_bad_value_is_left_as_it_is() -> None:
    salvage = Salvage()
    learn(salvage, make('"expvar.a":1'), "expvar.a")
    other = make('"expvar.b":1')

    assert salvage.prepare(other, 0.0) is other


def test_a_value_accepted_with_its_kind_in_between_starts_the_count_afresh() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    learn(salvage, container, "expvar.a", batches=2)
    salvage.batch_ended([], [make('"expvar.b":0'), make('"expvar.a":7')], 0.0)
    learn(salvage, container, "expvar.a", batches=2)

    assert salvage.prepare(container, 0.0) is container


def test_a_value_accepted_with_another_kind_changes_nothing() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    learn(salvage, container, "expvar.a", batches=2)
    salvage.batch_ended([], [make('"expvar.a":"7"')], 0.0)
    learn(salvage, container, "expvar.a", batches=1)

    assert salvage.prepare(container, 0.0) is not container


def test_a_value_refused_and_accepted_in_one_batch_is_not_bad() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    for _ in range(5):
        salvage.batch_ended([(container, "expvar.a")], [make('"expvar.a":2'), make('"expvar.b":2')], 0.0)

    assert salvage.prepare(container, 0.0) is container


def test_a_batch_without_the_value_says_nothing_of_it() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    for _ in range(3):
        salvage.batch_ended([(container, "expvar.a")], [rescued(container, "expvar.a")], 0.0)
        salvage.batch_ended([], [make('"expvar.b":2')], 0.0)

    assert salvage.prepare(container, 0.0) is not container


def test_what_a_batch_sent_before_proves_good_is_not_taken_out_any_more() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    learn(salvage, container, "expvar.a")
    salvage.batch_ended([], [container], 0.0)

    assert salvage.prepare(container, 0.0) is container


def test_after_ten_minutes_it_takes_three_batches_again() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    learn(salvage, container, "expvar.a")
    learn(salvage, container, "expvar.a", batches=2, now=601.0)

    assert salvage.prepare(container, 601.0) is container

    learn(salvage, container, "expvar.a", batches=1, now=602.0)

    assert salvage.prepare(container, 602.0) is not container


def test_a_refusal_of_a_batch_sent_before_does_not_lengthen_the_ten_minutes() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    learn(salvage, container, "expvar.a")

    assert salvage.batch_ended([(container, "expvar.a")], [], 500.0) == []
    assert salvage.prepare(container, 600.0) is container


def test_refusals_ten_minutes_apart_do_not_add_up() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    for now in (0.0, 601.0, 1202.0, 1803.0):
        salvage.batch_ended([(container, "expvar.a")], [], now)

    assert salvage.prepare(container, 1803.0) is container


def test_all_that_a_named_path_means_is_learned() -> None:
    salvage = Salvage()
    container = make('"expvar.a.b":1', '"expvar.a.c":"x"', '"expvar.d":1')
    learn(salvage, container, "expvar.a")

    assert refused(salvage.prepare(container, 0.0)) == ["expvar.a.b=1", "expvar.a.c=x"]


@pytest.mark.parametrize("field", ["", "@timestamp", "nowhere"])
def test_nothing_is_learned_where_no_value_is_named(field: str) -> None:
    salvage = Salvage()
    container = make('"expvar.a":1')
    learn(salvage, container, field, batches=9)

    assert salvage.prepare(container, 0.0) is container


def test_a_rescue_takes_out_what_was_learned_meanwhile() -> None:
    salvage = Salvage()
    container = make('"expvar.a":1', '"expvar.b":2', '"expvar.c":3')
    learn(salvage, container, "expvar.a")
    found = salvage.rescue(container, "expvar.b", 0.0)

    assert found is not None
    assert refused(found) == ["expvar.a=1", "expvar.b=2"]


def test_a_thousand_values_are_watched_and_the_oldest_are_forgotten() -> None:
    salvage = Salvage()
    first, last = make('"expvar.0":1'), make('"expvar.1000":1')
    for _ in range(2):
        for number in range(1001):
            salvage.batch_ended([(make(f'"expvar.{number}":1'), f"expvar.{number}")], [], 0.0)
            if number == 500:
                salvage.batch_ended([(last, "expvar.1000")], [], 0.0)

    assert len(salvage._watched) <= 1000
    assert salvage.batch_ended([(first, "expvar.0")], [], 0.0) == []


def test_a_thousand_values_are_bad_at_most() -> None:
    salvage = Salvage()
    container = make(*(f'"expvar.{number}":1' for number in range(500)))
    for letter in "abcdef":
        learn(salvage, make(*(f'"{letter}.{number}":1' for number in range(500))), letter)
    learn(salvage, container, "expvar")

    assert len(salvage._bad) == 1000
    assert len(refused(salvage.prepare(container, 0.0))) == 256
