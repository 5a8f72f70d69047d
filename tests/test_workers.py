"""Several processes with one status: each reader is polled by one, and whatever ends is started again or ends all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from expvastic.shards import owner
from program import Program, command
from serial_pages import pages, samples
from working import NAMES, ask, configuration, free_port, is_gone, pids, recorded, start, to_file, wait_until_gone

Served = tuple[int, Counter[str]]


@pytest.fixture
def served() -> Iterator[Served]:
    with pages() as found:
        yield found


def are_polled(count: Counter[str], times: int) -> bool:
    return all(count[f"/{name}"] >= times for name in NAMES)


def wait_for_polls(program: Program, count: Counter[str], times: int) -> None:
    """Wait until each reader was polled so many times from now on."""
    before = Counter(count)
    program.wait_until(lambda: are_polled(count - before, times), f"all are polled {times} times")


def assert_whole(found: Counter[tuple[str, int]], count: Counter[str], holes: int = 0) -> None:
    """Every page that was served is recorded once, but for the one of each reader that was under way at an end."""
    assert set(found.values()) == {1}
    for name in NAMES:
        served, there = count[f"/{name}"], sum(reader == name for reader, _serial in found)
        assert served - 1 - holes <= there <= served, name


def test_each_reader_is_polled_by_one_worker_and_recorded_once(served: Served, tmp_path: Path) -> None:
    port, count = served
    with Program(tmp_path, configuration(port)) as program:
        start(program)
        wait_for_polls(program, count, 5)
        assert program.stop() == 0
    lines = [recorded(tmp_path, str(k)) for k in range(2)]

    assert_whole(samples(lines[0] + lines[1]), count)
    assert [{name for name, _serial in samples(each)} for each in lines] == [
        {name for name in NAMES if owner(name, 2) == k} for k in range(2)
    ]
    assert len({line["agent.id"] for line in lines[0] + lines[1]}) == 2
    assert program.said("stopped") == [program.lines[-1]]
    assert (program.lines[-1]["lost"], program.lines[-1]["kept"]) == (0, 0)


def test_every_line_of_a_worker_tells_which_it_is(served: Served, tmp_path: Path) -> None:
    with Program(tmp_path, configuration(served[0])) as program:
        start(program)
        program.stop()
    started = program.said("started")

    assert sorted(line["worker"] for line in started if "worker" in line) == [0, 1]
    assert [(line["workers"], line["readers"]) for line in started if "worker" not in line] == [(2, 6)]
    assert not [line for line in program.lines if "raw" in line]


def test_the_status_is_of_all_workers(served: Served, tmp_path: Path) -> None:
    port, count = served
    listen = free_port()
    with Program(tmp_path, configuration(port, own=True, listen=f"127.0.0.1:{listen}")) as program:
        start(program)
        wait_for_polls(program, count, 10)
        program.wait_until(lambda: ask(listen, "readyz")[0] == 200, "it is ready")
        (_, page), (_, metrics) = (ask(listen, name) for name in ("debug/vars", "metrics"))
        served_at_least = Counter(count)
        program.stop()
    readers = {reader["name"]: reader for reader in page["readers"]}

    assert [reader["name"] for reader in page["readers"]] == [*NAMES, "own"]
    assert {name: reader.get("worker") for name, reader in readers.items()} == {
        **{name: owner(name, 2) for name in NAMES},
        "own": None,
    }
    assert all(10 <= readers[name]["readings"] <= served_at_least[f"/{name}"] for name in NAMES)
    assert page["Read Jobs"] == sum(reader["polls"] for reader in page["readers"])
    assert [worker["number"] for worker in page["workers"]] == [0, 1]
    assert sum(worker["Records Distributed"] for worker in page["workers"]) == page["recorders"][0]["offered"]
    assert sum(worker["resident_bytes"] for worker in page["workers"]) < page["resident_bytes"]
    out = page["recorders"][0]
    assert out["offered"] == out["recorded"] + out["refused"] + out["shed"] + out["waiting"] + out["out"]
    assert metrics.count("expvastic_reader_polls_total{") == 7
    assert 'expvastic_worker_state{worker="1",state="running"} 1\n' in metrics


def test_a_worker_that_hangs_is_missing_and_keeps_nobody_waiting(served: Served, tmp_path: Path) -> None:
    listen = free_port()
    with Program(tmp_path, configuration(served[0], listen=f"127.0.0.1:{listen}")) as program:
        hanging = start(program)[1]
        os.kill(hanging, signal.SIGSTOP)
        began = time.monotonic()
        (ready_code, ready), (health_code, _), (vars_code, page) = (
            ask(listen, name) for name in ("readyz", "healthz", "debug/vars")
        )
        took = time.monotonic() - began
        os.kill(hanging, signal.SIGCONT)
        program.wait_until(lambda: ask(listen, "readyz")[0] == 200, "it is ready again")
        assert program.stop() == 0

    assert (ready_code, health_code, vars_code) == (503, 503, 200)
    assert ready["missing_workers"] == [1]
    assert page["workers"][1]["state"] == "missing"
    assert {reader["name"] for reader in page["readers"]} == set(NAMES)
    assert took < 6
    assert [line["worker"] for line in program.said("worker does not answer")] == [1]
    assert program.said("worker answers again")


def test_a_killed_worker_is_started_again_and_nothing_is_lost_or_there_twice(served: Served, tmp_path: Path) -> None:
    port, count = served
    listen = free_port()
    text = configuration(port, state_dir="state", listen=f"127.0.0.1:{listen}")
    totals = []
    with Program(tmp_path, text) as program:
        first = start(program)
        wait_for_polls(program, count, 5)
        totals.append(ask(listen, "debug/vars")[1])
        os.kill(first[0], signal.SIGKILL)
        program.wait_for("worker ended")
        starting = ask(listen, "readyz")
        totals.append(ask(listen, "debug/vars")[1])
        program.wait_until(lambda: pids(program)[0] != first[0], "it is started again")
        wait_for_polls(program, count, 5)
        totals.append(ask(listen, "debug/vars")[1])
        assert program.stop() == 0
    ended = program.said("worker ended")[0]

    assert_whole(samples(recorded(tmp_path, "0", "1")), count, holes=1)
    assert (ended["worker"], ended["signal"]) == (0, "SIGKILL")
    assert (starting[0], starting[1]["starting_workers"]) == (503, [0])
    assert [page["workers"][0]["restarts"] for page in totals] == [0, 0, 1]
    for before, now in pairwise(totals):
        assert all(before[name] <= now[name] for name in ("Read Jobs", "Records Distributed", "recorded"))
        assert before["cpu_seconds"] < now["cpu_seconds"]


def test_what_was_in_the_memory_of_a_killed_worker_is_lost_and_counted(served: Served, tmp_path: Path) -> None:
    port, count = served
    listen = free_port()
    text = configuration(port, to_file("missing/out-%{shard}.ndjson"), listen=f"127.0.0.1:{listen}", grace="200ms")
    with Program(tmp_path, text) as program:
        first = start(program)
        wait_for_polls(program, count, 5)
        before = ask(listen, "debug/vars")[1]["recorders"][0]
        os.kill(first[0], signal.SIGKILL)
        lost = program.wait_for("undelivered data lost with a worker's memory")
        now = ask(listen, "debug/vars")[1]["recorders"][0]
        assert program.stop() == 3

    assert 0 < lost["at_least"] <= before["waiting"] + before["out"]
    assert now["shed_by_reason"] == {"lost_at_exit": lost["at_least"]}
    assert now["offered"] == now["recorded"] + now["shed"] + now["waiting"] + now["out"]
    assert program.said("stopped")[0]["lost"] > lost["at_least"]


def test_a_worker_that_cannot_be_started_again_is_tried_until_it_can(served: Served, tmp_path: Path) -> None:
    port, count = served
    instance = tmp_path / "state" / "shards" / "0" / "instance"
    with Program(tmp_path, configuration(port, state_dir="state")) as program:
        first = start(program)
        kept = instance.read_bytes()
        instance.write_bytes(b"damaged")
        os.kill(first[0], signal.SIGKILL)
        program.wait_until(lambda: any("code" in line for line in program.said("worker ended")), "it could not start")
        assert not is_gone(first[1])
        instance.write_bytes(kept)
        program.wait_until(lambda: pids(program)[0] != first[0], "it is started again")
        wait_for_polls(program, count, 3)
        assert program.stop() == 0

    assert_whole(samples(recorded(tmp_path, "0", "1")), count, holes=1)
    assert [line["started_again_in"] for line in program.said("worker ended")][:2] == [0.5, 1.0]
    assert not program.said("undelivered data lost with a worker's memory")


def test_workers_end_when_their_supervisor_is_killed_and_nothing_is_lost_or_there_twice(
    served: Served, tmp_path: Path
) -> None:
    port, count = served
    text = configuration(port, state_dir="state")
    with Program(tmp_path, text) as program:
        orphans = start(program)
        wait_for_polls(program, count, 5)
        program.signal(signal.SIGKILL)
        program.ended()
        wait_until_gone(orphans)
    (tmp_path / "log.ndjson").rename(tmp_path / "first.ndjson")
    with Program(tmp_path, text) as again:
        start(again)
        wait_for_polls(again, count, 5)
        assert again.stop() == 0

    assert_whole(samples(recorded(tmp_path, "0", "1")), count, holes=1)
    assert (tmp_path / "first.ndjson").read_text().count("stopping: the supervising process is gone") == 2


def test_a_new_supervisor_waits_for_the_orphans_of_a_killed_one(served: Served, tmp_path: Path) -> None:
    port, count = served
    text = configuration(port, state_dir="state", grace="1s")
    with Program(tmp_path, text) as program:
        orphans = start(program)
        os.kill(orphans[1], signal.SIGSTOP)
        program.signal(signal.SIGKILL)
        program.ended()
        (tmp_path / "log.ndjson").rename(tmp_path / "first.ndjson")
        with Program(tmp_path, text) as again:
            again.wait_for("started")
            os.kill(orphans[1], signal.SIGCONT)
            start(again)
            wait_for_polls(again, count, 3)
            assert again.stop() == 0
        wait_until_gone(orphans)

    assert_whole(samples(recorded(tmp_path, "0", "1")), count, holes=1)


def test_what_is_lost_with_the_memory_of_all_is_told_in_sum(served: Served, tmp_path: Path) -> None:
    port, count = served
    text = configuration(port, to_file("missing/out-%{shard}.ndjson"), grace="500ms")
    with Program(tmp_path, text) as program:
        workers = start(program)
        wait_for_polls(program, count, 5)
        assert program.stop() == 3
        assert all(map(is_gone, workers))
    lost = program.said("undelivered data lost with the memory")

    assert [line["containers"] for line in lost] == [program.said("stopped")[0]["lost"]]
    assert sum(count.values()) - len(NAMES) <= lost[0]["containers"] <= sum(count.values())


@pytest.mark.parametrize(("settings", "code"), [({"state_dir": "state"}, 0), ({}, 3)])
def test_a_worker_that_does_not_stop_is_killed_after_the_grace_period(
    settings: dict[str, str], code: int, served: Served, tmp_path: Path
) -> None:
    text = configuration(served[0], grace="300ms", **settings)
    with Program(tmp_path, text) as program:
        workers = start(program)
        os.kill(workers[0], signal.SIGSTOP)
        began = time.monotonic()
        assert program.stop() == code
        took = time.monotonic() - began

    assert [line["worker"] for line in program.said("worker did not stop in time and is killed")] == [0]
    assert all(map(is_gone, workers))
    assert took < 6


def test_a_second_signal_ends_all_at_once(served: Served, tmp_path: Path) -> None:
    text = configuration(served[0], to_file("missing/out-%{shard}.ndjson"), grace="60s")
    with Program(tmp_path, text) as program:
        workers = start(program)
        program.signal(signal.SIGTERM)
        program.wait_for("stopping")
        program.signal(signal.SIGINT)
        assert program.ended() == 128 + signal.SIGINT
        wait_until_gone(workers)


def test_a_signal_that_every_process_gets_is_but_one(served: Served, tmp_path: Path) -> None:
    port, count = served
    with Program(tmp_path, configuration(port)) as program:
        workers = start(program)
        wait_for_polls(program, count, 5)
        for pid in workers:
            os.kill(pid, signal.SIGTERM)
        program.signal(signal.SIGTERM)
        for pid in workers:
            if not is_gone(pid):
                os.kill(pid, signal.SIGINT)
        assert program.ended() == 0

    assert_whole(samples(recorded(tmp_path, "0", "1")), count)


def test_fewer_workers_deliver_what_the_others_left(served: Served, tmp_path: Path) -> None:
    port, count = served
    blocked = to_file("there/out-%{shard}.ndjson")
    with Program(tmp_path, configuration(port, blocked, state_dir="state", workers=3)) as three:
        workers = start(three)
        wait_for_polls(three, count, 5)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        three.signal(signal.SIGKILL)
        three.ended()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        wait_until_gone(workers)
    read = Counter(count)
    (tmp_path / "there").mkdir()
    (tmp_path / "log.ndjson").unlink()
    with Program(tmp_path, configuration(port, blocked, state_dir="state")) as two:
        two.wait_for("delivered what another process left")
        wait_for_polls(two, count, 3)
        assert two.stop() == 0
    found = samples(recorded(tmp_path / "there", "0", "1", "2"))

    assert set(found.values()) == {1}
    assert all(sum(n == name for n, _ in found) >= read[f"/{name}"] - 1 for name in NAMES)


def test_one_process_delivers_what_workers_left(served: Served, tmp_path: Path) -> None:
    port, count = served
    blocked = to_file("there/out-%{shard}.ndjson")
    with Program(tmp_path, configuration(port, blocked, state_dir="state", grace="100ms")) as two:
        start(two)
        wait_for_polls(two, count, 5)
        assert two.stop() == 0
    kept = two.said("stopped")[0]["kept"]
    read = Counter(count)
    (tmp_path / "there").mkdir()
    with Program(tmp_path, configuration(port, blocked, state_dir="state", workers=1)) as one:
        one.wait_until(lambda: len(one.said("delivered what another process left")) == 2, "it is delivered")
        assert one.stop() == 0
    found = samples(recorded(tmp_path / "there", "0", "1"))

    assert set(found.values()) == {1}
    assert found.total() == kept
    assert all(sum(n == name for n, _ in found) >= read[f"/{name}"] - 1 for name in NAMES)


def test_lines_of_several_workers_through_one_pipe_are_whole(tmp_path: Path) -> None:
    padding = b"".join(b', "text%d": "%b"' % (number, b"x" * 900) for number in range(20))
    with pages(padding) as (port, count):
        (tmp_path / "expvastic.yml").write_text(
            configuration(port, {"type": "console", "format": "json", "batch": {"wait": "20ms"}})
        )
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command("-c", "expvastic.yml"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout
        first = process.stdout.readline()
        until = time.monotonic() + 60
        while not are_polled(count, 30) and time.monotonic() < until:  # both have more to write than the pipe takes
            time.sleep(0.02)
        seen = [first, *(process.stdout.readline() for _ in range(200))]
        process.terminate()
        lines = seen + process.stdout.readlines()
        process.stdout.close()
        assert process.wait(60) == 0, (tmp_path / "log").read_text()

    assert max(map(len, lines)) > 16_000
    assert all(line.startswith(b'{"_id":') and line.endswith(b"}\n") and line.count(b'"_id"') == 1 for line in lines)
    assert len(lines) >= sum(count.values()) - len(NAMES)
