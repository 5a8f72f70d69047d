"""Opens what the routes name, runs one task group, closes in reverse."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup

from . import __version__, logs
from .assembly import make_deliveries, make_engines, make_outlets, steady_clock
from .config import Config
from .delivery import Delivery
from .document import Identity
from .telemetry import ProcessStatistics, ReaderStatistics, Snapshot

if TYPE_CHECKING:
    from .state import State

SUMMARY_INTERVAL = 60.0
CLOSING_SHARE = 0.1  # of the grace period is kept for closing, a second at most
SAID_AFTER = 0.02  # seconds
STARTED_AT_ONCE = 64  # readers; the first ones poll while the others start
LOOK_UP_THREADS = 256  # at most; a look-up that hangs takes one, and must not take the last


class Result(msgspec.Struct, frozen=True):
    """How a run ended."""

    lost: int  # containers that were read and not known to be recorded
    kept: int  # containers that are safe on the disk, for the next start
    shed: int  # containers for which there was no room or time, those that are lost among them
    failed_polls: int
    refused: int


class Pipeline:
    """One configuration at work, with its state directory, if any.

    ``ticks`` is how often each reader is polled, ``beside`` runs as long as all else does. One that is ``told_of`` by
    another process neither listens nor says what concerns all of that one's.
    """

    def __init__(
        self,
        config: Config,
        state: State | None = None,
        *,
        ticks: float = math.inf,
        wall: Callable[[], float] = time.time,
        start: float | None = None,
        beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
        told_of: bool = False,
    ) -> None:
        self.config = config
        self._beside = beside
        self._is_told_of = told_of
        self._is_endless = ticks == math.inf
        self._wall = wall
        self._state = "starting"
        self._started = wall()
        self._has_said_start = False
        self._stop = anyio.Event()
        self._drained_by = math.inf  # on the event loop's clock
        self._close_limit = min(1.0, config.settings.grace * CLOSING_SHARE)
        agent_id = state.agent_id if state else secrets.token_hex(8)
        self.identity = Identity(agent_id, platform.node(), __version__)
        self._log = logs.logger()
        self._state_dir = state
        self.deliveries = make_deliveries(config, state, close_limit=self._close_limit, wall=wall)
        self.engines = make_engines(
            config,
            self.identity,
            self.snapshot,
            make_outlets(config, self.deliveries, state),
            remembers=state is not None,
            ticks=ticks,
            start=steady_clock() if start is None else start,
            wall=wall,
        )

    async def run(self) -> Result:
        """Poll and deliver until stopped or out of ticks; then deliver what is left, for the grace period at most.

        Raises StateError if what an earlier process left on the disk cannot be taken up.
        """
        self._make_room_for_look_ups()
        await self._take_up()
        async with self._listening(), anyio.create_task_group() as services:
            finished = {name: anyio.Event() for name in self.deliveries}
            for name, delivery in self.deliveries.items():
                services.start_soon(_run_and_tell, delivery, finished[name])
            if not self._is_told_of:
                services.start_soon(self._summarise)
            if self._beside:
                services.start_soon(self._beside)
            services.start_soon(self._say_start_later)
            await self._read()
            self._say_start()
            self._begin_draining()
            for delivery in self.deliveries.values():
                delivery.close()  # not before: an engine may still offer while it ends
            with anyio.CancelScope(deadline=self._drained_by):
                for event in finished.values():
                    await event.wait()
            services.cancel_scope.cancel()
        return self._result()

    def stop(self) -> None:
        """Ask a run to end."""
        self._stop.set()

    def snapshot(self) -> Snapshot:
        """Everything that is known at this moment."""
        return self._snapshot({name: engine.statistics() for name, engine in self.engines.items()})

    def _snapshot(self, readers: Mapping[str, ReaderStatistics]) -> Snapshot:
        return Snapshot(
            version=__version__,
            agent_id=self.identity.agent_id,
            host=self.identity.host,
            time=self._wall(),
            started=self._started,
            state=self._state,
            process=process_statistics(),
            readers=readers,
            recorders={name: delivery.statistics() for name, delivery in self.deliveries.items()},
        )

    async def _take_up(self) -> None:
        """Go on where the last process ended."""
        if self._state_dir is None:
            return
        from .upkeep import go_on, take_up  # for those who have a state directory

        types = {name: plan.type for name, plan in self.config.recorders.items()}
        await anyio.to_thread.run_sync(take_up, self._state_dir, self.deliveries, types, anyio.current_time())
        go_on(self._state_dir, self.engines, self.config.engines, self.deliveries)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        if self.config.settings.listen is None or self._is_told_of:
            yield
            return
        from .listener import Listener  # for those who listen

        async with Listener(self.config.settings.listen, self.snapshot):
            yield

    async def _read(self) -> None:
        """Run the engines until they are done or a stop is asked for."""
        async with anyio.create_task_group() as reading:
            reading.start_soon(self._cancel_at_stop, reading)
            async with anyio.create_task_group() as engines:
                for number, engine in enumerate(self.engines.values()):
                    engines.start_soon(engine.run)
                    if number % STARTED_AT_ONCE == 0:
                        await anyio.lowlevel.checkpoint()
                self._state = "running"
                if self._is_endless and not self.engines:  # other processes have all readers, and may not for good
                    engines.start_soon(anyio.sleep_forever)
            reading.cancel_scope.cancel()

    async def _cancel_at_stop(self, reading: TaskGroup) -> None:
        await self._stop.wait()
        reading.cancel_scope.cancel()
        self._begin_draining()

    def _begin_draining(self) -> None:
        """The grace period begins with the first call."""
        if self._state != "draining":
            self._state = "draining"
            self._drained_by = anyio.current_time() + self.config.settings.grace - self._close_limit

    def _make_room_for_look_ups(self) -> None:
        """The event loop resolves names in its default threads, of which it has very few."""
        ends = len(self.engines) + len(self.deliveries)
        threads = ThreadPoolExecutor(min(LOOK_UP_THREADS, 8 + ends), thread_name_prefix="look-up")
        asyncio.get_running_loop().set_default_executor(threads)

    async def _summarise(self) -> None:
        before = self._snapshot({})  # the readers have no numbers yet, and there may be thousands of them
        while True:
            await anyio.sleep(SUMMARY_INTERVAL)
            from .views.summary import summarise

            now = self.snapshot()
            self._log.info("summary", **summarise(before, now))
            before = now

    async def _say_start_later(self) -> None:
        """When the first polls are out: the first line that is said takes longer than they do."""
        await anyio.sleep(SAID_AFTER if self._is_endless else 0)
        self._say_start()

    def _say_start(self) -> None:
        if self._has_said_start:
            return
        self._has_said_start = True
        for remark in () if self._is_told_of else self.config.remarks:
            self._log.warning(str(remark))
        counts = {"readers": len(self.engines), "recorders": len(self.deliveries)}
        shard = {"shard": str(self.config.shard)} if self.config.shard else {}
        self._log.info("started", version=__version__, **shard, **counts, pid=os.getpid())

    def _result(self) -> Result:
        left = [delivery.end() for delivery in self.deliveries.values()]
        return Result(
            lost=sum(each.lost for each in left),
            kept=sum(each.kept for each in left),
            shed=sum(delivery.ledger.shed.total() for delivery in self.deliveries.values()),
            failed_polls=sum(engine.failures.total() for engine in self.engines.values()),
            refused=sum(delivery.ledger.refused.total() for delivery in self.deliveries.values()),
        )


async def _run_and_tell(delivery: Delivery, finished: anyio.Event) -> None:
    await delivery.run()
    finished.set()


def process_statistics() -> ProcessStatistics:
    """What this process costs."""
    return ProcessStatistics(
        cpu=time.process_time(),
        memory=_resident_bytes(),
        threads=threading.active_count(),
        tasks=len(asyncio.all_tasks()),
    )


def _resident_bytes() -> int:
    """Resident memory now where the system tells it (Linux), else at its height."""
    try:
        with open("/proc/self/statm", "rb") as status:  # noqa: PTH123  # asked for on every snapshot
            return int(status.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
