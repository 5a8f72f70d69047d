"""One recorder's worker: batch, retry, drop, rejoin.

Theory of operation: engines put polls into the buffer and go on. One task per recorder takes batches out of it and
hands them over, several at once where the recorder can and the flow allows; what was not settled is given back. It
enters the recorder, delivers until the circuit drops it, leaves it, pauses, and enters a fresh one. Pauses and waits
end early when the delivery is asked to close.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import anyio
from pydantic import Field

from .batches import Batches
from .buffer import BatchSettings, Buffer, BufferSettings, Record
from .datatypes import Poll
from .errors import RecordError, StateError
from .handover import Handover
from .outcomes.circuit import Circuit, RetrySettings
from .outcomes.flow import Flow
from .outcomes.ledger import Ledger
from .outcomes.refusals import Refusals
from .outcomes.standing import Standing
from .outcomes.verdicts import Sorted, Verdicts
from .recorder import Recorder
from .settings import ByteSize, Duration, SettingsModel
from .syncing import Syncing
from .telemetry import DeliveryStatistics
from .waiting import LoopClock, Waiting

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

CLOSE_LIMIT = 1.0  # seconds that leaving a recorder may take
GROUPED = 0.25  # seconds; what is given back for about the same time is tried again together
MINUTES_SHOWN = 10


class DeliverySettings(SettingsModel):
    """How containers are brought to a recorder."""

    timeout: Duration = 30.0
    """A delivery that takes longer has failed; so has making contact."""
    backoff: Annotated[int, Field(ge=1)] = 10
    """After so many failures in a row the recorder is dropped: probed with growing pauses until it rejoins."""
    batch: BatchSettings = BatchSettings.unsaid()
    """When a batch leaves."""
    retry: RetrySettings = RetrySettings.unsaid()
    """Pauses between tries."""
    buffer: BufferSettings = BufferSettings.unsaid()
    """What waits while the recorder is busy or away."""
    quarantine_bytes: ByteSize = 64 * 2**20
    """With a `state_dir`: bytes of the documents that were refused and are kept, the newest; see `expvastic buffer`."""


class Left(NamedTuple):
    """Containers that were not settled when a delivery ended."""

    lost: int  # with the memory
    kept: int  # on the disk, for the next start


class Delivery:
    """Brings what is offered to one recorder; shared by all engines that route to it.

    ``make`` makes a fresh recorder; ``verdicts`` and ``refusals`` enter what became of containers in the ledger that
    the buffer keeps, too. While ``held`` says why, nothing is delivered: the user must settle something first. Nothing
    that the recorder does or does not do delays ``offer``.
    """

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002  # the word of the configuration
        make: Callable[[], Recorder[Any]],
        buffer: Buffer,
        ledger: Ledger,
        settings: DeliverySettings,
        log: FilteringBoundLogger,
        *,
        verdicts: Verdicts | None = None,
        refusals: Refusals | None = None,
        close_limit: float = CLOSE_LIMIT,
        clock: Callable[[], float] | None = None,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        probe = make()
        self.name = name
        self.destination = probe.destination
        self.ledger = ledger
        self.buffer = buffer
        self.held = ""
        self.circuit = Circuit(settings.backoff, settings.retry, draw=draw)
        self._type = type
        self._make = make
        self._settings = settings
        self._log = log
        self._close_limit = close_limit
        self._clock = clock = clock or LoopClock()
        self._verdicts = verdicts or Verdicts(ledger, log)
        self._refusals = refusals or Refusals(self._verdicts, log)
        self._handover = Handover(self.destination, settings.timeout, log, clock)
        self._flow = Flow(probe.concurrency, settings.batch.count)
        self._standing = Standing(self.circuit, self._flow, buffer, log, wall)
        self._syncing = Syncing(buffer, settings.buffer.sync_interval, log)
        self._waiting = Waiting(clock)
        self._batches = Batches(buffer, settings.batch, self._standing, self._waiting, clock)

    @property
    def is_synced_always(self) -> bool:
        """Whether what was read must be on the disk itself before anything else is done with it."""
        return self.buffer.is_durable and self._settings.buffer.sync == "always"

    def open(self, now: float) -> None:
        """Take up what an earlier process left; to be called before ``run``. Blocks; raises StateError.

        ``now`` is the event loop's time, for this may run in another thread.
        """
        self.buffer.open(now)
        try:
            self._refusals.look()
        except OSError as error:
            raise StateError(f"the quarantine of recorder {self.name} cannot be read: {error}") from error

    def offer(self, poll: Poll) -> None:
        """Take a poll's containers in; when this returns, they are in the buffer or counted as shed."""
        now = self._clock()
        self.buffer.expire(now)
        self.buffer.put(poll, now)
        self._tell_losses()
        self._syncing.tell_written()
        self._batches.tell_put(now)

    def close(self) -> None:
        """Ask ``run`` to deliver what waits without further waiting, and to return."""
        self._waiting.close()

    def end(self) -> Left:
        """After ``run`` has ended: give up what was not delivered, or leave it on the disk."""
        waiting = self.buffer.waiting + self.buffer.out
        shed = self.ledger.shed["lost_at_exit"]
        self.buffer.close(self._clock())
        lost = self.ledger.shed["lost_at_exit"] - shed
        return Left(lost, waiting - lost)

    async def run(self) -> None:
        """Deliver until closed and empty."""
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._syncing.run)
            if self.held:
                self._log.error("recorder waits", reason=self.held)
                await self._waiting.for_close()
            while not self.held and not self._is_done():
                await self._waiting.pause()
                if await self._batches.is_due() and not self._is_done():  # contact is made when there is something
                    await self._session()
            beside.cancel_scope.cancel()

    async def contact(self) -> None:
        """Enter a fresh recorder and leave it. Raises RecordError if it cannot be entered."""
        async with self._entered():
            pass

    def statistics(self) -> DeliveryStatistics:
        """The numbers since the start, or since the state directory was made."""
        ledger, standing, buffer = self.ledger, self._standing, self.buffer
        return DeliveryStatistics(
            type=self._type,
            destination=self.destination,
            state="held" if self.held else self.circuit.state.value,
            **{name: ledger.totals[name] for name in Ledger.COUNTED},
            refused=dict(ledger.refused),
            shed=dict(ledger.shed),
            waiting=buffer.waiting,
            out=buffer.out,
            weight=buffer.weight,
            enqueued=buffer.enqueued,
            consumed=buffer.consumed,
            buffer_errors=dict(buffer.errors),
            quarantined=self._refusals.quarantined,
            lanes=self._flow.lanes,
            batches=standing.batches,
            failures=standing.failures,
            drops=self.circuit.drops,
            last_success=standing.last_success,
            last_error=self.held or standing.last_error,
            is_blocked=standing.is_blocked,
            is_durable=buffer.is_durable,
            minutes=ledger.minutes.latest(MINUTES_SHOWN),
        )

    def _is_done(self) -> bool:
        return self._waiting.is_closing and (not self.buffer.waiting or self._batches.may_stay)

    async def _session(self) -> None:
        """Enter the recorder afresh and deliver, until all is done or it is dropped."""
        began = self._clock()
        try:
            async with self._entered() as recorder:
                self.circuit.entered()
                async with anyio.create_task_group() as lanes:
                    while records := await self._batches.next():
                        lanes.start_soon(self._deliver, recorder, records)
        except RecordError as error:
            self._fail(error, began)
        except Exception as bug:  # noqa: BLE001  # a loop boundary: a recorder's bug costs a try, not the process
            self._log.debug("recorder misbehaved", exc_info=True)
            self._fail(RecordError(f"unexpected {type(bug).__name__}: {bug}"), began)

    @contextlib.asynccontextmanager
    async def _entered(self) -> AsyncIterator[Recorder[Any]]:
        recorder = self._make()
        try:
            with anyio.fail_after(self._settings.timeout):
                await recorder.__aenter__()
        except TimeoutError:
            raise RecordError(f"no contact with {self.destination} within {self._settings.timeout:g} s") from None
        try:
            yield recorder
        finally:
            with anyio.move_on_after(self._close_limit, shield=True):
                await recorder.__aexit__(None, None, None)

    async def _deliver(self, recorder: Recorder[Any], records: Sequence[Record]) -> None:
        """Bring one batch to the recorder, and do with each record what its verdict says."""
        began, out = self._clock(), set(records)
        try:
            batch = self._verdicts.sort(await self._handover.bring(recorder, records))
            out.difference_update(batch.settled)
            self.buffer.settle(batch.settled)  # before anything is waited for: it stands in the ledger
            await self._refusals.decide(batch)
            out.clear()
            self._act_upon(batch, began)
        except RecordError as error:
            self._give_back(out, self._clock(), in_doubt=error.in_doubt)
            out.clear()
            self._fail(error, began)
        except Exception as bug:  # noqa: BLE001  # a loop boundary: a recorder's bug costs a try, not the process
            self._log.debug("recorder misbehaved", exc_info=True)
            self._fail(RecordError(f"unexpected {type(bug).__name__}: {bug}"), began)
        finally:
            self._give_back(out, self._clock(), in_doubt=True)
            self._batches.ended()

    def _act_upon(self, batch: Sorted, began: float) -> None:
        now, longest = self._clock(), self._settings.retry.max
        self.buffer.settle(batch.refused_for_good)
        for (tries, in_doubt), records in batch.again.items():
            self._give_back(records, now + self.circuit.jittered(tries + 1), in_doubt=in_doubt)
        self._give_back(batch.blocked, now + longest)
        self._tell_losses()
        self._syncing.tell_written()
        if batch.has_settled:
            self._standing.succeeded()
            self._adapt(batch)
        elif batch.again:
            self._fail(RecordError(f"every container is to be tried again: {batch.reason}"), began)
        else:
            # The recorder is well, its destination is not: no failure, but no reason to hurry either.
            self._standing.blocked(batch.reason)
            self._waiting.pause_for(longest)

    def _adapt(self, batch: Sorted) -> None:
        """Send more at once, or less, after a batch of which something is settled."""
        if batch.again:
            self._flow.pushed_back()
        else:
            self._flow.taken(was_full=self._batches.more_would_help)
        if batch.again or batch.blocked:
            self._waiting.pause_for(self.circuit.jittered(1) * batch.share_left)

    def _give_back(self, records: Collection[Record], not_before: float, *, in_doubt: bool = False) -> None:
        if records:
            self.buffer.give_back(records, math.ceil(not_before / GROUPED) * GROUPED, in_doubt=in_doubt)
            self.ledger.count("retried", len(records))

    def _fail(self, error: RecordError, began: float) -> None:
        self._waiting.pause_for(self._standing.failed(error, began=began, now=self._clock()))

    def _tell_losses(self) -> None:
        if losses := self.buffer.take_losses():
            self._standing.lost(losses)
