"""How one delivery stands, and what an operator is told of it: once, when it changes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..buffer import Buffer, Loss
from ..errors import RecorderLost, RecordError
from .circuit import Circuit, State
from .flow import Flow

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Standing:
    """The failures and successes of one delivery in a row, and what follows from them."""

    def __init__(
        self,
        circuit: Circuit,
        flow: Flow,
        buffer: Buffer,
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.circuit = circuit
        self.flow = flow
        self.batches = 0
        self.failures = 0
        self.last_success = 0.0
        self.last_error = ""
        self.is_blocked = False
        self._buffer = buffer
        self._log = log
        self._wall = wall
        self._failed_at = -math.inf
        self._is_shedding = False
        self._shed_since_success = False

    def succeeded(self) -> None:
        """A batch was answered, and some of it is settled."""
        self.batches += 1
        self.is_blocked = False
        self.last_success = self._wall()
        self._answered()
        if self._is_shedding and not self._shed_since_success:
            self._is_shedding = False
            self._log.warning("shedding ended", errors=dict(self._buffer.errors))
        self._shed_since_success = False

    def blocked(self, reason: str) -> None:
        """The recorder is well, its destination is not: no failure."""
        self._answered()
        self.is_blocked, self.last_error = True, reason

    def failed(self, error: RecordError, *, began: float, now: float) -> float:
        """A try that began then has failed; returns the seconds to pause.

        Of several that were under way at once, one counts; what each wishes for is granted.
        """
        self.failures += 1
        self.last_error = str(error)
        is_lost = isinstance(error, RecorderLost)
        if began < self._failed_at and (not is_lost or self.circuit.state is State.DROPPED):
            return self.circuit.wish(error.retry_after)
        self._failed_at = now
        self.flow.failed()
        before = self.circuit.state
        pause = self.circuit.failed(lost=is_lost, retry_after=error.retry_after)
        self._tell_failure(before, error, pause)
        return pause

    def lost(self, losses: Sequence[Loss]) -> None:
        """The buffer could not keep these."""
        self._shed_since_success = True
        if not self._is_shedding:
            self._is_shedding = True
            self._log.error(
                "shedding", reason=losses[-1].reason, waiting=self._buffer.waiting, bytes=self._buffer.weight
            )

    def _answered(self) -> None:
        failures, before = self.circuit.failures, self.circuit.delivered()
        if before is State.PROBATION:
            self._log.warning("recorder rejoined", failures=failures, waiting=self._buffer.waiting)
        elif before is State.FAILING:
            self._log.info("recorder recovered", failures=failures)

    def _tell_failure(self, before: State, error: RecordError, pause: float) -> None:
        if self.circuit.state is State.DROPPED and before not in (State.DROPPED, State.PROBATION):
            self._log.error("recorder dropped", failures=self.circuit.failures, error=str(error))
        elif self.circuit.state is State.FAILING and before is not State.FAILING:
            self._log.warning("recorder failing", error=str(error))
        else:
            self._log.debug("delivery failed", failures=self.circuit.failures, error=str(error), pause=round(pause, 3))
