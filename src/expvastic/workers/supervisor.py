"""The supervising process: starts the workers, answers for them, and ends when all of them have ended."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from .. import __version__, logs
from ..assembly import routed_recorders
from ..config import Config
from ..listener import Listener
from ..pipeline import SUMMARY_INTERVAL, process_statistics
from ..shards import Shard
from ..telemetry import Snapshot
from ..views.summary import summarise
from .children import Children
from .merging import beside
from .messages import encode_config
from .worker import Worker

ANSWER_LIMIT = 0.8  # seconds; who asks for a status page may have no more than one
STOP_MARGIN = 2.0  # seconds beyond the grace period until a worker that has not ended is killed


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: containers lost, at least, and kept on the disk; and the exit code of a worker that never came up.

    ``is_doubtful`` says that more may be lost than is known.
    """

    lost: int
    kept: int
    is_doubtful: bool
    failure: int | None


class Supervisor:
    """``count`` workers over one configuration."""

    def __init__(self, config: Config, count: int, *, wall: Callable[[], float] = time.time) -> None:
        self._config = config
        self._wall = wall
        self._started = wall()
        self._log = logs.logger()
        self._state = "starting"
        self._children = Children()
        self._stopping = anyio.Event()
        frame = encode_config(config)
        self.workers = [
            Worker(Shard(number, count), frame, self._children, self._note_change) for number in range(count)
        ]

    async def run(self) -> Outcome:
        """Work until stopped, or until a worker cannot be started at all.

        Raises ExpvasticError if there is no listening where it should be.
        """
        for remark in self._config.remarks:
            self._log.warning(str(remark))
        with self._children:
            async with self._listening(), anyio.create_task_group() as services:
                services.start_soon(self._summarise)
                services.start_soon(self._stop_all)
                async with anyio.create_task_group() as lives:
                    for worker in self.workers:
                        lives.start_soon(worker.run)
                services.cancel_scope.cancel()
        return Outcome(
            lost=sum(worker.lost for worker in self.workers),
            kept=sum(worker.kept for worker in self.workers),
            is_doubtful=any(worker.is_doubtful for worker in self.workers),
            failure=max((worker.failure for worker in self.workers if worker.failure is not None), default=None),
        )

    def stop(self) -> None:
        """Ask the run to end."""
        self._state = "draining"
        self._stopping.set()

    def kill(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            worker.kill()

    async def refresh(self) -> None:
        """Ask all workers how they stand; those that do not say it in time are missing."""
        silent = set(self.workers)

        async def ask(worker: Worker) -> None:
            await worker.answer()
            silent.discard(worker)

        with anyio.move_on_after(ANSWER_LIMIT):
            async with anyio.create_task_group() as group:
                for worker in self.workers:
                    group.start_soon(ask, worker)
        for worker in silent:
            worker.note_silence()

    def snapshot(self) -> Snapshot:
        """Everything that the workers told, as of one process."""
        own = Snapshot(
            version=__version__,
            agent_id="",
            host=platform.node(),
            time=self._wall(),
            started=self._started,
            state=self._state,
            process=process_statistics(),
            readers={},
            recorders={},
        )
        return beside(own, [worker.statistics() for worker in self.workers], self._config.engines)

    def _note_change(self) -> None:
        """A worker has come up, or cannot."""
        if any(worker.failure is not None for worker in self.workers):
            self.stop()
        elif self._state == "starting" and all(worker.has_run for worker in self.workers):
            self._state = "running"
            self._say_start()

    async def _stop_all(self) -> None:
        """Once that is asked for, let the workers end, and end those that do not."""
        await self._stopping.wait()
        for worker in self.workers:
            worker.stop()
        await anyio.sleep(self._config.settings.grace + STOP_MARGIN)
        self.kill()

    async def _summarise(self) -> None:
        before = self.snapshot()
        while True:
            await anyio.sleep(SUMMARY_INTERVAL)
            await self.refresh()
            now = self.snapshot()
            self._log.info("summary", **summarise(before, now))
            before = now

    def _say_start(self) -> None:
        counts = {"readers": len(self._config.engines), "recorders": len(routed_recorders(self._config))}
        self._log.info("started", version=__version__, workers=len(self.workers), **counts, pid=os.getpid())

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        if self._config.settings.listen is None:
            yield
            return
        async with Listener(self._config.settings.listen, self.snapshot, self.refresh):
            yield
