"""How much is sent at once."""

from __future__ import annotations

from expvastic.outcomes.flow import PROBE, Flow


def rise(flow: Flow, answers: int) -> list[int]:
    lanes = []
    for _ in range(answers):
        flow.taken(was_full=True)
        lanes.append(flow.lanes)
    return lanes


def test_it_begins_with_one_batch_and_adds_one_for_each_that_is_taken() -> None:
    flow = Flow(4, 500)

    assert flow.lanes == 1
    assert rise(flow, 5) == [2, 3, 4, 4, 4]


def test_lanes_that_are_not_used_do_not_multiply() -> None:
    flow = Flow(4, 500)
    flow.taken(was_full=False)

    assert flow.lanes == 1


def test_being_pushed_back_halves_and_then_it_rises_with_care() -> None:
    flow = Flow(8, 500)
    rise(flow, 8)
    flow.pushed_back()

    assert flow.lanes == 4
    assert rise(flow, 9) == [4, 4, 4, 4, 5, 5, 5, 5, 5], "one more for each round of answers, not for each answer"


def test_a_failure_leaves_one_small_batch_that_doubles_as_it_is_taken() -> None:
    flow = Flow(8, 100)
    rise(flow, 8)
    flow.failed()
    after = (flow.lanes, flow.count)
    counts = []
    for _ in range(5):
        flow.taken(was_full=False)
        counts.append(flow.count)

    assert after == (1, PROBE)
    assert counts == [20, 40, 80, 100, 100]


def test_a_recorder_with_one_lane_never_has_more() -> None:
    flow = Flow(1, 5)
    rise(flow, 10)
    flow.pushed_back()

    assert (flow.lanes, flow.count) == (1, 5)
