"""What any reader saw lately is known; what is long gone is not."""

from __future__ import annotations

from expvastic.pages.sightings import Sightings


def test_what_is_seen_again_was_seen() -> None:
    sightings = Sightings()

    assert [sightings.see(what) for what in "abab"] == [False, False, True, True]


def test_what_was_not_seen_for_long_is_forgotten() -> None:
    sightings = Sightings()
    sightings.see("gone")
    sightings.see("kept")

    for number in range(1_023):
        sightings.see("kept")
        sightings.see(number)

    assert sightings.see("kept")
    assert not sightings.see("gone")
