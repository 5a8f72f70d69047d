"""What is remembered of where documents went, and for how long."""

from __future__ import annotations

from expvastic.recorders.elasticsearch.whereabouts import Whereabouts


def test_what_is_no_stream_is_asked_about_once_a_minute() -> None:
    now = 100.0
    whereabouts = Whereabouts(lambda: now)
    whereabouts.found_no_stream("plain")
    known = [whereabouts.needs_no_search(name) for name in ("plain", "other")]
    now += 61

    assert known == [True, False]
    assert not whereabouts.needs_no_search("plain")


def test_an_index_that_is_away_is_waited_for_but_not_for_ever() -> None:
    times = iter([0.0, 0.0, 300.0, 300.0, 601.0, 601.0, 700.0, 700.0])
    whereabouts = Whereabouts(lambda: next(times))

    away = [whereabouts.is_away("lost") for _ in range(3)]
    whereabouts.was_searched("lost")

    assert away == [False, False, True]
    assert not whereabouts.is_away("lost")


def test_the_oldest_destinations_are_forgotten() -> None:
    whereabouts = Whereabouts()
    for number in range(4_001):
        whereabouts.saw([(f"app-{number}", f".ds-app-{number}")])

    assert [whereabouts.last(name) for name in ("app-0", "app-1", "app-4000")] == ["", ".ds-app-1", ".ds-app-4000"]
