"""One reader's loop: wait, read, interpret, offer each container to every delivery; nothing else."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import anyio
import msgspec
from pydantic import Field

from .datatypes import Container, Kind, Poll, Reading
from .deadline import Deadline
from .errors import ReadError
from .pacing import Pacer
from .reader import Reader
from .settings import Duration, SettingsModel
from .slots import Slots, width_for
from .telemetry import ReaderStatistics

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from .interpreter import Interpreter

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


class _NothingYet(msgspec.Struct, frozen=True):
    """What an interpreter tells that has seen no page."""

    containers: int = 0
    kinds: Mapping[Kind, int] = {}
    left_out: Mapping[tuple[str, str], int] = {}
    clock_steps: int = 0
    restarts: int = 0


_NOTHING_YET = _NothingYet()


class Outlet(Protocol):
    """Where polls are offered: a delivery, or who keeps a reader's knowledge."""

    def offer(self, poll: Poll) -> None:
        """Take a poll in, at once."""


class Engine:
    """Polls one reader on its pacer's ticks and offers what comes of it to every outlet, in their order.

    The interpreter is made when there is something to interpret, or to go on with: polls need not wait for all that it
    is made of. ``remembers`` says that an outlet keeps what it knows, for a successor after a restart. ``slots`` wake
    the engine, and other engines too.
    """

    _made: Interpreter | None = None

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002  # the word of the configuration
        reader: Reader[Any],
        make_interpreter: Callable[[], Interpreter],
        outlets: Sequence[Outlet],
        settings: EngineSettings,
        pacer: Pacer,
        log: FilteringBoundLogger,
        *,
        remembers: bool = False,
        slots: Slots | None = None,
        clock: Callable[[], float] = anyio.current_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._type = type
        self._reader = reader
        self._make_interpreter = make_interpreter
        self._outlets = tuple(outlets)
        self._settings = settings
        self._pacer = pacer
        self._log = log
        self._remembers = remembers
        self._clock = clock
        self._slots = slots or Slots(clock)
        self._width = width_for(settings.interval)
        self._deadline = Deadline(rests=settings.interval >= settings.timeout)
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

    @property
    def _interpreter(self) -> Interpreter:
        if self._made is None:
            self._made = self._make_interpreter()
        return self._made

    async def run(self) -> None:
        """Poll until there are no more ticks."""
        try:
            async with self._reader:
                while self._pacer.due < math.inf:
                    await self._poll_until_late()
        except Exception as bug:  # noqa: BLE001  # a loop boundary: a reader that cannot close ends alone
            self._log.error("reader did not close", error=f"{bug.__class__.__name__}: {bug}")
        finally:
            self._deadline.close()

    async def _poll_until_late(self) -> None:
        """Poll on the ticks until there are no more, or a poll's deadline has passed."""
        pacer, deadline, clock, timeout = self._pacer, self._deadline, self._clock, self._settings.timeout
        with deadline.scope() as scope:
            now = clock()
            while (due := pacer.due) < math.inf and not deadline.has_passed:
                await self._slots.until(due, now, self._width)
                pacer.catch_up(clock())
                deadline.begin(timeout)
                await self._poll()
                now = clock()
                pacer.advance(now, self._failures_in_a_row)
        if scope.cancelled_caught:
            if self.polls > self.readings + self.failures.total():  # else the page had come, and waited for its turn
                self._timed_out()
            pacer.advance(self._clock(), self._failures_in_a_row)

    async def poll_once(self) -> int:
        """One poll outside of the ticks; returns how many values it brought."""
        async with self._reader:
            return sum(map(len, await self.poll()))

    async def poll(self) -> Sequence[Container]:
        """Wait, read, interpret, offer; a failure is counted and said, and gives no container."""
        with anyio.move_on_after(self._settings.timeout) as scope:
            return await self._poll(is_alone=True)
        if scope.cancelled_caught:
            self._timed_out()
        return ()

    async def _poll(self, *, is_alone: bool = False) -> Sequence[Container]:
        """A poll whose deadline is another's business. What was read is taken up, though it be in the last moment."""
        self.polls += 1
        try:
            reading = await self._reader.read()
        except Exception as error:  # noqa: BLE001  # a loop boundary: a bug costs a poll, not the process
            return self._give_up(error)
        finally:
            self._deadline.end()
        try:
            turn = None
            while not is_alone and (turn := self._slots.turns.claim(turn)) is not None:
                await turn
        except anyio.get_cancelled_exc_class():
            self._take_up(reading)
            raise
        return self._take_up(reading)

    def _take_up(self, reading: Reading) -> Sequence[Container]:
        try:
            containers = self._interpreter.interpret(reading)
            self._offer(containers)
        except Exception as error:  # noqa: BLE001  # the same
            return self._give_up(error)
        self._succeeded(reading.duration)
        self._tell_news()
        return containers

    def _give_up(self, error: Exception) -> Sequence[Container]:
        """Count a poll that failed, and say so."""
        if isinstance(error, ReadError):
            self._failed(error)
        elif isinstance(error, TimeoutError):
            self._timed_out()
        else:
            self._log.debug("reader misbehaved", exc_info=error)
            self._failed(ReadError("unexpected", f"unexpected {error.__class__.__name__}: {error}"))
        return ()

    def go_on(self, number: int, knowledge: bytes) -> None:
        """Go on where an earlier process ended: with its last poll, and what its interpreter knew."""
        self._offered = number
        if knowledge:
            self._interpreter.restore(knowledge)

    def statistics(self) -> ReaderStatistics:
        """The numbers since the start."""
        interpreter = self._made or _NOTHING_YET
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
        _offer_to_all(iter(self._outlets), poll)

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

    def _timed_out(self) -> None:
        self._failed(ReadError("timeout", f"no complete answer within {self._settings.timeout:g} s"))

    def _failed(self, error: ReadError) -> None:
        self.failures[error.reason] += 1
        self._failures_in_a_row += 1
        self._last_error = str(error)
        if self._failures_in_a_row == 1:
            self._failing_since = self._wall()
            self._log.warning("reader failing", reason=error.reason, error=str(error))
        else:
            self._log.debug("poll failed", reason=error.reason, error=str(error), failures=self._failures_in_a_row)


def _offer_to_all(outlets: Iterator[Outlet], poll: Poll) -> None:
    """Though one fails, the others get the poll."""
    try:
        for outlet in outlets:
            outlet.offer(poll)
    except BaseException:
        _offer_to_all(outlets, poll)
        raise
