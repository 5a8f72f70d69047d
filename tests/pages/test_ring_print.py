"""Rings told by their print: the same that reading them tells, or nothing."""

from __future__ import annotations

import random

import pytest

from expvastic.pages.ring_print import BETWEEN, RingPrint, read_rings
from expvastic.pages.rings import RING

START = 1_795_262_400_000_000_000


class Rings:
    """Those of a program, as Go prints them."""

    def __init__(self, collections: int = 0) -> None:
        self.durations, self.ends = ["0"] * RING, ["0"] * RING
        self.collections = 0
        for _ in range(collections):
            self.collect()

    def collect(self, duration: str = "") -> None:
        place = self.collections % RING
        self.collections += 1
        self.durations[place] = duration or str(self.collections * 37 % 1_009)
        self.ends[place] = str(START + self.collections * 1_000)

    @property
    def text(self) -> bytes:
        return b"[" + ",".join(self.durations).encode() + BETWEEN + ",".join(self.ends).encode() + b"]"

    def print(self) -> RingPrint:
        read = read_rings(self.text, self.collections)
        assert read is not None
        return read[2]


def test_rings_are_read() -> None:
    rings = Rings(300)

    read = read_rings(rings.text, 300)

    assert read is not None
    assert read[0] == [int(item) for item in rings.durations]
    assert read[1] == [int(item) for item in rings.ends]
    assert read[2].holds(rings.text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"[0,0,", b"[0,"),
        (b"[0,0,", b"[0,0,0,"),
        (b"[0,0,", b"[0,-1,"),
        (b"[0,0,", b"[0,1.5,"),
        (b"[0,0,", b"[0,null,"),
        (b"[0,0,", b"[0,9223372036854775808,"),
        (b'],"PauseEnd":[', b'],"PauseEnd": ['),
        (b'],"PauseEnd":[', b",0],["),
        (b"0]", b"0"),
    ],
)
def test_what_is_no_rings_is_not_read(old: bytes, new: bytes) -> None:
    assert read_rings(Rings().text.replace(old, new, 1), 0) is None


@pytest.mark.parametrize("new", [1, 2])
def test_new_collections_are_told_wherever_they_stand(new: int) -> None:
    told = 0
    for before in range(600):
        rings = Rings(before)
        known = rings.print()
        for _ in range(new):
            rings.collect()

        found = known.advance(rings.text, new, rings.collections)

        if found:
            places = [(number - 1) % RING for number in range(before + 1, before + new + 1)]
            durations = [int(rings.durations[place]) for place in places]
            assert found == ((durations, [int(rings.ends[place]) for place in places]), rings.print())
            told += 1
    assert told >= 600 - 2 * 3  # the end of the rings takes reading them


def test_more_than_two_take_reading_the_rings() -> None:
    rings = Rings(10)
    known = rings.print()
    for _ in range(3):
        rings.collect()

    assert known.advance(rings.text, 3, 13) is None


@pytest.mark.parametrize("new", [1, 2])
def test_rings_that_differ_anywhere_else_are_not_taken(new: int) -> None:
    draw = random.Random(new)
    rings = Rings(300)
    known = rings.print()
    for _ in range(new):
        rings.collect()
    text = rings.text
    found = known.advance(text, new, rings.collections)
    assert found is not None

    for _ in range(2_000):
        place, byte = draw.randrange(len(text)), draw.choice(b'0123456789,[]" -x')
        spoiled = text[:place] + bytes([byte]) + text[place + draw.choice((0, 1)) :]

        if other := known.advance(spoiled, new, rings.collections):
            assert read_rings(spoiled, rings.collections)
            assert other[1].holds(spoiled)


@pytest.mark.parametrize("odd", ["", "-1", "01", "1.5", "x", " 1", "9223372036854775808", "1" * 20, "[1]", "1]"])
def test_what_is_no_number_is_not_taken_for_a_pause(odd: str) -> None:
    rings = Rings(300)
    known = rings.print()
    rings.collect(odd or "7")
    text = rings.text if odd else rings.text.replace(b",7,", b",,")

    assert known.advance(text, 1, 301) is None


@pytest.mark.parametrize("text", [b"", b"[", b"[0]", BETWEEN, b"[1,2" + BETWEEN + b"3,4]"])
def test_another_text_is_not_taken(text: bytes) -> None:
    known = Rings(300).print()

    assert not known.holds(text)
    assert known.advance(text, 1, 301) is None
