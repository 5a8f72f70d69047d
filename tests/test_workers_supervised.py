"""A worker's own end: it answers, is told to stop, notices that nobody asks any more, and says its last words whole."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import anyio
import pytest

from expvastic.errors import ExpvasticError
from expvastic.telemetry import Snapshot
from expvastic.workers.messages import ASK, HEAD, STOP, Ending, Report, decode_report, length_of
from expvastic.workers.supervised import Supervised
from snapshots import make_reader, make_snapshot


@contextmanager
def pair() -> Iterator[tuple[socket.socket, Supervised]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    with ours, closing(Supervised(theirs.detach())) as supervised:
        yield ours, supervised


def exactly(ours: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = ours.recv(count - len(found))
        assert piece
        found += piece
    return found


def report(ours: socket.socket) -> Report:
    return decode_report(exactly(ours, length_of(exactly(ours, HEAD))))


async def hear(ours: socket.socket) -> Report:
    return await anyio.to_thread.run_sync(report, ours)


class Work:
    """What is reported and stopped."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.seen = snapshot or make_snapshot()
        self.stopped = anyio.Event()

    def snapshot(self) -> Snapshot:
        return self.seen

    def stop(self) -> None:
        self.stopped.set()


@asynccontextmanager
async def serving(supervised: Supervised, work: Work) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(supervised.serve, work.snapshot, work.stop)
        yield
        group.cancel_scope.cancel()


async def test_it_reports_at_once_and_whenever_asked() -> None:
    work = Work()
    with pair() as (ours, supervised):
        async with serving(supervised, work):
            first = await hear(ours)
            work.seen = make_snapshot(readers={})
            ours.send(ASK)
            second = await hear(ours)

    assert (len(first.snapshot.readers), len(second.snapshot.readers)) == (1, 0)
    assert first.ending is None
    assert not work.stopped.is_set()


@pytest.mark.parametrize("is_gone", [False, True])
async def test_it_stops_when_told_and_when_nobody_is_there(is_gone: bool) -> None:
    work = Work()
    with pair() as (ours, supervised):
        async with serving(supervised, work):
            await hear(ours)
            if is_gone:
                ours.close()
            else:
                ours.send(STOP)
            with anyio.fail_after(10):
                await work.stopped.wait()


async def test_after_it_was_told_to_stop_it_still_answers() -> None:
    work = Work()
    with pair() as (ours, supervised):
        async with serving(supervised, work):
            await hear(ours)
            ours.send(STOP + ASK)

            assert (await hear(ours)).snapshot == work.seen


async def test_last_words_follow_a_report_that_was_cut_short() -> None:
    work = Work(make_snapshot(readers={f"app{number}": make_reader() for number in range(3_000)}))
    with pair() as (ours, supervised):
        async with serving(supervised, work):
            await anyio.wait_readable(ours)  # the socket is full, the report is not through
        found: list[Report] = []

        async def listen() -> None:
            found.extend([await hear(ours), await hear(ours)])

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await anyio.to_thread.run_sync(supervised.tell_end, make_snapshot(), Ending(1, 2))

    assert len(found[0].snapshot.readers) == 3_000
    assert found[1].ending == Ending(1, 2)


def test_last_words_that_nobody_hears_are_no_trouble() -> None:
    with pair() as (ours, supervised):
        ours.close()

        supervised.tell_end(make_snapshot(), Ending(0, 0))


def test_without_a_supervisor_there_is_no_configuration() -> None:
    with pair() as (ours, supervised):
        ours.send(b"\0\0")
        ours.close()

        with pytest.raises(ExpvasticError, match="the supervising process is gone"):
            supervised.take_config()
