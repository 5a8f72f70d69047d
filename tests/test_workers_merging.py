"""Numbers of several lives and of several processes: what counts never falls, and the law holds for the sums."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from expvastic import __version__
from expvastic.errors import ExpvasticError
from expvastic.outcomes.minutes import Row
from expvastic.telemetry import DeliveryStatistics, Snapshot, WorkerStatistics
from expvastic.views.expvar import expvar
from expvastic.views.health import healthz, readyz
from expvastic.views.prometheus import prometheus
from expvastic.workers.merging import after, beside, ended
from expvastic.workers.messages import HEAD, Ending, Report, decode_config, decode_report, encode_report, length_of
from snapshots import make_reader, make_recorder, make_snapshot


def balanced(**changes: Any) -> DeliveryStatistics:
    given = {"offered": 95, "recorded": 80, "refused": {"400": 2}, "shed": {"full": 3}, "waiting": 6, "out": 4}
    return make_recorder(**given | changes)


def worker(number: int, snapshot: Snapshot | None, state: str = "running") -> WorkerStatistics:
    return WorkerStatistics(number, state, 1000 + number, 0, snapshot)


def together(*snapshots: Snapshot, order: tuple[str, ...] = ("a", "b", "own")) -> Snapshot:
    own = make_snapshot(agent_id="", readers={}, recorders={})
    return beside(own, [worker(number, snapshot) for number, snapshot in enumerate(snapshots)], order)


# -- the end of a life --


def test_what_was_in_memory_is_lost_with_a_process_and_counted_as_shed() -> None:
    left, lost = ended(make_snapshot(recorders={"es": balanced()}))

    assert lost == 10
    assert left.recorders["es"].shed == {"full": 3, "lost_at_exit": 10}
    assert left.recorders["es"].is_balanced
    assert (left.process.memory, left.readers["app"].state) == (0, "starting")


def test_what_is_on_the_disk_is_not() -> None:
    left, lost = ended(make_snapshot(recorders={"es": balanced(is_durable=True)}))

    assert lost == 0
    assert (left.recorders["es"].waiting, left.recorders["es"].out) == (6, 4)


# -- several lives --


def test_a_life_goes_on_counting_where_the_last_one_ended() -> None:
    left, _ = ended(make_snapshot(recorders={"es": balanced()}))
    young = make_snapshot(
        readers={"app": make_reader(polls=1, failures={"timeout": 1, "status": 1})},
        recorders={"es": balanced(offered=1, recorded=1, refused={}, shed={}, waiting=0, out=0, batches=1)},
    )
    found = after(left, young)
    reader, recorder = found.readers["app"], found.recorders["es"]

    assert (reader.polls, reader.failures) == (101, {"timeout": 3, "not_json": 3, "status": 1})
    assert (recorder.offered, recorder.recorded, recorder.batches) == (96, 81, 12)
    assert recorder.is_balanced
    assert found.process.cpu == 3.0
    assert found.process.memory == young.process.memory


def test_a_ledger_on_the_disk_is_not_counted_twice() -> None:
    left, _ = ended(make_snapshot(recorders={"es": balanced(is_durable=True)}))
    young = make_snapshot(recorders={"es": balanced(is_durable=True, recorded=83, waiting=3, batches=1)})
    recorder = after(left, young).recorders["es"]

    assert (recorder.offered, recorder.recorded, recorder.waiting) == (95, 83, 3)
    assert recorder.batches == 12
    assert recorder.is_balanced


# -- several processes --


def test_readers_are_put_together_in_their_order_and_say_who_polls_them() -> None:
    found = together(make_snapshot(readers={"b": make_reader()}), make_snapshot(readers={"a": make_reader()}))

    assert [(name, reader.worker) for name, reader in found.readers.items()] == [("a", 1), ("b", 0)]


def test_a_reader_that_all_have_is_summed_up() -> None:
    found = together(
        make_snapshot(readers={"own": make_reader(polls=3)}),
        make_snapshot(readers={"own": make_reader(polls=4, state="failing", last_error="no")}),
    )
    own = found.readers["own"]

    assert (own.polls, own.worker, own.state, own.last_error) == (7, None, "failing", "no")


def test_recorders_are_summed_up_and_stand_as_the_worst_does() -> None:
    minutes = {29_920_531: Row(3, 2, 0, 0, 0)}
    found = together(
        make_snapshot(recorders={"es": balanced(minutes=minutes)}),
        make_snapshot(recorders={"es": balanced(state="dropped", last_error="gone", minutes=minutes)}),
        make_snapshot(recorders={"es": balanced(destination="elsewhere")}),
    )
    recorder = found.recorders["es"]

    assert (recorder.offered, recorder.waiting, recorder.lanes) == (285, 18, 3)
    assert recorder.refused == {"400": 6}
    assert (recorder.state, recorder.last_error) == ("dropped", "gone")
    assert recorder.minutes == {29_920_531: Row(6, 4, 0, 0, 0)}
    assert recorder.destination == f"{balanced().destination}, elsewhere"
    assert recorder.is_balanced


def test_what_processes_cost_is_summed_up_with_the_supervisor() -> None:
    found = together(make_snapshot(), make_snapshot())

    assert (found.process.cpu, found.process.threads) == (4.5, 9)


def test_a_worker_that_never_told_anything_has_no_part_in_the_numbers() -> None:
    own = make_snapshot(readers={}, recorders={})
    found = beside(own, [worker(0, None, "starting"), worker(1, make_snapshot())], ["app"])

    assert found.readers["app"].polls == 100
    assert readyz(found)[0] is False
    assert 'expvastic_worker_info{worker="1"' in prometheus(found)
    assert 'expvastic_worker_info{worker="0"' not in prometheus(found)
    assert [each["state"] for each in msgspec.json.decode(expvar(found))["workers"]] == ["starting", "running"]


# -- readiness --


@pytest.mark.parametrize(
    ("state", "alive", "ready"),
    [("running", True, True), ("starting", True, False), ("missing", False, False), ("draining", True, False)],
)
def test_it_is_ready_when_all_workers_are_and_alive_unless_one_is_missing(state: str, alive: bool, ready: bool) -> None:
    found = beside(make_snapshot(), [worker(0, make_snapshot()), worker(1, make_snapshot(), state)], ["app"])

    assert (healthz(found)[0], readyz(found)[0]) == (alive, ready)


def test_one_worker_of_whom_nothing_is_taken_is_enough_not_to_be_ready() -> None:
    well = make_snapshot(recorders={"a": balanced(), "b": balanced()})
    half = make_snapshot(recorders={"a": balanced(state="dropped"), "b": balanced()})
    other_half = make_snapshot(recorders={"a": balanced(), "b": balanced(is_blocked=True)})
    cut_off = make_snapshot(recorders={"a": balanced(state="dropped"), "b": balanced(is_blocked=True)})

    assert readyz(together(half, other_half))[0]
    assert not readyz(together(well, cut_off))[0]


# -- messages --


def test_a_report_comes_out_as_it_went_in() -> None:
    report = Report(make_snapshot(recorders={"es": balanced(minutes={1: Row(1, 1, 0, 0, 0)})}), Ending(2, 3))
    frame = encode_report(report)

    assert length_of(frame[:HEAD]) == len(frame) - HEAD
    assert decode_report(frame[HEAD:]) == report


def test_a_configuration_of_another_version_is_refused_in_one_line() -> None:
    with pytest.raises(ExpvasticError, match=f"this is version {__version__} now, and another one runs; restart"):
        decode_config(b"0.0.1\nwhatever")
