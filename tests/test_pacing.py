import itertools
import math

import pytest

from expvastic.pacing import LONGEST_PAUSE, Pacer, offsets


def make(interval: float = 10.0, backoff: int = 3, ticks: float = math.inf, draw: float = 1.0) -> Pacer:
    return Pacer(interval, backoff, start=100.0, ticks=ticks, draw=lambda: draw)


def test_polls_start_on_a_grid_however_long_they_take() -> None:
    pacer = make()

    assert [pacer.due, pacer.advance(103.0, 0), pacer.advance(119.9, 0), pacer.advance(121.0, 0)] == [
        100,
        110,
        120,
        130,
    ]
    assert pacer.missed == 0


def test_a_late_tick_starts_at_once() -> None:
    pacer = make()

    assert pacer.advance(115.0, 0) == 110.0
    assert pacer.missed == 0


def test_a_tick_is_missed_if_its_poll_has_not_started_when_the_next_is_due() -> None:
    pacer = make()

    assert pacer.advance(125.0, 0) == 120.0
    assert pacer.missed == 1
    assert pacer.advance(126.0, 0) == 130.0


def test_after_a_suspend_there_is_one_poll_and_the_rest_is_missed() -> None:
    pacer = make()
    pacer.advance(101.0, 0)

    assert pacer.advance(3_705.0, 0) == 3_700.0
    assert pacer.missed == 358
    assert pacer.advance(3_706.0, 0) == 3_710.0
    assert pacer.missed == 358


def test_failures_below_the_limit_change_nothing() -> None:
    assert make(backoff=3).advance(101.0, 2) == 110.0


def test_a_failing_reader_is_polled_exponentially_less_up_to_the_cap() -> None:
    pacer = make(backoff=3)
    pauses = []
    now = 101.0
    for failures in range(3, 12):
        due = pacer.advance(now, failures)
        pauses.append(due - now)
        now = due

    assert pauses[:4] == [29.0, 40.0, 80.0, 160.0]
    assert max(pauses) == LONGEST_PAUSE
    assert pacer.missed == 0


def test_the_pauses_have_jitter() -> None:
    assert make(draw=0.0).advance(101.0, 3) == 120.0
    assert make(draw=1.0).advance(101.0, 3) == 130.0


def test_after_the_first_success_polls_return_to_the_grid() -> None:
    pacer = make()
    due = pacer.advance(101.0, 6)

    assert pacer.advance(due + 0.5, 0) == due + 10.0
    assert pacer.missed == 0


def test_an_interval_above_the_cap_is_not_shortened() -> None:
    assert make(interval=3_600.0, draw=0.0).advance(101.0, 50) == 3_700.0


def test_many_failures_do_not_overflow() -> None:
    assert make().advance(101.0, 10**6) <= 101.0 + LONGEST_PAUSE + 10.0


def test_a_limited_number_of_ticks_ends() -> None:
    assert make(ticks=1).advance(101.0, 0) == math.inf


@pytest.mark.parametrize("failures", [0, 5])
def test_the_end_holds_for_failing_readers_too(failures: int) -> None:
    assert make(ticks=2).advance(1_000.0, failures) == math.inf


def test_readers_of_one_interval_are_spread_over_it_and_the_first_starts_at_once() -> None:
    assert offsets({"a": 10.0, "b": 5.0, "c": 10.0, "d": 10.0, "e": 10.0}) == {
        "a": 0.0,
        "c": 2.5,
        "d": 5.0,
        "e": 7.5,
        "b": 0.0,
    }


def test_more_readers_than_can_begin_in_one_interval_share_out_several() -> None:
    waits = [*offsets({f"{number}": 1.0 for number in range(6_000)}).values()]

    assert waits == sorted(waits)
    assert 2.99 < waits[-1] < 3
    phases = sorted(round(wait % 1, 9) % 1 for wait in waits)
    assert all(later - earlier < 0.001 for earlier, later in itertools.pairwise(phases))


def test_readers_of_several_intervals_begin_slowly_enough_in_sum() -> None:
    waits = offsets({f"{number}": (1.0, 2.0, 5.0, 10.0)[number % 4] for number in range(10_000)})

    assert sum(wait < 1 for wait in waits.values()) <= 2_500


@pytest.mark.parametrize("count", [1, 2_499, 2_500])
def test_those_that_can_begin_in_one_interval_do(count: int) -> None:
    waits = [*offsets({f"{number}": 1.0 for number in range(count)}).values()]

    assert waits == [number / count for number in range(count)]


def test_ticks_that_passed_before_a_poll_could_start_are_missed() -> None:
    pacer = make()
    pacer.advance(101.0, 0)
    pacer.catch_up(3_705.0)

    assert pacer.missed == 359
    assert pacer.due == 3_700.0
    assert pacer.advance(3_706.0, 0) == 3_710.0
    assert pacer.missed == 359


def test_a_poll_that_starts_in_time_has_nothing_to_catch_up_with() -> None:
    pacer = make()
    pacer.catch_up(109.9)

    assert (pacer.due, pacer.missed) == (100.0, 0)
