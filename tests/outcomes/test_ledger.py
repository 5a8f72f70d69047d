"""The books of a delivery: in all, and by reader and minute; told in changes and restored from them."""

from __future__ import annotations

import random
import zlib
from collections import Counter

import msgspec
import pytest

from expvastic.outcomes.ledger import Ledger
from expvastic.outcomes.minutes import MINUTE, Minutes, Row

NOW = 1_795_231_860.0
MOMENT = int(NOW * 1e6)
THIS = MOMENT // MINUTE


class Wall:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def books(ledger: Ledger) -> tuple[object, ...]:
    rows = {reader: list(ledger.minutes.rows(reader)) for reader in ("", "a", "b")}
    return dict(ledger.totals), dict(ledger.refused), dict(ledger.shed), rows


def test_what_becomes_of_containers_is_counted_in_all_and_by_minute() -> None:
    ledger = Ledger(Wall())
    ledger.offer("a", MOMENT, 4)
    ledger.record("a", MOMENT)
    ledger.record("a", MOMENT, "conflicts")
    ledger.refuse("a", MOMENT, "400 x")
    ledger.lose("a", MOMENT, "full", was_stored=True)

    assert ledger.minutes.row(THIS, "a") == ledger.minutes.row(THIS) == Row(4, 2, 1, 1, 1)
    assert ledger.settled == ledger.totals["offered"] == 4


def test_what_was_never_stored_is_offered_by_being_lost() -> None:
    ledger = Ledger(Wall())
    ledger.lose("a", MOMENT, "full", was_stored=False)

    assert (ledger.totals["offered"], ledger.shed["full"]) == (1, 1)


def test_reasons_from_outside_are_bounded() -> None:
    ledger = Ledger(Wall())
    news = [ledger.refuse("a", MOMENT, f"reason {number}") for number in range(150)]

    assert len(ledger.refused) == 101
    assert ledger.refused.total() == 150
    assert news.count(True) == 101


def test_changes_make_the_same_books_of_the_same_beginning() -> None:
    draw = random.Random(5)
    ledger, copy = Ledger(Wall()), Ledger(Wall())
    ledger.keeps_changes = True
    for step in range(500):
        reader, moment = draw.choice("ab"), MOMENT - draw.randrange(100) * MINUTE
        match draw.randrange(5):
            case 0:
                ledger.offer(reader, moment)
                copy.offer(reader, moment)  # told by what is stored
            case 1:
                ledger.record(reader, moment, draw.choice(["", "duplicates", "shared"]))
            case 2:
                ledger.refuse(reader, moment, draw.choice("xyz"))
            case 3:
                ledger.lose(reader, moment, "full", was_stored=draw.random() < 0.5)
            case 4:
                ledger.count("retried", 3)
        if step % 7 == 0:
            copy.apply_changes(ledger.take_changes() or b"\x90")
        if step == 300:
            copy.apply_changes(ledger.take_changes() or b"\x90")
            restored = Ledger(Wall())
            restored.restore(copy.dump())
            copy = restored
    copy.apply_changes(ledger.take_changes() or b"\x90")

    assert books(copy) == books(ledger)
    assert ledger.take_changes() == b""


def test_a_dump_tells_all_changes() -> None:
    ledger = Ledger(Wall())
    ledger.keeps_changes = True
    ledger.record("a", MOMENT)
    ledger.dump()

    assert ledger.take_changes() == b""


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x80", b"\x93\x01\x02\x03"])
def test_garbage_is_no_books(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="no books"):
        Ledger(Wall()).restore(garbage)
    with pytest.raises(ValueError, match="no books"):
        Ledger(Wall()).apply_changes(garbage)


@pytest.mark.parametrize("garbage", [b"", b"garbage", zlib.compress(b"garbage"), zlib.compress(b"\x80")])
@pytest.mark.parametrize("place", ["readers", "counts"])
def test_what_readers_had_is_nothing_where_it_is_garbage_and_the_sums_stand(place: str, garbage: bytes) -> None:
    ledger = Ledger(Wall())
    ledger.offer("a", MOMENT, 3)
    books = msgspec.msgpack.decode(ledger.dump(), strict=False)
    readers, minutes = books["minutes"][THIS // 60]
    sums, _ = minutes[THIS]
    hour = [garbage, minutes] if place == "readers" else [readers, {THIS: [sums, garbage]}]
    books["minutes"] = {THIS // 60: hour}

    restored = Ledger(Wall())
    restored.restore(msgspec.msgpack.encode(books))

    assert restored.minutes.row(THIS) == Row(offered=3)
    assert restored.minutes.row(THIS, "a") == Row()
    restored.offer("a", MOMENT)
    assert restored.minutes.row(THIS, "a") == Row(offered=1)


def test_minutes_of_another_form_are_no_books() -> None:
    ledger = Ledger(Wall())
    books = msgspec.msgpack.decode(ledger.dump())
    books["minutes"] = {"a": {THIS // 60: b""}}

    with pytest.raises(ValueError, match="no books"):
        Ledger(Wall()).restore(msgspec.msgpack.encode(books))


def test_books_agree_again_where_the_disk_lost_what_was_offered() -> None:
    ledger = Ledger(Wall())
    ledger.offer("a", MOMENT, 2)
    for _ in range(5):
        ledger.record("a", MOMENT)

    assert ledger.reconcile(waiting=1) == 4
    assert ledger.totals["offered"] == ledger.settled + 1


def test_minutes_are_kept_for_a_day_and_no_longer() -> None:
    wall = Wall()
    minutes = Minutes(wall)
    minutes.add("offered", "a", THIS)
    wall.now += 23 * 3600
    minutes.add("offered", "a", THIS + 23 * 60)
    after_a_day = minutes.row(THIS, "a")
    wall.now += 3 * 3600
    minutes.add("offered", "a", THIS + 26 * 60)

    assert after_a_day == Row(offered=1)
    assert [minute for minute, _ in minutes.rows("a")] == [THIS + 23 * 60, THIS + 26 * 60]


@pytest.mark.parametrize("minute", [0, THIS - 24 * 60, THIS + 61, THIS + 10**9])
def test_times_outside_of_the_day_take_no_room(minute: int) -> None:
    minutes = Minutes(Wall())
    minutes.add("offered", "a", minute)

    assert list(minutes.rows()) == []
    assert minutes.dump() == {}


def test_an_hour_that_was_put_away_can_be_counted_in_again() -> None:
    wall = Wall()
    minutes = Minutes(wall)
    minutes.add("offered", "a", THIS, 7)
    wall.now += 5 * 3600
    minutes.add("offered", "b", THIS + 5 * 60)
    minutes.add("recorded", "a", THIS, 7)

    assert minutes.row(THIS, "a") == minutes.row(THIS) == Row(offered=7, recorded=7)


def test_the_latest_minutes_are_those_up_to_now() -> None:
    minutes = Minutes(Wall())
    for minute in (THIS - 20, THIS - 3, THIS, THIS + 5):
        minutes.add("offered", "a", minute)

    assert list(minutes.latest(10)) == [THIS - 3, THIS]


def test_a_batch_that_is_recorded_gives_the_same_books_and_changes_as_each_of_its_containers() -> None:
    one_by_one, together = Ledger(Wall()), Ledger(Wall())
    one_by_one.keeps_changes = together.keeps_changes = True
    ago = MOMENT - 30 * 60 * 60_000_000  # not of the day that is kept
    for reader, moment in [("a", MOMENT), ("a", MOMENT + MINUTE), ("b", MOMENT), ("a", MOMENT), ("b", ago)]:
        one_by_one.record(reader, moment)
    together.record_all(THIS, ["a", "b", "a"])
    together.record_all(THIS + 1, ["a"])
    together.record_all(ago // MINUTE, ["b"])

    assert books(together) == books(one_by_one)
    assert together.take_changes() == one_by_one.take_changes() != b""


def test_many_readers_and_minutes_are_the_same_when_they_were_packed_and_dumped() -> None:
    wall, draw = Wall(), random.Random(3)
    minutes, plain = Minutes(wall), Counter[tuple[str, int, str]]()
    for step in range(30_000):
        reader, column = f"reader-{draw.randrange(900)}", draw.choice(["offered", "recorded", "shed"])
        minute = THIS - draw.randrange(90) if step % 5 else THIS
        minutes.add(column, reader, minute)
        plain[reader, minute, column] += 1
        if step % 10_000 == 7:
            dumped, minutes = minutes.dump(), Minutes(wall)
            minutes.restore(dumped)

    for minute in range(THIS - 90, THIS + 1):
        for reader in ("reader-1", "reader-899"):
            assert minutes.row(minute, reader)._asdict() == {
                column: plain[reader, minute, column] for column in Row._fields
            }
        sums = {column: sum(plain[f"reader-{n}", minute, column] for n in range(900)) for column in Row._fields}
        assert minutes.row(minute)._asdict() == sums
    assert [minute for minute, _ in minutes.rows()] == sorted({minute for _, minute, _ in plain})


def test_a_day_of_many_readers_takes_little_room() -> None:
    wall = Wall()
    minutes = Minutes(wall)
    readers = [f"reader-{number}" for number in range(1_000)]
    for minute in range(THIS, THIS + 24 * 60):
        wall.now = minute * 60.0
        for column in ("offered", "recorded"):
            minutes.add_all(column, minute, readers * 6)

    assert len(msgspec.msgpack.encode(minutes.dump())) < 250_000


def test_readers_that_are_no_more_are_forgotten_with_the_day() -> None:
    wall = Wall()
    minutes = Minutes(wall)
    for hour in range(60):
        wall.now = NOW + hour * 3600
        for number in range(50):
            minutes.add("offered", f"{hour}-{number}", THIS + hour * 60)

    assert b"0-1" not in msgspec.msgpack.encode(minutes.dump())
    assert len(minutes.dump()) <= 26
