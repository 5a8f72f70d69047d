"""One recorder's worker: batch, retry, drop, rejoin.

Theory of operation: engines put containers into the buffer and go on. One task per recorder takes batches out of it,
and gives back what was not settled. It enters the recorder, delivers until the circuit drops it, leaves it, pauses,
and enters a fresh one. Pauses and waits end early when the delivery is asked to close.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import anyio
from pydantic import Field

from .buffer import BatchSettings, Buffer, BufferSettings, Record
from .datatypes import Container
from .errors import RecorderLost, RecordError
from .outcomes.circuit import Circuit, RetrySettings, State
from .outcomes.ledger import Ledger
from .outcomes.verdicts import Sorted, Verdicts
from .recorder import Recorder
from .settings import Duration, SettingsModel
from .telemetry import DeliveryStatistics
from .waiting import Waiting

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

CLOSE_LIMIT = 1.0  # seconds that leaving a recorder may take
PROBE_COUNT = 10  # containers in the first batch for a recorder on probation
GROUPED = 0.25  # seconds; what is given back for about the same time is tried again together


class DeliverySettings(SettingsModel):
    """How containers are brought to a recorder."""

    timeout: Duration = 30.0
    """A delivery that takes longer has failed; so has making contact."""
    backoff: Annotated[int, Field(ge=1)] = 10
    """After so many failures in a row the recorder is dropped: probed with growing pauses until it rejoins."""
    batch: BatchSettings = BatchSettings()
    """When a batch leaves."""
    retry: RetrySettings = RetrySettings()
    """Pauses between tries."""
    buffer: BufferSettings = BufferSettings()
    """What waits while the recorder is busy or away."""


class Delivery:
    """Brings what is offered to one recorder; shared by all engines that route to it.

    ``make`` makes a fresh recorder. ``shares`` says that another recorder writes to the same destination. Nothing that
    the recorder does or does not do delays ``offer``.
    """

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002  # the word of the configuration
        make: Callable[[], Recorder[Any]],
        buffer: Buffer,
        settings: DeliverySettings,
        log: FilteringBoundLogger,
        *,
        shares: bool = False,
        close_limit: float = CLOSE_LIMIT,
        clock: Callable[[], float] = anyio.current_time,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.ledger = Ledger()
        self.circuit = Circuit(settings.backoff, settings.retry, draw=draw)
        self._type = type
        self._make = make
        self._buffer = buffer
        self._settings = settings
        self._verdicts = Verdicts(self.ledger, log, shares=shares)
        self._limits = settings.batch
        self._log = log
        self._close_limit = close_limit
        self._clock = clock
        self._waiting = Waiting(clock)
        self._wall = wall
        self._destination = make().destination
        self._is_blocked = False
        self._is_shedding = False
        self._shed_since_success = False
        self._batches = 0
        self._failures = 0
        self._last_success = 0.0
        self._last_error = ""

    def offer(self, container: Container) -> None:
        """Take a container in; when this returns, it is in the buffer or counted as shed."""
        now = self._clock()
        self.ledger.offered += 1
        self._expire(now)
        shed = self._buffer.put(container, now)
        if shed:
            self._shed("full", len(shed))
        self._waiting.tell_due(now + self._buffer.due_in(self._limits, now))

    def close(self) -> None:
        """Ask ``run`` to deliver what waits without further waiting, and to return."""
        self._waiting.close()

    def abandon(self) -> int:
        """After ``run`` has ended: give up what was not delivered; returns how many containers were lost."""
        lost = len(self._buffer.clear())
        if lost:
            self.ledger.shed["lost_at_exit"] += lost
        return lost

    async def run(self) -> None:
        """Deliver until closed and empty."""
        while not self._is_done():
            await self._waiting.pause()
            if await self._batch_is_due():  # contact is made when there is something to bring
                await self._session()

    async def contact(self) -> None:
        """Enter a fresh recorder and leave it. Raises RecordError if it cannot be entered."""
        async with self._entered():
            pass

    def statistics(self) -> DeliveryStatistics:
        """The numbers since the start."""
        ledger = self.ledger
        return DeliveryStatistics(
            type=self._type,
            destination=self._destination,
            state=self.circuit.state.value,
            offered=ledger.offered,
            recorded=ledger.recorded,
            duplicates=ledger.duplicates,
            conflicts=ledger.conflicts,
            shared=ledger.shared,
            failure_store=ledger.failure_store,
            refused=dict(ledger.refused),
            shed=dict(ledger.shed),
            waiting=self._buffer.waiting,
            out=self._buffer.out,
            weight=self._buffer.weight,
            retried=ledger.retried,
            blocked=ledger.blocked,
            batches=self._batches,
            failures=self._failures,
            drops=self.circuit.drops,
            last_success=self._last_success,
            last_error=self._last_error,
            is_blocked=self._is_blocked,
        )

    def _is_done(self) -> bool:
        return self._waiting.is_closing and not self._buffer.waiting

    async def _session(self) -> None:
        """Enter the recorder afresh and deliver, until all is done or it is dropped."""
        try:
            async with self._entered() as recorder:
                self.circuit.entered()
                while await self._batch_is_due():
                    try:
                        await self._deliver(recorder)
                    except RecordError as error:
                        self._failed(error)
                        if self.circuit.state is State.DROPPED:
                            break
                    await self._waiting.pause()
        except RecordError as error:
            self._failed(error)
        except Exception as bug:  # noqa: BLE001  # a loop boundary: a recorder's bug costs a try, not the process
            self._log.debug("recorder misbehaved", exc_info=True)
            self._failed(RecordError(f"unexpected {type(bug).__name__}: {bug}"))

    @contextlib.asynccontextmanager
    async def _entered(self) -> AsyncIterator[Recorder[Any]]:
        recorder = self._make()
        try:
            with anyio.fail_after(self._settings.timeout):
                await recorder.__aenter__()
        except TimeoutError:
            raise RecordError(f"no contact with {self._destination} within {self._settings.timeout:g} s") from None
        try:
            yield recorder
        finally:
            with anyio.move_on_after(self._close_limit, shield=True):
                await recorder.__aexit__(None, None, None)

    async def _deliver(self, recorder: Recorder[Any]) -> None:
        """Bring one batch to the recorder, and do with each record what its verdict says."""
        records = self._buffer.take(self._batch_limits(), math.inf if self._waiting.is_closing else self._clock())
        try:
            with anyio.fail_after(self._settings.timeout):
                verdicts = await recorder.record([record.container for record in records])
            if len(verdicts) != len(records):
                raise RecordError(f"{len(verdicts)} verdicts for {len(records)} containers")
            batch = self._verdicts.sort(records, verdicts)
        except BaseException as error:
            self._give_back(records, self._clock())
            if isinstance(error, TimeoutError):
                limit = f"{self._settings.timeout:g} s"
                raise RecordError(f"no answer from {self._destination} within {limit}") from None
            raise
        self._settle(batch)

    def _settle(self, batch: Sorted) -> None:
        now, retry = self._clock(), self._settings.retry
        self._buffer.settle(batch.settled)
        for tries, records in batch.again.items():
            self._give_back(records, now + self.circuit.jittered(tries + 1))
        self._give_back(batch.blocked, now + retry.max)
        if batch.settled:
            self._succeeded()
            if batch.again or batch.blocked:
                self._waiting.pause_for(self.circuit.jittered(1) * batch.share_left)
        elif batch.again:
            raise RecordError(f"every container is to be tried again: {batch.reason}")
        else:
            # The recorder is well, its destination is not: no failure, but no reason to hurry either.
            self.circuit.delivered()
            self._is_blocked, self._last_error = True, batch.reason
            self._waiting.pause_for(retry.max)

    def _give_back(self, records: Sequence[Record], not_before: float) -> None:
        self._buffer.give_back(records, math.ceil(not_before / GROUPED) * GROUPED)
        self.ledger.retried += len(records)

    def _succeeded(self) -> None:
        self._batches += 1
        self._is_blocked = False
        self._last_success = self._wall()
        failures, before = self.circuit.failures, self.circuit.delivered()
        if before is State.PROBATION:
            self._log.warning("recorder rejoined", failures=failures, waiting=self._buffer.waiting)
        elif before is State.FAILING:
            self._log.info("recorder recovered", failures=failures)
        if self._is_shedding and not self._shed_since_success:
            self._is_shedding = False
            self._log.warning("shedding ended", shed=self.ledger.shed.total())
        self._shed_since_success = False

    def _failed(self, error: RecordError) -> None:
        before = self.circuit.state
        pause = self.circuit.failed(lost=isinstance(error, RecorderLost), retry_after=error.retry_after)
        self._failures += 1
        self._last_error = str(error)
        self._waiting.pause_for(pause)
        if self.circuit.state is State.DROPPED and before not in (State.DROPPED, State.PROBATION):
            self._log.error("recorder dropped", failures=self.circuit.failures, error=str(error))
        elif self.circuit.state is State.FAILING and before is not State.FAILING:
            self._log.warning("recorder failing", error=str(error))
        else:
            self._log.debug("delivery failed", failures=self.circuit.failures, error=str(error), pause=round(pause, 3))

    def _expire(self, now: float) -> None:
        expired = self._buffer.expire(now)
        if expired:
            self._shed("expired", len(expired))

    def _shed(self, reason: str, count: int) -> None:
        self.ledger.shed[reason] += count
        self._shed_since_success = True
        if not self._is_shedding:
            self._is_shedding = True
            self._log.error("shedding", reason=reason, waiting=self._buffer.waiting, bytes=self._buffer.weight)

    def _batch_limits(self) -> BatchSettings:
        if self.circuit.state is not State.PROBATION:
            return self._limits
        return self._limits.model_copy(update={"count": min(self._limits.count, PROBE_COUNT)})

    async def _batch_is_due(self) -> bool:
        """Wait until a batch should leave; false if there is none and will be none."""
        return await self._waiting.for_batch(self._due_in) or self._buffer.waiting > 0

    def _due_in(self, now: float) -> float:
        self._expire(now)
        return self._buffer.due_in(self._limits, now)
