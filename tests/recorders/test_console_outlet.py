"""Standard output's outlet: a reader that pauses, and lines that are cut in the middle."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from expvastic.recorders.console.outlet import Outlet

LONG = b"x" * 200_000 + b"\n"  # more than a pipe takes


class StopAfter(threading.Event):
    """Set when it has been asked so often."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns

    def is_set(self) -> bool:
        self.turns -= 1
        return self.turns < 0


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expvastic.recorders.console.outlet._LOOK_UP", 0.001)


@pytest.fixture
def ends() -> Iterator[tuple[int, TextIO]]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
    os.close(reading)


def read_later(reading: int) -> tuple[threading.Thread, list[bytes]]:
    found: list[bytes] = []

    def read() -> None:
        while piece := os.read(reading, 65536):
            found.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    return reader, found


def test_a_write_into_a_full_pipe_ends_when_it_is_stopped(ends: tuple[int, TextIO]) -> None:
    outlet = Outlet(ends[1])

    assert outlet.write([LONG, LONG], StopAfter(200)) == (1, None)  # the first was begun
    assert outlet.write([b"next\n"], StopAfter(5)) == (0, None)


def test_the_rest_of_a_line_that_was_begun_goes_out_first(ends: tuple[int, TextIO]) -> None:
    reading, stream = ends
    outlet = Outlet(stream)
    outlet.write([LONG, LONG], StopAfter(200))
    outlet.write([b"next\n"], StopAfter(5))

    reader, found = read_later(reading)
    progress = outlet.write([b"next\n"], threading.Event())
    stream.close()
    reader.join()

    assert progress == (1, None)
    assert b"".join(found) == LONG + b"next\n"


def test_what_was_written_before_an_error_is_told_with_it(ends: tuple[int, TextIO]) -> None:
    class Gone(StopAfter):
        """When the pipe is full, its reader goes."""

        def is_set(self) -> bool:
            if self.turns == 100:
                os.dup2(os.open(os.devnull, os.O_RDONLY), ends[0])
            return super().is_set()

    done, error = Outlet(ends[1]).write([LONG, LONG], Gone(200))

    assert done == 1
    assert isinstance(error, BrokenPipeError)


def test_where_a_descriptor_would_not_wait_it_is_asked_again(ends: tuple[int, TextIO]) -> None:
    os.set_blocking(ends[1].fileno(), False)
    reading, stream = ends
    outlet = Outlet(stream)

    reader, found = read_later(reading)
    progress = outlet.write([LONG, LONG], threading.Event())
    stream.close()
    reader.join()

    assert progress == (2, None)
    assert b"".join(found) == LONG * 2


def test_what_was_written_to_the_stream_before_stands_before(ends: tuple[int, TextIO]) -> None:
    reading, stream = ends
    stream.write("before\n")

    Outlet(stream).write([b"after\n"], threading.Event())

    assert os.read(reading, 100) == b"before\nafter\n"


def test_a_pipe_has_no_width(ends: tuple[int, TextIO]) -> None:
    assert Outlet(ends[1]).width is None


HOLDER = """\
import fcntl, os, sys
fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX, 1, 0)
os.write(1, b"held")
sys.stdin.read()
"""


@contextmanager
def held_by_another(descriptor: int) -> Iterator[None]:
    """While another process is in the middle of a line."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(descriptor)],
        pass_fds=[descriptor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.read(4) == b"held"
        yield


def test_nothing_is_written_into_the_line_of_another_process() -> None:
    reading, writing = os.pipe()
    stop = threading.Event()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb", buffering=0) as output:
        outlet = Outlet(stream)
        with held_by_another(writing):
            threading.Timer(0.05, stop.set).start()
            assert outlet.write([b"one\n"], stop) == (0, None)
            assert select.select([output], [], [], 0)[0] == []

        assert outlet.write([b"one\n"], threading.Event()) == (1, None)
        assert output.read(10) == b"one\n"


def test_what_is_everybodys_is_not_kept_from_anybody() -> None:
    with Path(os.devnull).open("w") as stream, held_by_another(stream.fileno()):
        assert Outlet(stream).write([b"one\n"], threading.Event()) == (1, None)
