import pytest

from expvastic.outcomes.circuit import Circuit, RetrySettings, State

RETRY = RetrySettings(initial=1.0, max=30.0)


def make(backoff: int = 3, draw: float = 1.0) -> Circuit:
    return Circuit(backoff, RETRY, draw=lambda: draw)


def dropped() -> Circuit:
    circuit = make()
    circuit.failed(lost=True)
    return circuit


def test_it_closes_at_the_first_delivery() -> None:
    circuit = make()

    assert circuit.delivered() is State.STARTING
    assert circuit.state is State.CLOSED


def test_failures_in_a_row_drop_the_recorder_at_the_limit() -> None:
    circuit = make(backoff=3)
    states = []
    for _ in range(3):
        circuit.failed()
        states.append(circuit.state)

    assert states == [State.FAILING, State.FAILING, State.DROPPED]
    assert circuit.drops == 1


def test_a_success_in_between_starts_the_count_afresh() -> None:
    circuit = make(backoff=2)
    circuit.failed()
    circuit.delivered()
    circuit.failed()

    assert circuit.state is State.FAILING


def test_a_lost_recorder_is_dropped_at_once() -> None:
    assert dropped().state is State.DROPPED


def test_a_dropped_recorder_that_is_entered_is_on_probation_and_rejoins_at_the_first_success() -> None:
    circuit = dropped()
    circuit.entered()

    assert circuit.state is State.PROBATION
    assert circuit.delivered() is State.PROBATION
    assert circuit.state is State.CLOSED
    assert circuit.failures == 0


def test_a_failure_on_probation_drops_again_and_is_no_new_drop() -> None:
    circuit = dropped()
    circuit.entered()
    circuit.failed()

    assert circuit.state is State.DROPPED
    assert circuit.drops == 1


def test_entering_means_nothing_unless_dropped() -> None:
    circuit = make()
    circuit.entered()

    assert circuit.state is State.STARTING


def test_pauses_double_up_to_the_longest() -> None:
    circuit = make(backoff=100)

    assert [circuit.failed() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_pauses_are_fully_jittered_before_the_drop_and_half_after() -> None:
    circuit = make(backoff=2, draw=0.0)

    assert circuit.failed() == 0.0
    assert circuit.failed() == 1.0


@pytest.mark.parametrize(("wish", "pause"), [(20.0, 20.0), (0.1, 1.0), (1e9, 600.0)])
def test_retry_after_is_honoured_within_reason(wish: float, pause: float) -> None:
    assert make().failed(retry_after=wish) == pause
