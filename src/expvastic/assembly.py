"""Makes what the routes of a configuration name: a delivery for each recorder, an engine for each reader."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from . import logs
from .buffer import MEMORY_BYTES, Buffer, BufferSettings
from .buffers.memory import MemoryBuffer
from .config import Config, ReaderPlan, RecorderPlan
from .delivery import Delivery
from .document import Identity
from .engine import Engine, Outlet
from .outcomes.ledger import Ledger
from .outcomes.refusals import Refusals
from .outcomes.verdicts import Verdicts
from .pacing import Pacer, offsets
from .readers import READERS
from .recorders import RECORDERS
from .slots import Slots
from .telemetry import Snapshot

if TYPE_CHECKING:
    from .interpreter import Interpreter
    from .outcomes.quarantine import Quarantine
    from .reader import Reader
    from .state import State

steady_clock: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
"""Seconds of a clock that never steps, and that goes on while the machine is suspended where it can be told."""


def routed_recorders(config: Config) -> list[str]:
    """The recorders that some reader is routed to, in the order of the file."""
    routed = {recorder for recorders in config.engines.values() for recorder in recorders}
    return [name for name in config.recorders if name in routed]


def make_deliveries(
    config: Config, state: State | None, *, close_limit: float, wall: Callable[[], float], replays: bool = False
) -> dict[str, Delivery]:
    """A delivery for each recorder that is routed to. Does no I/O but to make folders in the state directory."""
    plans = [config.recorders[name] for name in routed_recorders(config)]
    shared = Shares(plans, state, config.settings.memory)
    return {
        plan.name: make_delivery(
            plan,
            shared.buffer_settings(plan),
            state,
            shares=plan.name in config.shared,
            close_limit=close_limit,
            wall=wall,
            replays=replays,
        )
        for plan in plans
    }


def make_delivery(
    plan: RecorderPlan,
    settings: BufferSettings,
    state: State | None,
    *,
    shares: bool,
    close_limit: float,
    wall: Callable[[], float],
    replays: bool = False,
) -> Delivery:
    """The delivery of one recorder; with a state directory, what is refused goes to its quarantine."""
    log = logs.logger(recorder=plan.name)
    ledger = Ledger(wall)
    verdicts = Verdicts(ledger, log, shares=shares, replays=replays)
    return Delivery(
        plan.name,
        plan.type,
        partial(RECORDERS[plan.type], plan.plugin),
        _make_buffer(plan.name, settings, ledger, state, wall),
        ledger,
        plan.delivery,
        log,
        verdicts=verdicts,
        refusals=Refusals(verdicts, log, _make_quarantine(plan, state), wall=wall),
        close_limit=close_limit,
        wall=wall,
    )


class Shares:
    """How the memory for all buffers in memory is shared: each has its part for certain, and none another's."""

    def __init__(self, plans: list[RecorderPlan], state: State | None, memory: int) -> None:
        self._has_state = state is not None
        wanted = sum(_memory_wanted(plan.delivery.buffer) for plan in plans if not self._is_on_disk(plan))
        self._part = min(1.0, memory / wanted) if wanted else 1.0

    def buffer_settings(self, plan: RecorderPlan) -> BufferSettings:
        """A recorder's buffer settings, complete."""
        buffer = plan.delivery.buffer
        if self._is_on_disk(plan):
            return buffer.model_copy(update={"type": "disk"})
        part = max(1, math.floor(_memory_wanted(buffer) * self._part))
        return buffer.model_copy(update={"type": "memory", "max_bytes": part})

    def _is_on_disk(self, plan: RecorderPlan) -> bool:
        return self._has_state and plan.delivery.buffer.type != "memory"


def make_engines(
    config: Config,
    identity: Identity,
    snapshot: Callable[[], Snapshot],
    outlets: Mapping[str, list[Outlet]],
    *,
    remembers: bool,
    ticks: float,
    start: float,
    wall: Callable[[], float],
) -> dict[str, Engine]:
    """An engine for each reader that is polled here; ``outlets`` are each one's."""
    plans = {name: config.readers[name] for name in config.polled}
    waits = offsets({name: plan.engine.interval for name, plan in plans.items()})
    if ticks != math.inf:
        waits = dict.fromkeys(waits, 0.0)  # a few ticks are not worth spreading
    slots = Slots(steady_clock)
    engines = {}
    for name, plan in plans.items():
        reader = READERS[plan.type](plan.plugin, snapshot)
        engines[name] = Engine(
            name,
            plan.type,
            reader,
            partial(_make_interpreter, plan, identity, reader),
            outlets[name],
            plan.engine,
            Pacer(plan.engine.interval, plan.engine.backoff, start=start + waits[name], ticks=ticks),
            logs.logger(plan.engine.log_level, reader=name),
            remembers=remembers,
            slots=slots,
            clock=steady_clock,
            wall=wall,
        )
    return engines


def make_outlets(config: Config, deliveries: Mapping[str, Delivery], state: State | None) -> dict[str, list[Outlet]]:
    """Where each reader's polls go; first of all to the state directory, where no one buffer keeps the knowledge."""
    outlets: dict[str, list[Outlet]] = {}
    for reader, recorders in config.polled.items():
        routed = [deliveries[name] for name in recorders]
        keeper = _make_keepers(state, reader, routed) if state else []
        outlets[reader] = [*keeper, *routed]
    return outlets


def _make_keepers(state: State, reader: str, routed: list[Delivery]) -> list[Outlet]:
    from .upkeep import Keeper  # for those who have a state directory

    durable = [delivery for delivery in routed if delivery.buffer.is_durable]
    if len(durable) == 1:
        return []
    must_sync = any(delivery.is_synced_always for delivery in durable)
    return [Keeper(state, reader, synced=must_sync, with_containers=bool(durable))]


def _make_interpreter(plan: ReaderPlan, identity: Identity, reader: Reader[Any]) -> Interpreter:
    from .interpreter import Interpreter  # for the first page

    return Interpreter(
        plan.interpreter,
        identity,
        reader=plan.name,
        target=reader.target,
        prefix=reader.prefix if plan.interpreter.prefix is None else plan.interpreter.prefix,
        interval=plan.engine.interval,
        go_runtime=reader.is_go,
        map_file=plan.map_file,
    )


def _make_buffer(
    name: str, settings: BufferSettings, ledger: Ledger, state: State | None, wall: Callable[[], float]
) -> Buffer:
    if settings.type == "disk" and state is not None:
        from .buffers.disk import DiskBuffer  # for those who have a state directory

        return DiskBuffer(settings, ledger, state.recorder_folder(name) / "buffer", wall=wall)
    return MemoryBuffer(settings, ledger)


def _make_quarantine(plan: RecorderPlan, state: State | None) -> Quarantine | None:
    if state is None:
        return None
    from .outcomes.quarantine import Quarantine  # for those who have a state directory

    return Quarantine(state.recorder_folder(plan.name) / "quarantine", plan.delivery.quarantine_bytes)


def _memory_wanted(buffer: BufferSettings) -> int:
    return buffer.max_bytes or MEMORY_BYTES
