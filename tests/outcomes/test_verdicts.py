"""A batch is sorted by its verdicts, one object for many or one for each, and entered in the books."""

from __future__ import annotations

from expvastic.buffer import Record
from expvastic.outcomes.ledger import Ledger
from expvastic.outcomes.verdicts import Alike, Judged, Verdicts
from expvastic.recorder import Outcome, Verdict
from fakes import Log
from samples import make_containers

STORED = Verdict(Outcome.RECORDED, destination="stream")
FAILURE_STORE = Verdict(Outcome.RECORDED, reason="failure_store", destination="stream")
BLOCKED = Verdict(Outcome.BLOCKED, reason="403", destination="stream")


def records(count: int) -> list[Record]:
    return [Record(container, number, 0.0) for number, container in enumerate(make_containers(count))]


def test_what_is_plainly_recorded_is_counted_once_each_among_what_is_not() -> None:
    ledger, log = Ledger(), Log()
    verdicts = [STORED, STORED, STORED, FAILURE_STORE, STORED, STORED, Verdict(Outcome.RECORDED), STORED]
    judged = [Judged(record, verdict) for record, verdict in zip(records(8), verdicts, strict=True)]
    judged[2] = judged[2]._replace(is_salvaged=True)

    batch = Verdicts(ledger, log).sort(judged)  # type: ignore[arg-type]

    assert batch.settled == [each.record for each in judged]
    assert ledger.totals["recorded"] == 8
    assert (ledger.totals["failure_store"], ledger.totals["salvaged"]) == (1, 1)


def test_a_destination_is_open_again_with_the_first_that_is_recorded_after_it_was_blocked() -> None:
    log = Log()
    verdicts = [STORED, STORED, BLOCKED, STORED, STORED]
    judged = [Judged(record, verdict) for record, verdict in zip(records(5), verdicts, strict=True)]

    batch = Verdicts(Ledger(), log).sort(judged)  # type: ignore[arg-type]

    assert (len(batch.settled), len(batch.blocked)) == (4, 1)
    assert log.said() == ["destination blocked", "destination open again"]


def test_a_batch_that_is_all_alike_gives_the_same_books_as_record_by_record() -> None:
    batch = [Record(container, number, 0.0) for number, container in enumerate(make_containers(150))]  # over minutes
    together, one_by_one = Ledger(lambda: 1_795_231_860.0), Ledger(lambda: 1_795_231_860.0)
    together.keeps_changes = one_by_one.keeps_changes = True

    found = Verdicts(together, Log()).sort(Alike(batch, STORED))  # type: ignore[arg-type]
    other = Verdicts(one_by_one, Log()).sort(Alike(batch, STORED).spread())  # type: ignore[arg-type]

    assert found == other
    assert found.settled == batch
    assert together.dump() == one_by_one.dump()
    assert together.totals["recorded"] == 150
    assert len([*together.minutes.rows("app")]) > 1


def test_a_destination_is_open_again_with_a_batch_that_is_all_alike() -> None:
    log = Log()
    verdicts = Verdicts(Ledger(), log)  # type: ignore[arg-type]
    verdicts.sort([Judged(record, BLOCKED) for record in records(1)])

    verdicts.sort(Alike(records(2), Verdict(Outcome.RECORDED, destination="another")))
    before = log.said()
    verdicts.sort(Alike(records(2), STORED))

    assert before == ["destination blocked"]
    assert log.said() == ["destination blocked", "destination open again"]
