"""Whether a recorder is tried, and when: the states of one delivery, in one place.

===========  =======================  ============================  =========================
state        a batch was delivered    a try failed                  it was entered afresh
===========  =======================  ============================  =========================
starting     closed                   failing, or dropped           starting
closed       closed                   failing, or dropped           closed
failing      closed                   failing, or dropped           failing
dropped      dropped                  dropped                       probation
probation    closed: it has rejoined  dropped                       probation
===========  =======================  ============================  =========================

A failure drops the recorder if it is the ``backoff``-th in a row, or if the recorder is lost. While it is dropped,
nothing is tried; what was under way may still be answered, and does not bring it back: it is entered afresh first.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable

from ..settings import Duration, SettingsModel

LONGEST_WISH = 600.0  # seconds; a destination's Retry-After above it is taken for this


class RetrySettings(SettingsModel):
    """Pauses after failures: random between zero and a bound that doubles from `initial` to `max`."""

    initial: Duration = 1.0
    """The first bound."""
    max: Duration = 30.0
    """The last bound."""


class State(enum.StrEnum):
    """Where a delivery stands."""

    STARTING = "starting"
    CLOSED = "closed"
    FAILING = "failing"
    DROPPED = "dropped"
    PROBATION = "probation"


class Circuit:
    """Counts failures in a row; says how long to pause after each."""

    def __init__(self, backoff: int, retry: RetrySettings, *, draw: Callable[[], float] = random.random) -> None:
        self._backoff = backoff
        self._retry = retry
        self._draw = draw
        self.state = State.STARTING
        self.failures = 0  # in a row
        self.drops = 0

    def failed(self, *, lost: bool = False, retry_after: float | None = None) -> float:
        """Seconds to pause after a try that failed."""
        self.failures += 1
        if self.state not in (State.DROPPED, State.PROBATION):
            self.state = State.DROPPED if lost or self.failures >= self._backoff else State.FAILING
            self.drops += self.state is State.DROPPED
        else:
            self.state = State.DROPPED
        pause = self.jittered(self.failures, floor=0.5 if self.state is State.DROPPED else 0.0)
        return max(pause, self.wish(retry_after))

    def wish(self, retry_after: float | None) -> float:
        """Seconds of pause that the destination asked for, within reason."""
        return min(retry_after or 0.0, LONGEST_WISH)

    def entered(self) -> None:
        """The recorder was entered: a dropped one is on probation."""
        if self.state is State.DROPPED:
            self.state = State.PROBATION

    def delivered(self) -> State:
        """A batch was answered; returns the state before."""
        before = self.state
        if before is not State.DROPPED:
            self.state = State.CLOSED
            self.failures = 0
        return before

    def jittered(self, tries: int, floor: float = 0.0) -> float:
        """A pause between ``floor`` and all of a bound that doubles with every try."""
        bound = min(self._retry.max, self._retry.initial * 2.0 ** min(tries - 1, 64))
        return bound * (floor + (1.0 - floor) * self._draw())
