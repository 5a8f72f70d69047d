"""The views: /debug/vars, /metrics, /healthz, /readyz and the line of the minute."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import msgspec
import pytest

from expvastic.telemetry import ProcessStatistics
from expvastic.views.expvar import expvar
from expvastic.views.health import healthz, readyz
from expvastic.views.prometheus import prometheus
from expvastic.views.summary import summarise
from snapshots import STARTED, make_reader, make_recorder, make_snapshot

NASTY = 'a"b\\c\nd{e}é'


def page(**changes: Any) -> dict[str, Any]:
    return msgspec.json.decode(expvar(make_snapshot(**changes)), type=dict[str, Any])


def test_debug_vars_has_the_totals_at_the_top() -> None:
    found = page()

    assert found["Read Jobs"] == 100
    assert found["state"] == "running"


def test_debug_vars_has_readers_and_recorders_as_arrays_with_names() -> None:
    found = page(readers={NASTY: make_reader(), "b": make_reader(polls=7)})

    assert [(reader["name"], reader["polls"]) for reader in found["readers"]] == [(NASTY, 100), ("b", 7)]
    assert [recorder["name"] for recorder in found["recorders"]] == ["es"]
    assert found["recorders"][0]["refused_by_reason"] == [{"reason": "400 mapper_parsing_exception", "count": 2}]


def test_debug_vars_has_no_name_of_a_user_as_a_field_name() -> None:
    assert page().keys() == page(readers={NASTY: make_reader()}, recorders={NASTY: make_recorder()}).keys()


# -- metrics --

SAMPLE = re.compile(r'(expvastic_[a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)')


def samples(text: str) -> dict[str, float]:
    """Every series with its value; anything that is no sample or comment is an error."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert line.rpartition(" ")[0] not in found, line
            found[line.rpartition(" ")[0]] = float(match[3])
    return found


def test_metrics_are_named_and_labelled() -> None:
    found = samples(prometheus(make_snapshot()))

    assert found['expvastic_reader_polls_total{reader="app"}'] == 100
    assert found['expvastic_reader_failures_total{reader="app",reason="not_json"}'] == 3
    assert found['expvastic_recorder_refused_total{recorder="es",reason="400 mapper_parsing_exception"}'] == 2
    assert found["expvastic_process_cpu_seconds_total"] == 1.5
    assert found["expvastic_start_time_seconds"] == STARTED


def test_every_family_is_described_once_before_its_samples() -> None:
    text = prometheus(make_snapshot(readers={"a": make_reader(), "b": make_reader()}))

    described: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            described.append(line.split(" ")[2])
            assert line.split(" ", 3)[3]
        elif line.startswith("# TYPE "):
            assert line.split(" ")[2] == described[-1]
            assert line.split(" ")[3] == ("counter" if described[-1].endswith("_total") else "gauge")
        else:
            assert re.split(r"[ {]", line)[0] == described[-1]
    assert max(Counter(described).values()) == 1


def test_labels_are_escaped() -> None:
    text = prometheus(make_snapshot(readers={NASTY: make_reader()}, recorders={}))

    assert 'expvastic_reader_polls_total{reader="a\\"b\\\\c\\nd{e}é"} 100\n' in text
    assert samples(text)


def test_large_numbers_are_exact() -> None:
    text = prometheus(make_snapshot(recorders={"es": make_recorder(offered=2**53 + 1)}))

    assert 'expvastic_recorder_offered_total{recorder="es"} 9007199254740993\n' in text


@pytest.mark.parametrize("state", ["starting", "closed", "failing", "dropped", "probation", "held"])
def test_a_state_is_one_series_of_many(state: str) -> None:
    found = samples(prometheus(make_snapshot(recorders={"es": make_recorder(state=state)})))

    states = {name: value for name, value in found.items() if name.startswith("expvastic_recorder_state{")}
    assert len(states) == 6
    assert [name for name, value in states.items() if value] == [
        f'expvastic_recorder_state{{recorder="es",state="{state}"}}'
    ]


def test_a_family_without_samples_is_left_out() -> None:
    text = prometheus(make_snapshot(readers={}, recorders={}))

    assert "reader" not in text
    assert text.endswith("\n")


# -- health --


def test_healthz_tells_the_state() -> None:
    is_alive, body = healthz(make_snapshot())

    assert is_alive
    assert msgspec.json.decode(body) == {
        "state": "running",
        "version": "0.1.0",
        "uptime_seconds": 60.0,
    }


DROPPED = make_recorder(state="dropped")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"state": "starting"}, False),
        ({"state": "draining"}, False),
        ({"recorders": {"a": DROPPED}}, False),
        ({"recorders": {"a": DROPPED, "b": DROPPED}}, False),
        ({"recorders": {"a": DROPPED, "b": make_recorder()}}, True),
        ({"recorders": {"a": make_recorder(state="failing")}}, True),
        ({"recorders": {}}, True),
        ({"readers": {"a": make_reader(state="failing")}}, True),
    ],
)
def test_readyz_is_about_whether_samples_can_arrive(changes: dict[str, Any], expected: bool) -> None:
    is_ready, body = readyz(make_snapshot(**changes))

    assert is_ready is expected
    assert msgspec.json.decode(body)["ready"] is expected


def test_readyz_names_what_is_in_trouble() -> None:
    snapshot = make_snapshot(
        readers={"a": make_reader(), NASTY: make_reader(state="failing")},
        recorders={"es": DROPPED, "file": make_recorder()},
    )

    answer = msgspec.json.decode(readyz(snapshot)[1])

    assert answer == {
        "ready": True,
        "state": "running",
        "dropped_recorders": ["es"],
        "blocked_recorders": [],
        "failing_readers": [NASTY],
    }


def test_readyz_says_no_while_no_destination_takes_anything() -> None:
    snapshot = make_snapshot(recorders={"es": DROPPED, "other": make_recorder(is_blocked=True)})

    is_ready, body = readyz(snapshot)

    assert not is_ready
    assert msgspec.json.decode(body)["blocked_recorders"] == ["other"]


# -- the line of the minute --


def test_the_line_tells_what_happened_since_the_last_one() -> None:
    later = make_snapshot(
        process=ProcessStatistics(cpu=1.75, memory=65 * 2**20, threads=3, tasks=12),
        readers={"app": make_reader(polls=160, failures={"timeout": 4, "not_json": 3}, missed=2, containers=150)},
        recorders={
            "es": make_recorder(offered=153, recorded=140, shed={"full": 4, "aged": 1}, waiting=2, out=0, retried=9)
        },
    )

    assert summarise(make_snapshot(), later) == {
        "polls": 60,
        "failed": 2,
        "missed": 1,
        "containers": 55,
        "offered": 58,
        "recorded": 60,
        "refused": 0,
        "shed": 2,
        "retried": 0,
        "waiting": 2,
        "out": 0,
        "cpu_seconds": 0.25,
        "resident_mib": 65.0,
    }


def test_the_line_names_what_is_in_trouble_but_not_without_end() -> None:
    readers = {f"r{number}": make_reader(state="failing") for number in range(7)}

    fields = summarise(make_snapshot(), make_snapshot(readers=readers, recorders={"es": DROPPED}))

    assert fields["failing_readers"] == "r0, r1, r2, r3, r4 and 2 more"
    assert fields["dropped_recorders"] == "es"
