"""One reader's loop: wait, read, interpret, offer each container to every delivery; nothing else."""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import anyio
from pydantic import Field

from .datatypes import Container, Poll
from .errors import ReadError
from .interpreter import Interpreter
from .pacing import Pacer
from .reader import Reader
from .settings import Duration, SettingsModel
from .telemetry import ReaderStatistics

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

LONGEST_SLEEP = 60.0  # seconds

LogLevel = Literal["debug", "info", "warn", "warning", "error"]


class EngineSettings(SettingsModel):
    """When a reader is read."""

    interval: Duration = 10.0
    """Time from one poll's start to the next."""
    timeout: Duration = 5.0
    """A poll that takes longer has failed. It may be above the interval."""
    backoff: Annotated[int, Field(ge=1)] = 10
    """After so many failures in a row polls are spaced out, up to 5 minutes, until one succeeds."""
    log_level: LogLevel | None = None
    """The log level of this reader alone."""


class Outlet(Protocol):
    """Where polls are offered: a delivery, or who keeps a reader's knowledge."""

    def offer(self, poll: Poll) -> None:
        """Take a poll in, at once."""


class Engine:
    """Polls one reader on its pacer's ticks and offers what comes of it to every outlet, in their order.

    ``remembers`` says that an outlet keeps what the interpreter knows, for a successor after a restart.
    """

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002  # the word of the configuration
        reader: Reader[Any],
        interpreter: Interpreter,
        outlets: Sequence[Outlet],
        settings: EngineSettings,
        pacer: Pacer,
        log: FilteringBoundLogger,
        *,
        remembers: bool = False,
        clock: Callable[[], float] = anyio.current_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._type = type
        self._reader = reader
        self._interpreter = interpreter
        self._outlets = tuple(outlets)
        self._settings = settings
        self._pacer = pacer
        self._log = log
        self._remembers = remembers
        self._clock = clock
        self._wall = wall
        self._offered = 0  # polls, those of earlier processes among them
        self.polls = 0
        self.readings = 0
        self.failures: Counter[str] = Counter()
        self._failures_in_a_row = 0
        self._failing_since = 0.0
        self._last_error = ""
        self._last_success = 0.0
        self._last_duration = 0.0

    async def run(self) -> None:
        """Poll until there are no more ticks."""
        try:
            async with self._reader:
                while (due := self._pacer.due) < math.inf:
                    await self._sleep_until(due)
                    self._pacer.catch_up(self._clock())
                    await self.poll()
                    self._pacer.advance(self._clock(), self._failures_in_a_row)
        except Exception as bug:  # noqa: BLE001  # a loop boundary: a reader that cannot close ends alone
            self._log.error("reader did not close", error=f"{bug.__class__.__name__}: {bug}")

    async def _sleep_until(self, due: float) -> None:
        """Sleep, looking at the clock now and then: it goes on while the machine is suspended, sleeping does not."""
        while (delay := due - self._clock()) > 0:  # noqa: ASYNC110  # no event tells of a suspend
            await anyio.sleep(min(delay, LONGEST_SLEEP))

    async def poll_once(self) -> int:
        """One poll outside of the ticks; returns how many values it brought."""
        async with self._reader:
            return sum(map(len, await self.poll()))

    async def poll(self) -> Sequence[Container]:
        """Wait, read, interpret, offer; a failure is counted and said, and gives no container."""
        self.polls += 1
        try:
            with anyio.fail_after(self._settings.timeout):
                reading = await self._reader.read()
            containers = self._interpreter.interpret(reading)
            self._offer(containers)
        except ReadError as error:
            self._failed(error)
        except TimeoutError:
            self._failed(ReadError("timeout", f"no complete answer within {self._settings.timeout:g} s"))
        except Exception as bug:  # noqa: BLE001  # a loop boundary: a bug costs a poll, not the process
            self._log.debug("reader misbehaved", exc_info=True)
            self._failed(ReadError("unexpected", f"unexpected {bug.__class__.__name__}: {bug}"))
        else:
            self._succeeded(reading.duration)
            self._tell_news()
            return containers
        return ()

    def go_on(self, number: int, knowledge: bytes) -> None:
        """Go on where an earlier process ended: with its last poll, and what its interpreter knew."""
        self._offered = number
        if knowledge:
            self._interpreter.restore(knowledge)

    def statistics(self) -> ReaderStatistics:
        """The numbers since the start."""
        interpreter = self._interpreter
        left_out: Counter[str] = Counter()
        names: dict[str, dict[str, int]] = {}
        for (name, reason), count in interpreter.left_out.items():
            left_out[reason] += count
            names.setdefault(name, {})[reason] = count
        return ReaderStatistics(
            type=self._type,
            target=self._reader.target,
            state="failing" if self._failures_in_a_row else "reading" if self.readings else "starting",
            interval=self._settings.interval,
            polls=self.polls,
            readings=self.readings,
            failures=dict(self.failures),
            failing_since=self._failing_since,
            last_error=self._last_error,
            missed=self._pacer.missed,
            containers=interpreter.containers,
            values={kind.name.lower(): count for kind, count in interpreter.kinds.items()},
            left_out=left_out,
            clock_steps=interpreter.clock_steps,
            restarts=interpreter.restarts,
            last_success=self._last_success,
            last_duration=self._last_duration,
            left_out_names=names,
        )

    def _offer(self, containers: Sequence[Container]) -> None:
        self._offered += 1
        knowledge = self._interpreter.knowledge() if self._remembers else b""
        poll = Poll(self.name, self._offered, containers, knowledge)
        with contextlib.ExitStack() as all_of_them:  # though one fails, the others get the poll
            for outlet in reversed(self._outlets):
                all_of_them.callback(outlet.offer, poll)

    def _succeeded(self, duration: int) -> None:
        self.readings += 1
        self._last_success = self._wall()
        self._last_duration = duration / 1e9
        if self._failures_in_a_row:
            self._log.warning("reader recovered", failures=self._failures_in_a_row)
        self._failures_in_a_row = 0
        self._failing_since = 0.0

    def _tell_news(self) -> None:
        for event, fields in self._interpreter.take_news():
            self._log.warning(event, **fields)

    def _failed(self, error: ReadError) -> None:
        self.failures[error.reason] += 1
        self._failures_in_a_row += 1
        self._last_error = str(error)
        if self._failures_in_a_row == 1:
            self._failing_since = self._wall()
            self._log.warning("reader failing", reason=error.reason, error=str(error))
        else:
            self._log.debug("poll failed", reason=error.reason, error=str(error), failures=self._failures_in_a_row)
