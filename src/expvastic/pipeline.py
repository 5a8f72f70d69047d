"""Opens what the routes name, wires it, runs one task group, closes in reverse."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
from anyio.abc import TaskGroup

from . import __version__, logs
from .buffer import BufferSettings
from .buffers import BUFFERS
from .config import Config, ReaderPlan
from .delivery import Delivery
from .document import Identity
from .engine import Engine
from .interpreter import Interpreter
from .listener import Listener
from .pacing import Pacer, offsets
from .readers import READERS
from .recorders import RECORDERS
from .telemetry import ProcessStatistics, Snapshot
from .views.summary import summarise

SUMMARY_INTERVAL = 60.0
CLOSING_SHARE = 0.1  # of the grace period is kept for closing, a second at most
LOOK_UP_THREADS = 256  # at most; a look-up that hangs takes one, and must not take the last


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    lost: int  # containers that were read and not known to be recorded
    shed: int  # containers for which there was no room or time, those that are lost among them
    failed_polls: int
    refused: int


def steady_clock() -> float:
    """Seconds of a clock that never steps, and that goes on while the machine is suspended where it can be told."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Pipeline:
    """One configuration at work. ``ticks`` is how often each reader is polled; constructing does no I/O."""

    def __init__(
        self,
        config: Config,
        *,
        ticks: float = math.inf,
        wall: Callable[[], float] = time.time,
        start: float | None = None,
    ) -> None:
        self.config = config
        self._ticks = ticks
        self._wall = wall
        self._state = "starting"
        self._started = wall()
        self._stop = anyio.Event()
        self._drained_by = math.inf  # on the event loop's clock
        self._close_limit = min(1.0, config.settings.grace * CLOSING_SHARE)
        self.identity = Identity(secrets.token_hex(8), platform.node(), __version__)
        self._log = logs.logger()
        self.deliveries = {name: self._delivery(name) for name in self._routed_recorders()}
        self.engines = self._engines(steady_clock() if start is None else start)

    async def run(self) -> Result:
        """Poll and deliver until stopped or out of ticks; then deliver what is left, for the grace period at most."""
        self._make_room_for_look_ups()
        async with self._listening(), anyio.create_task_group() as services:
            finished = {name: anyio.Event() for name in self.deliveries}
            for name, delivery in self.deliveries.items():
                services.start_soon(_run_and_tell, delivery, finished[name])
            services.start_soon(self._summarise)
            self._say_start()
            await self._read()
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
        return Snapshot(
            version=__version__,
            agent_id=self.identity.agent_id,
            host=self.identity.host,
            time=self._wall(),
            started=self._started,
            state=self._state,
            process=_process(),
            readers={name: engine.statistics() for name, engine in self.engines.items()},
            recorders={name: delivery.statistics() for name, delivery in self.deliveries.items()},
        )

    def _routed_recorders(self) -> list[str]:
        routed = {recorder for recorders in self.config.engines.values() for recorder in recorders}
        return [name for name in self.config.recorders if name in routed]

    def _delivery(self, name: str) -> Delivery:
        plan = self.config.recorders[name]
        buffer = self._with_its_share(plan.delivery.buffer)
        return Delivery(
            name,
            plan.type,
            partial(RECORDERS[plan.type], plan.plugin),
            BUFFERS[buffer.type](buffer),
            plan.delivery,
            logs.logger(recorder=name),
            shares=name in self.config.shared,
            close_limit=self._close_limit,
            wall=self._wall,
        )

    def _with_its_share(self, buffer: BufferSettings) -> BufferSettings:
        """A buffer within the memory of all: each has a share for certain, so that no recorder can take another's."""
        buffers = [self.config.recorders[name].delivery.buffer for name in self._routed_recorders()]
        wanted, memory = sum(other.max_bytes for other in buffers), self.config.settings.memory
        if wanted <= memory:
            return buffer
        return buffer.model_copy(update={"max_bytes": max(1, buffer.max_bytes * memory // wanted)})

    def _engines(self, start: float) -> Mapping[str, Engine]:
        plans = {name: self.config.readers[name] for name in self.config.engines}
        waits = offsets({name: plan.engine.interval for name, plan in plans.items()})
        if self._ticks != math.inf:
            waits = dict.fromkeys(waits, 0.0)  # a few ticks are not worth spreading
        return {name: self._engine(plan, start + waits[name]) for name, plan in plans.items()}

    def _engine(self, plan: ReaderPlan, start: float) -> Engine:
        reader = READERS[plan.type](plan.plugin, self.snapshot)
        prefix = plan.interpreter.prefix
        interpreter = Interpreter(
            plan.interpreter,
            self.identity,
            reader=plan.name,
            target=reader.target,
            prefix=reader.prefix if prefix is None else prefix,
            interval=plan.engine.interval,
            go_runtime=reader.is_go,
            map_file=plan.map_file,
        )
        return Engine(
            plan.name,
            plan.type,
            reader,
            interpreter,
            [self.deliveries[name] for name in self.config.engines[plan.name]],
            plan.engine,
            Pacer(plan.engine.interval, plan.engine.backoff, start=start, ticks=self._ticks),
            logs.logger(plan.engine.log_level, reader=plan.name),
            clock=steady_clock,
            wall=self._wall,
        )

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        if self.config.settings.listen is None:
            yield
            return
        async with Listener(self.config.settings.listen, self.snapshot):
            yield

    async def _read(self) -> None:
        """Run the engines until they are done or a stop is asked for."""
        async with anyio.create_task_group() as reading:
            reading.start_soon(self._cancel_at_stop, reading)
            async with anyio.create_task_group() as engines:
                for engine in self.engines.values():
                    engines.start_soon(engine.run)
                self._state = "running"
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
        before = self.snapshot()
        while True:
            await anyio.sleep(SUMMARY_INTERVAL)
            now = self.snapshot()
            self._log.info("summary", **summarise(before, now))
            before = now

    def _say_start(self) -> None:
        for remark in self.config.remarks:
            self._log.warning(str(remark))
        self._log.info(
            "started", version=__version__, readers=len(self.engines), recorders=len(self.deliveries), pid=os.getpid()
        )

    def _result(self) -> Result:
        lost = sum(delivery.abandon() for delivery in self.deliveries.values())
        return Result(
            lost=lost,
            shed=sum(delivery.ledger.shed.total() for delivery in self.deliveries.values()),
            failed_polls=sum(engine.failures.total() for engine in self.engines.values()),
            refused=sum(delivery.ledger.refused.total() for delivery in self.deliveries.values()),
        )


async def _run_and_tell(delivery: Delivery, finished: anyio.Event) -> None:
    await delivery.run()
    finished.set()


def _process() -> ProcessStatistics:
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
