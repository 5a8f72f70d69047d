"""The process, its readers and its recorders as names and numbers."""

from __future__ import annotations

import pytest

from expvastic.accounts import lag_seconds, process_fields, reader_fields, recorder_fields
from snapshots import STARTED, make_reader, make_recorder, make_snapshot


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Readers", 2),
        ("Recorders", 2),
        ("Read Jobs", 110),
        ("Record Jobs", 22),
        ("Errored Jobs", 5 + 1 + 2 * 5),
        ("Records Distributed", 190),
        ("DataType Objects", 91 + 4),
        ("DataType Objects Errors", 11 + 2),
        ("Unidentified JSON Count", 3),
        ("StringType Count", 8),
        ("FloatType Count", 75 + 3),
        ("GCListType Count", 4),
        ("ByteType Count", 5),
        ("Expvar Reads", 95),
        ("ElasticSearch Records", 80),
    ],
)
def test_totals_bear_the_ancestors_names(name: str, value: int) -> None:
    other = make_reader(
        type="http",
        polls=10,
        readings=9,
        failures={"refused": 1},
        values={"integer": 3, "string": 1},
        left_out={"null": 2},
    )
    file = make_recorder(type="file")
    snapshot = make_snapshot(
        readers={"app": make_reader(), "other": other}, recorders={"es": make_recorder(), "file": file}
    )

    assert process_fields(snapshot)[name] == value


def test_the_process_says_what_it_costs_and_how_it_stands() -> None:
    fields = process_fields(make_snapshot(state="draining"))

    assert {name: fields[name] for name in ("state", "cpu_seconds", "resident_bytes", "uptime_seconds", "tasks")} == {
        "state": "draining",
        "cpu_seconds": 1.5,
        "resident_bytes": 64 * 2**20,
        "uptime_seconds": 60.0,
        "tasks": 12,
    }


def test_the_law_can_be_checked_from_a_recorders_fields() -> None:
    fields = recorder_fields(make_recorder())

    settled = [fields[name] for name in ("recorded", "refused", "shed", "waiting", "out")]
    assert fields["offered"] == sum(number for number in settled if isinstance(number, int)) == 95


@pytest.mark.parametrize(
    ("waiting", "out", "last_success", "lag"),
    [(3, 0, STARTED + 20, 40.0), (0, 1, STARTED + 20, 40.0), (0, 0, STARTED, 0.0), (1, 0, 0.0, 60.0), (1, 0, 9e9, 0.0)],
)
def test_a_recorder_lags_from_its_last_success_while_something_is_there_for_it(
    waiting: int, out: int, last_success: float, lag: float
) -> None:
    recorder = make_recorder(waiting=waiting, out=out, last_success=last_success)

    assert lag_seconds(recorder, STARTED + 60, STARTED) == lag


def test_a_clock_that_stepped_back_gives_no_negative_uptime() -> None:
    assert process_fields(make_snapshot(time=STARTED - 5))["uptime_seconds"] == 0.0


def test_a_process_without_readers_has_zeros() -> None:
    fields = process_fields(make_snapshot(readers={}, recorders={}))

    assert fields["Read Jobs"] == 0
    assert fields["FloatType Count"] == 0


def test_what_never_was_is_left_out() -> None:
    reader = reader_fields(make_reader(last_success=0.0))
    recorder = recorder_fields(make_recorder(last_success=0.0))

    assert not {"last_success", "failing_since", "last_error"} & {*reader, *recorder}


def test_what_went_wrong_is_told() -> None:
    fields = reader_fields(make_reader(state="failing", failing_since=STARTED, last_error="connection refused"))

    assert (fields["state"], fields["failing_since"], fields["last_error"]) == (
        "failing",
        STARTED,
        "connection refused",
    )


def test_what_a_server_refused_for_is_no_field_name() -> None:
    fields = recorder_fields(make_recorder(refused={"hostile.name": 1, "other": 2}))

    assert fields["refused"] == 3
    assert "hostile" not in repr(fields)
