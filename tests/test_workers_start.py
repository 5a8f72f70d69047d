"""How workers are asked for, and what keeps them from starting: one line, one exit code, and nothing that runs on."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from configured import load_text
from expvastic.config import count_workers, for_workers
from expvastic.cores import usable_cores
from expvastic.errors import ConfigError
from program import Program, command, run
from working import NAMES, configuration, free_port, is_gone, start, to_file, wait_until_gone

NOBODY = 1  # a port that nobody listens on


def write(folder: Path, text: str) -> None:
    (folder / "expvastic.yml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("quota", "most"), [("max 100000", 2**16), ("100000 100000", 1), ("150000 100000", 2)])
def test_cores_that_a_container_may_not_use_are_none(quota: str, most: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(quota, encoding="ascii")

    assert usable_cores(tmp_path / "cpu.max") == min(len(os.sched_getaffinity(0)), most)


def test_without_a_limit_of_time_all_cores_are_used(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "missing") == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("workers", "count"), [(1, 1), (2, 2), ("3", 3), (6, 6), (7, 6), (256, 6)])
def test_there_are_as_many_workers_as_said_but_not_more_than_readers(
    workers: int | str, count: int, tmp_path: Path
) -> None:
    config = load_text(configuration(NOBODY, own=True, workers=workers), tmp_path, catalogue=None)

    assert count_workers(config) == count


def test_auto_is_one_worker_for_each_core(tmp_path: Path) -> None:
    config = load_text(configuration(NOBODY, workers="Auto"), tmp_path, catalogue=None)

    assert count_workers(config) == min(usable_cores(), len(NAMES))


@pytest.mark.parametrize("workers", [0, -1, 257, 1.5, "many", True, "9999999999999"])
def test_what_is_no_count_of_workers_is_refused(workers: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_text(configuration(NOBODY, workers=workers), tmp_path, catalogue=None)

    assert str(error.value).endswith("settings.workers: must be a number from 1 to 256, or auto")


def test_workers_share_the_memory_and_are_told_of_if_they_are_fewer(tmp_path: Path) -> None:
    config = load_text(configuration(NOBODY, workers=8, memory="60 MB"), tmp_path, catalogue=None)
    shared = for_workers(config, count_workers(config))

    assert shared.settings.memory == 10_000_000
    assert [str(remark) for remark in shared.remarks] == [
        "settings.workers: 8 processes, but 6 readers to share; 6 are started"
    ]


def test_a_file_that_several_workers_would_write_is_wrong_configuration(tmp_path: Path) -> None:
    write(tmp_path, configuration(NOBODY, to_file("out.ndjson")))
    found = [run(command, "-c", "expvastic.yml", folder=tmp_path) for command in ("run", "check")]

    line = (
        "expvastic.yml recorders.out: several processes would write to one file; put %{shard} into path, as in "
        "out-%{shard}.ndjson\n"
    )
    assert [(each.returncode, each.stderr) for each in found] == [(2, line)] * 2


def test_a_worker_that_cannot_start_ends_all_with_its_line_and_its_code(tmp_path: Path) -> None:
    foreign = tmp_path / "state" / "shards" / "1"
    foreign.mkdir(parents=True)
    (foreign / "somebody's").touch()
    write(tmp_path, configuration(NOBODY, state_dir="state"))
    found = run("-c", "expvastic.yml", folder=tmp_path)

    assert found.returncode == 1
    raw = [line for line in found.stderr.splitlines() if not line.startswith("{")]
    assert len(raw) == 1
    assert "shards/1: is not expvastic's" in raw[0]


def test_a_state_directory_that_cannot_be_is_said_once(tmp_path: Path) -> None:
    write(tmp_path, configuration(NOBODY, state_dir="missing/state"))
    found = run("-c", "expvastic.yml", folder=tmp_path)

    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "missing" in found.stderr


def test_an_address_that_is_in_use_keeps_workers_from_being_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        write(tmp_path, configuration(NOBODY, listen=listen))
        found = run("-c", "expvastic.yml", folder=tmp_path)

    assert found.returncode == 1
    assert found.stderr == f"expvastic: settings.listen: {listen} is in use; choose another port\n"


def test_check_tells_who_writes_where_and_how_many_readers_each_has(tmp_path: Path) -> None:
    write(tmp_path, configuration(NOBODY))
    found = run("check", "-c", "expvastic.yml", folder=tmp_path)

    assert found.returncode == 0, found.stderr
    assert f"recorder out: file {tmp_path}/out-0.ndjson, {tmp_path}/out-1.ndjson" in found.stdout
    assert "2 workers, with 2, 4 readers" in found.stdout


def test_once_takes_one_process(tmp_path: Path) -> None:
    write(tmp_path, configuration(NOBODY))
    found = run("once", "-c", "expvastic.yml", folder=tmp_path)

    assert found.returncode == 1, "nobody answers the polls"
    started = [json.loads(line) for line in found.stderr.splitlines() if '"started"' in line]
    assert [(line["readers"], "worker" in line) for line in started] == [(6, False)]


def test_with_a_shard_there_are_no_workers_and_that_is_said(tmp_path: Path) -> None:
    with Program(tmp_path, configuration(NOBODY), "--shard", "0/3") as program:
        started = program.wait_for("started")
        program.stop()

    assert started["shard"] == "0/3"
    assert "workers" not in started
    assert any(line["event"].startswith("settings.workers: does nothing with --shard") for line in program.lines)


def test_the_configuration_is_read_once(tmp_path: Path) -> None:
    """A worker that is started again has what the others have, whatever became of the file."""
    with Program(tmp_path, configuration(NOBODY, state_dir="state")) as program:
        first = start(program)
        write(tmp_path, "nonsense")
        os.kill(first[0], signal.SIGKILL)
        program.wait_until(lambda: len(program.said("started")) == 4, "it is started again")
        assert program.stop() == 0


def test_a_worker_whose_supervisor_is_gone_before_it_has_begun_ends(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "expvastic.cli.worker", "0/2", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        )
        theirs.close()
        ours.close()
        _, complaint = process.communicate(timeout=60)

    assert process.returncode == 1
    assert complaint == b"expvastic: the supervising process is gone\n"


FIRST_PROCESS = 36  # PR_SET_CHILD_SUBREAPER: orphans become its children, as those of the first process of a container


@pytest.mark.skipif(sys.platform != "linux", reason="orphans can be had for children on Linux alone")
def test_orphans_of_others_are_taken_leave_of(tmp_path: Path) -> None:
    write(tmp_path, configuration(NOBODY))

    life, end_of_life = os.pipe()

    def become_first() -> None:
        ctypes.CDLL(None).prctl(FIRST_PROCESS, 1)
        if os.fork() == 0:  # a child, whose own child is an orphan when it ends
            if os.fork() == 0:
                os.dup2(life, 3)
                os.closerange(4, 256)
                os.read(3, 1)
            os._exit(0)

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command("-c", "expvastic.yml"), cwd=tmp_path, stderr=log, preexec_fn=become_first)
    try:
        with_orphan = wait_for_children(process.pid, 3)
        os.close(end_of_life)
        workers = wait_for_children(process.pid, 2)
    finally:
        os.close(life)
        process.terminate()
        process.wait(60)

    assert workers < with_orphan
    wait_until_gone([*with_orphan])


def wait_for_children(pid: int, count: int) -> set[int]:
    """Wait until a process has two workers and so many children, those that have ended and wait for leave included."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until = time.monotonic() + 60
    while True:
        found = {int(each) for each in children.read_text(encoding="ascii").split()}
        if len(found) == count and sum(map(is_worker, found)) == 2:
            return found
        assert time.monotonic() < until, f"{found} are not {count}"
        time.sleep(0.01)


def is_worker(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return b"expvastic.cli.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def test_no_process_is_left_when_all_have_stopped(tmp_path: Path) -> None:
    with Program(tmp_path, configuration(NOBODY, listen=f"127.0.0.1:{free_port()}")) as program:
        workers = start(program)
        assert program.stop() == 0
        assert all(map(is_gone, workers))


def test_what_workers_left_is_looked_at_together(tmp_path: Path) -> None:
    text = configuration(NOBODY, to_file("out-%{shard}.ndjson"), own=True, state_dir="state")
    with Program(tmp_path, text) as program:
        start(program)
        program.wait_until(lambda: all((tmp_path / f"out-{k}.ndjson").exists() for k in range(2)), "both record")
        assert program.stop() == 0
    listed, shown, compared = (
        run(words[0], "-c", "expvastic.yml", *words[1:], folder=tmp_path)
        for words in (("buffer", "list"), ("buffer", "show", "out"), ("check", "--ledger"))
    )

    assert listed.returncode == shown.returncode == compared.returncode == 0, compared.stdout + compared.stderr
    titles = ["state/shards/0:", "state/shards/1:"]
    for found in (listed, shown, compared):
        assert [line for line in found.stdout.splitlines() if line.startswith("state")] == titles
    assert compared.stdout.count("no difference") == 2
