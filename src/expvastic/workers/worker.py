"""One worker as the supervising process sees it: through all its lives, for one that ends is started anew."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable

import anyio

from .. import logs
from ..shards import Shard
from ..telemetry import Snapshot, WorkerStatistics
from .children import Child, Children
from .merging import after, ended
from .messages import ASK, HEAD, STOP, Ending, Report, decode_report, length_of

MODULE = "expvastic.cli.worker"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds until a worker that ended is started anew
SETTLED = 60.0  # seconds after which a worker's end is not the one before's fault
_REST = 1.0  # seconds in which the last words of a process that has ended must be read


class Worker:
    """A worker. ``config`` is the frame that it gets, ``tell_change`` is called when it has come up, or failed to.

    ``kept`` and ``lost`` are containers, over all lives; ``is_doubtful`` says that there may be more of the lost.
    """

    def __init__(self, shard: Shard, config: bytes, children: Children, tell_change: Callable[[], None]) -> None:
        self.number = shard.number
        self.lost = 0
        self.kept = 0
        self.is_doubtful = False
        self.failure: int | None = None  # the exit code of a process that never came up
        self.has_run = False
        self._shard = shard
        self._config = config
        self._children = children
        self._tell_change = tell_change
        self._log = logs.logger(worker=shard.number)
        self._ending: Ending | None = None
        self._past: Snapshot | None = None
        self._latest: Snapshot | None = None
        self._lives = 0
        self._child: Child | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_up = False
        self._answered = anyio.Event()
        self._is_asked = False  # and has not answered yet
        self._is_missing = False
        self._stopping = anyio.Event()

    async def run(self) -> None:
        """Be there until stopped; a first life that fails by itself is the last one, too."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = anyio.current_time()
            code = await self._live()
            if self._stopping.is_set():
                return
            if not self.has_run and code is not None and code > 0:
                self.failure = code
                self._tell_change()
                return
            pause = FIRST_PAUSE if anyio.current_time() - began >= SETTLED else pause
            if code is not None:
                self._log.warning("worker ended", **_told(code), started_again_in=pause)
            with anyio.move_on_after(pause):
                await self._stopping.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def answer(self) -> None:
        """Ask how it stands, and wait for the answer. Whoever waits decides how long that may take."""
        if not self._is_up or self._writer is None:
            return
        if not self._is_asked:
            self._answered, self._is_asked = anyio.Event(), True
            self._writer.write(ASK)
        await self._answered.wait()

    def note_silence(self) -> None:
        """Whoever waited for its answer has given up: it is missing, unless it has answered this very moment."""
        if self._is_asked and not self._is_missing:
            self._log.error("worker does not answer", pid=self._child.pid if self._child else 0)
            self._is_missing = True

    def stop(self) -> None:
        """Ask it to deliver what it has, and end; for good."""
        self._stopping.set()
        if self._writer:
            self._writer.write(STOP)

    def kill(self) -> None:
        """End it at once."""
        if self._child:
            self._log.error("worker did not stop in time and is killed", pid=self._child.pid)
            self._child.kill()

    def statistics(self) -> WorkerStatistics:
        """How it stands, as far as it told."""
        return WorkerStatistics(
            self.number,
            self._state(),
            self._child.pid if self._child else 0,
            max(0, self._lives - 1),
            after(self._past, self._latest) if self._latest else None,
        )

    def _state(self) -> str:
        if self._is_missing:
            return "missing"
        if self._stopping.is_set():
            return "draining"
        return "running" if self._is_up else "starting"

    async def _live(self) -> int | None:
        """One life, from start to end; its exit code, nothing if there was none."""
        try:
            self._child, ours = self._start()
        except OSError as error:
            self._log.error("worker cannot be started", error=str(error))
            return None
        self._lives += 1
        last_words = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._converse, ours, last_words)
            code = await self._child.wait()
            with anyio.move_on_after(_REST):
                await last_words.wait()
            group.cancel_scope.cancel()
        self._end()
        return code

    def _start(self) -> tuple[Child, socket.socket]:
        """A process, and this one's end of the pair. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return self._children.start(MODULE, str(self._shard), end=theirs), ours
            except BaseException:
                ours.close()
                raise

    async def _converse(self, ours: socket.socket, done: anyio.Event) -> None:
        """Give the configuration and take reports until the process is gone."""
        writer = None
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            self._writer = writer
            writer.write(self._config)
            if self._stopping.is_set():
                writer.write(STOP)
            while True:
                length = length_of(await reader.readexactly(HEAD))
                self._take(decode_report(await reader.readexactly(length)))
        except (OSError, EOFError, ValueError):  # gone, perhaps in the middle of a word
            pass
        finally:
            self._writer = None
            (writer or ours).close()
            done.set()

    def _take(self, report: Report) -> None:
        if not self._is_up and self._latest is not None:
            self._past = after(self._past, self._latest)
        self._latest = report.snapshot
        self._ending = report.ending
        self._hear()
        if not self._is_up:
            self._is_up = self.has_run = True
            self._tell_change()

    def _hear(self) -> None:
        """It has answered, or will never."""
        if self._is_missing and self._child:
            self._log.info("worker answers again", pid=self._child.pid)
        self._is_missing = False
        self._is_asked = False
        self._answered.set()

    def _end(self) -> None:
        """Keep what is to be kept of a life that is over."""
        was_up, self._is_up, self._child = self._is_up, False, None
        self._hear()
        if not was_up or self._latest is None:
            return
        self.kept = self._ending.kept if self._ending else _held(self._latest)
        left, lost = ended(self._latest)
        if self._ending is None and _has_memory(self._latest):
            self.is_doubtful = True
            self._log.error("undelivered data lost with a worker's memory", at_least=lost)
        self.lost += self._ending.lost if self._ending else lost
        self._latest, self._ending = left, None


def _told(code: int) -> dict[str, int | str]:
    with contextlib.suppress(ValueError):
        return {"signal": signal.Signals(-code).name} if code < 0 else {"code": code}
    return {"code": code}


def _held(snapshot: Snapshot) -> int:
    return sum(each.waiting + each.out for each in snapshot.recorders.values() if each.is_durable)


def _has_memory(snapshot: Snapshot) -> bool:
    return any(not recorder.is_durable for recorder in snapshot.recorders.values())
