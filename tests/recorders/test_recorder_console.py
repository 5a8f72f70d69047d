"""The console recorder: the contract of all recorders, and standard output in all its moods."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import anyio
import anyio.to_thread
import msgspec
import pytest

from contracts.recorder import RecorderContract
from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome, Recorder
from expvastic.recorders.console import ConsoleRecorder, ConsoleSettings
from samples import make_container, make_containers


class TestConsoleRecorder(RecorderContract):
    """Standard output is a file here: what is written stays, and closing it breaks it."""

    leaves_one_copy = False

    @pytest.fixture(autouse=True)
    def output(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "output"
        with self.path.open("w") as self.stream:
            yield

    def make_recorder(self) -> ConsoleRecorder:
        return ConsoleRecorder(ConsoleSettings(), stream=self.stream)

    async def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        lines = [msgspec.json.decode(line, type=dict[str, Any]) for line in self.path.read_bytes().splitlines()]
        return [(line.pop("_id"), line) for line in lines]

    def make_absent(self) -> ConsoleRecorder:
        stream = io.StringIO()
        stream.close()
        return ConsoleRecorder(ConsoleSettings(), stream=stream)

    async def break_destination(self, recorder: Recorder[Any]) -> bool:
        os.close(self.stream.fileno())
        os.open(os.devnull, os.O_RDONLY)  # takes the number, so that closing the stream closes nothing of others
        return True


def read_all(descriptor: int) -> bytes:
    """All until the other end is closed."""
    found = b""
    while piece := os.read(descriptor, 65536):
        found += piece
    return found


@contextmanager
def a_pipe() -> Iterator[tuple[int, TextIO]]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        try:
            yield reading, stream
        finally:
            os.close(reading)


@contextmanager
def a_terminal(columns: int = 80) -> Iterator[tuple[int, TextIO]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        try:
            yield ours, stream
        finally:
            os.close(ours)


async def record(stream: Any, *containers: Any, **settings: Any) -> None:
    async with ConsoleRecorder(ConsoleSettings(**settings), stream=stream) as recorder:
        await recorder.record(containers or [make_container()])


async def test_it_writes_json_lines_where_there_is_no_terminal() -> None:
    stream, container = io.StringIO(), make_container()

    await record(stream, container)

    assert stream.getvalue() == f'{{"_id":"{container.id}",{container.document[1:].decode()}\n'


async def test_it_writes_readable_lines_on_a_terminal() -> None:
    with a_terminal() as (screen, stream):
        await record(stream)

        line = os.read(screen, 1000).decode()

    assert re.fullmatch(r"\d\d:\d\d:00\.000  app  expvar  1 value  count=0\r\n", line)


async def test_readable_lines_can_be_had_anywhere() -> None:
    stream = io.StringIO()

    await record(stream, format="pretty")

    assert stream.getvalue().endswith("  app  expvar  1 value  count=0\n")


async def test_a_readable_line_fits_the_terminal() -> None:
    values = {f"expvar.name{number}": number for number in range(100)}

    with a_terminal(columns=60) as (screen, stream):
        await record(stream, make_container(**values))
        line = os.read(screen, 1000).decode()

    assert len(line.rstrip()) <= 60
    assert line.rstrip().endswith(" …")


async def test_json_on_a_terminal_holds_nothing_that_a_terminal_obeys() -> None:
    container = make_container(**{"expvar.text": "\x9b31m \x7f \u202e \x1b[2J é \U000e0001"})

    with a_terminal() as (screen, stream):
        await record(stream, container, format="json")
        line = os.read(screen, 1000).decode()

    assert line.removesuffix("\r\n").isprintable()
    assert msgspec.json.decode(line)["expvar.text"] == "\x9b31m \x7f \u202e \x1b[2J é \U000e0001"


async def test_standard_output_is_the_one_there_is_when_it_is_entered(capsys: pytest.CaptureFixture[str]) -> None:
    await record(None)

    assert '"_id":"app-000000"' in capsys.readouterr().out


async def test_without_a_standard_output_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    with pytest.raises(RecordError, match="there is no standard output; start expvastic with one, or use a file"):
        await record(None)


async def test_it_is_lost_when_nobody_reads_any_more() -> None:
    with a_pipe() as (reading, stream):
        async with ConsoleRecorder(ConsoleSettings(), stream=stream) as recorder:
            os.dup2(os.open(os.devnull, os.O_RDONLY), reading)
            with pytest.raises(RecorderLost, match="nobody reads standard output any more"):
                await recorder.record([make_container()])


class Broken(io.StringIO):
    """A stream whose writes and flushes fail from a moment on."""

    error: Exception | None = None

    def flush(self) -> None:
        if self.error:
            raise self.error


async def test_it_is_lost_when_nobody_reads_at_entering() -> None:
    stream = Broken()
    stream.error = BrokenPipeError()

    with pytest.raises(RecorderLost):
        await record(stream)


async def test_it_is_lost_when_the_stream_is_closed() -> None:
    stream = io.StringIO()

    async with ConsoleRecorder(ConsoleSettings(), stream=stream) as recorder:
        stream.close()
        with pytest.raises(RecorderLost, match="standard output was closed"):
            await recorder.record([make_container()])


async def test_any_other_failure_can_be_tried_again() -> None:
    stream = Broken()

    async with ConsoleRecorder(ConsoleSettings(), stream=stream) as recorder:
        stream.error = OSError(28, "No space left on device")
        with pytest.raises(RecordError, match=r"cannot write to standard output: .*No space left on device") as raised:
            await recorder.record([make_container()])

    assert not isinstance(raised.value, RecorderLost)


async def test_a_reader_that_pauses_holds_up_only_the_call_and_misses_nothing() -> None:
    """Cancelled while the pipe is full, tried again in other batches: each line once, none torn."""
    batch = [make_container(number, **{"expvar.text": "x" * 5_000}) for number in range(60)]

    with a_pipe() as (reading, stream):
        async with ConsoleRecorder(ConsoleSettings(), stream=stream) as recorder:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(recorder.record, batch)
                await anyio.wait_readable(reading)
                tasks.cancel_scope.cancel()
            verdicts, found = await _record_and_read(recorder, [batch[:10], batch[10:]], reading, stream)

    ids = [msgspec.json.decode(line)["_id"] for line in found.splitlines()]
    assert ids == [container.id for container in batch]
    assert verdicts[0] is Outcome.DUPLICATE
    assert verdicts[-1] is Outcome.RECORDED


async def test_what_was_answered_is_not_remembered() -> None:
    stream = io.StringIO()

    async with ConsoleRecorder(ConsoleSettings(), stream=stream) as recorder:
        await recorder.record(make_containers(3))

        assert recorder._unanswered == set()


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.recorders.console._UNANSWERED_KEPT", 5)
    stream = io.StringIO()

    async with ConsoleRecorder(ConsoleSettings(), stream=stream) as recorder:
        for first in range(0, 60, 3):
            recorder._write(make_containers(3, first=first), threading.Event())  # and nobody heard the answer

        assert len(recorder._unanswered) <= 8


async def test_a_call_that_was_cancelled_before_its_turn_writes_nothing() -> None:
    stream, stop = io.StringIO(), threading.Event()
    stop.set()

    async with ConsoleRecorder(ConsoleSettings(), stream=stream) as recorder:
        with pytest.raises(RecordError):
            recorder._write(make_containers(3), stop)

    assert stream.getvalue() == ""


async def test_a_recorder_that_was_not_entered_writes_nothing() -> None:
    stream = io.StringIO()

    with pytest.raises(RecorderLost):
        await ConsoleRecorder(ConsoleSettings(), stream=stream).record([make_container()])

    assert stream.getvalue() == ""


async def _record_and_read(
    recorder: ConsoleRecorder, batches: list[Any], reading: int, stream: TextIO
) -> tuple[list[Outcome], bytes]:
    """Record while somebody reads; then close the writing end and read to the end."""
    found: list[bytes] = []
    outcomes: list[Outcome] = []
    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            found.append(await anyio.to_thread.run_sync(read_all, reading))

        tasks.start_soon(read)
        for batch in batches:
            outcomes += [verdict.outcome for verdict in await recorder.record(batch)]
        stream.close()
    return outcomes, found[0]
