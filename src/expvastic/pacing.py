"""When the next poll starts, as numbers: no clock, no sleep.

Polls start on a grid: the reader's first tick, and one each interval after it. A tick is missed if its poll has not
started when the next one is due; a late one starts at once. While a reader fails for long, ticks are skipped on
purpose, exponentially more and with jitter, and are not missed ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

STARTS_PER_SECOND = 2_500  # readers that begin
LONGEST_PAUSE = 300.0  # seconds between the polls of a failing reader, unless its interval is longer


class Pacer:
    """One reader's grid of ticks; ``ticks`` limits how many there are. Times are seconds of one monotonic clock."""

    def __init__(
        self,
        interval: float,
        backoff: int,
        *,
        start: float,
        ticks: float = math.inf,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._interval = interval
        self._backoff = backoff
        self._start = start
        self._ticks = ticks
        self._draw = draw
        self._tick = 0
        self.due = start if ticks > 0 else math.inf
        """When the present tick's poll is to start; ``inf`` if there are no more ticks."""
        self.missed = 0

    def catch_up(self, now: float) -> None:
        """Skip the ticks that were missed before a poll that starts ``now``, as after a suspend."""
        if now - self.due >= self._interval:
            newest = self._newest(now)
            self.missed += newest - self._tick
            self._go_to(newest)

    def advance(self, now: float, failures: int) -> float:
        """Go on to the next tick after a poll that ended ``now``, the last of so many failures in a row."""
        if failures >= self._backoff:
            pause = self._pause(failures)
            self._go_to(max(self._tick + 1, math.ceil((now + pause - self._start) / self._interval)))
            return self.due
        self._go_to(self._tick + 1)
        self.catch_up(now)
        return self.due

    def _newest(self, now: float) -> int:
        """The last tick that is due, or the present one."""
        return max(self._tick, math.floor((now - self._start) / self._interval))

    def _go_to(self, tick: int) -> None:
        self._tick = tick
        self.due = self._start + tick * self._interval if tick < self._ticks else math.inf

    def _pause(self, failures: int) -> float:
        """Between half and all of a bound that doubles from twice the interval to the longest pause."""
        doublings = min(failures - self._backoff + 1, 64)
        bound = min(self._interval * 2.0**doublings, max(LONGEST_PAUSE, self._interval))
        return bound * (0.5 + 0.5 * self._draw())


def offsets(intervals: dict[str, float]) -> dict[str, float]:
    """How long after the start each reader's first tick is: the k-th of n with one interval starts at k/n of it.

    Where that are more starts in a second than a process can do, they share out several intervals: a first poll costs
    many a later one.
    """
    same: dict[float, list[str]] = {}
    for name, interval in intervals.items():
        same.setdefault(interval, []).append(name)
    starts = sum(len(names) / interval for interval, names in same.items())
    rounds = max(1, math.ceil(starts / STARTS_PER_SECOND))
    return {
        name: k * rounds * interval / len(names) for interval, names in same.items() for k, name in enumerate(names)
    }
