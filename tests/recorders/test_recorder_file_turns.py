"""The file recorder on a disk that hangs: one thread, however many recorders come."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from file_lines import ids, ids_of, outcomes, write
from held_up_disk import Disk, cancel_in_mid_write, patiently, write_patiently

from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.file import FileRecorder, FileSettings
from expvastic.recorders.file.journal import Journal
from expvastic.recorders.file.turns import Gate, Turn
from samples import make_containers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.ndjson"


async def test_a_path_that_hangs_costs_one_thread_however_many_recorders_try_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, may_go_on = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        reached.set()
        may_go_on.wait()

    monkeypatch.setattr(Journal, "look", hang)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, path, make_containers(1))
        await anyio.to_thread.run_sync(reached.wait)
        tasks.cancel_scope.cancel()
    threads = threading.active_count()
    try:
        for _ in range(20):
            with (
                anyio.fail_after(5),
                pytest.raises(RecordError, match="an earlier write has not ended; check the disk"),
            ):
                await write(path, make_containers(1))
        more = threading.active_count() - threads
    finally:
        monkeypatch.undo()
        may_go_on.set()

    assert more == 0
    assert outcomes(await write_patiently(path, make_containers(1))) == [Outcome.RECORDED]


async def test_a_path_that_hangs_is_no_hindrance_to_others(path: Path) -> None:
    disk = Disk()
    disk.may_go_on.clear()

    async with disk.recorder(path) as recorder:
        await cancel_in_mid_write(recorder, disk, make_containers(1))
        verdicts = await write(path.with_name("others.ndjson"), make_containers(1))
        disk.may_go_on.set()

    assert outcomes(verdicts) == [Outcome.RECORDED]


async def test_a_file_that_hangs_in_closing_is_not_opened_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()

    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        await recorder.record(make_containers(1))
        monkeypatch.setattr(os, "fsync", lambda _: may_go_on.wait())
        monkeypatch.setattr("expvastic.recorders.file._CLOSE_LIMIT", 0.05)
    with pytest.raises(RecordError, match="an earlier write has not ended; check the disk"):
        await write(path, make_containers(2))
    may_go_on.set()
    monkeypatch.undo()

    assert outcomes(await write_patiently(path, make_containers(2))) == [Outcome.DUPLICATE, Outcome.RECORDED]


async def test_a_call_that_is_cancelled_before_its_thread_began_leaves_the_file_to_the_next(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        for checkpoints in range(8):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(patiently, recorder, make_containers(1))
                    for _ in range(checkpoints):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
        await patiently(recorder, make_containers(1))

    assert ids(path) == ids_of(make_containers(1))


def test_a_turn_that_was_given_up_is_not_taken_and_leaves_the_gate_once() -> None:
    gate, calls = Gate(), list[int]()
    assert gate.enter()
    turn = Turn(gate, lambda: calls.append(1))

    turn.give_up()
    assert gate.enter()
    turn()
    turn.give_up()

    assert calls == []
    assert not gate.enter()


async def test_a_thread_that_begins_after_the_recorder_was_left_writes_nothing(path: Path) -> None:
    async with FileRecorder(FileSettings(path=str(path))) as recorder:
        pass

    with pytest.raises(RecordError):
        recorder._alone(lambda: recorder._journal.append(make_containers(1)))

    assert not path.exists()
