import pytest

from expvastic.outcomes.blame import Blame, Fault

DOCUMENT, UNDECIDED, DESTINATION = Fault.DOCUMENT, Fault.UNDECIDED, Fault.DESTINATION


def faults(*batches: tuple[str, int]) -> list[Fault]:
    """The judgement of each batch, given as the readers of what was refused (a letter each), and how many others."""
    blame = Blame()
    return [blame.judge(refused, recorded=recorded) for refused, recorded in batches]


def test_a_refusal_beside_something_recorded_is_the_documents_fault() -> None:
    assert faults(("a", 1), ("ab", 499)) == [DOCUMENT, DOCUMENT]


def test_three_wholly_refused_batches_of_two_readers_are_the_destinations_fault() -> None:
    assert faults(("ab", 0), ("ab", 0), ("ab", 0)) == [UNDECIDED, UNDECIDED, DESTINATION]


def test_the_two_readers_may_come_in_different_batches() -> None:
    assert faults(("a", 0), ("b", 0), ("a", 0))[-1] is DESTINATION


def test_three_wholly_refused_batches_of_one_reader_are_the_documents_fault() -> None:
    assert faults(("a", 0), ("aaa", 0), ("a", 0), ("a", 0)) == [UNDECIDED, UNDECIDED, DOCUMENT, DOCUMENT]


def test_the_readers_of_the_last_three_batches_count() -> None:
    assert faults(("a", 0), ("a", 0), ("a", 0), ("b", 0))[-1] is DESTINATION
    assert faults(("b", 0), ("a", 0), ("a", 2), ("a", 0), ("a", 0), ("a", 0))[-1] is DOCUMENT


@pytest.mark.parametrize("between", [("", 1), ("b", 1)])
def test_something_recorded_in_between_starts_the_count_afresh(between: tuple[str, int]) -> None:
    judged = faults(("ab", 0), ("ab", 0), between, ("ab", 0), ("ab", 0), ("ab", 0))

    assert judged[2:] == [DOCUMENT, UNDECIDED, UNDECIDED, DESTINATION]


def test_it_stays_the_destinations_fault_until_something_is_recorded() -> None:
    blame = Blame()
    for _ in range(3):
        blame.judge("ab", recorded=0)

    assert [blame.judge("a", recorded=0) for _ in range(5)] == [DESTINATION] * 5
    assert blame.is_destinations
    assert blame.judge("a", recorded=1) is DOCUMENT
    assert not blame.is_destinations
    assert blame.judge("ab", recorded=0) is UNDECIDED


def test_a_batch_in_which_nothing_was_refused_or_recorded_says_nothing() -> None:
    assert faults(("ab", 0), ("", 0), ("ab", 0), ("", 0), ("ab", 0), ("", 0)) == [
        *(UNDECIDED, UNDECIDED, UNDECIDED, UNDECIDED),
        *(DESTINATION, DESTINATION),
    ]
