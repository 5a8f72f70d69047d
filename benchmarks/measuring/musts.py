"""What has to be reached, and whether it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from .contestants import DISK, GO, MEMORY
from .starts import Starts
from .tables import markdown, spell
from .window import Cost


@dataclass
class Measured:
    """Everything that was: costs by section and contestant, starts, and the ratios of other benchmarks."""

    costs: dict[str, dict[str, Cost]] = field(default_factory=dict)
    starts: dict[tuple[str, int], Starts] = field(default_factory=dict)
    nan: float = math.nan
    shipping: float = math.nan

    def of(self, section: str, contestant: str, name: str) -> float:
        """One number; ``nan`` if it was not measured."""
        return getattr(self.costs.get(section, {}).get(contestant), name, math.nan)

    def ratio(self, section: str, contestant: str) -> float:
        """Of CPU per poll, to the baseline's; ``inf`` if either had a backlog that grew or shrank."""
        if not all(cost.is_steady for name, cost in self.costs.get(section, {}).items() if name in (contestant, GO)):
            return math.inf
        return self.of(section, contestant, "cpu_per_poll") / self.of(section, GO, "cpu_per_poll")

    def first_poll(self, readers: int) -> float:
        """The median, in milliseconds."""
        starts = self.starts.get((MEMORY, readers))
        return statistics.median(starts.polls) if starts else math.nan


@dataclass(frozen=True)
class Must:
    """One row; ``places`` is how exactly its numbers are told."""

    row: str
    must: float  # nan: there is only the aim
    aim: float
    measured: float
    unit: str = ""
    places: int = 2
    is_least: bool = False  # else at most

    @property
    def verdict(self) -> str:
        """In a word."""
        if math.isnan(self.measured):
            return "not measured"
        if math.isinf(self.measured) or (not self.measured and self.is_least):
            return "unsteady"
        if self._reaches(self.aim):
            return "aim met"
        if math.isnan(self.must):
            return "aim not met"
        return "met" if self._reaches(self.must) else "NOT MET"

    def _reaches(self, limit: float) -> bool:
        return self.measured >= limit if self.is_least else self.measured <= limit

    @property
    def cells(self) -> list[str]:
        """As a line of a table."""
        sign = "≥" if self.is_least else "≤"
        limits = ("–" if math.isnan(limit) else f"{sign} {limit:g}{self.unit}" for limit in (self.must, self.aim))
        measured = spell(self.measured, self.places)
        return [self.row, *limits, measured + (self.unit if math.isfinite(self.measured) else ""), self.verdict]


def musts(seen: Measured, readers: int) -> Iterator[Must]:
    """All rows; ``readers`` is how many there are in the section of a thousand."""
    yield Must("CPU per poll, 1,000 targets at 1 s, ratio to Go", 0.35, 0.2, seen.ratio("paced-10k", MEMORY))
    yield Must("same, disk buffer", 0.45, 0.25, seen.ratio("paced-10k", DISK))
    yield Must("same, page of 28 KB", 0.35, 0.2, seen.ratio("paced-28k", MEMORY))
    closed = 1 / seen.ratio("closed-10k", MEMORY)
    yield Must("closed loop, polls per core-second, ratio to Go", 3, 6, closed, places=1, is_least=True)
    memory = seen.of("paced-10k", MEMORY, "memory_first")
    yield Must("memory, 1,000 targets, after the first acknowledged batch", 80, 60, memory, " MB", 0)
    yield Must("start to the first poll, one reader", 200, 120, seen.first_poll(1), " ms", 0)
    yield Must("start to the first poll, 1,000 readers", 400, 250, seen.first_poll(readers), " ms", 0)
    yield Must("shipping in batches of 100, ratio to helpers.async_bulk", 0.3, 0.15, seen.shipping)
    yield Must("a page with one NaN, ratio to a clean page", 5, 2, seen.nan)
    lag = seen.of("paced-10k", MEMORY, "lag_p99") / 1000
    yield Must("lag from poll to acknowledgement, p99", 1.2, 0.7, lag, " s")
    yield Must("missed ticks at 1,000 polls/s", 0, 0, seen.of("paced-10k", MEMORY, "missed"), " %")
    yield Must("missed ticks at 5,000 polls/s", math.nan, 0, seen.of("many", MEMORY, "missed"), " %")
    idle = 100 * seen.of("idle-1", MEMORY, "cores")
    yield Must("one target at 1 s, of a core", 0.4, 0.2, idle, " %", 3)
    yield Must("one target at 1 s, memory", 60, 45, seen.of("idle-1", MEMORY, "memory"), " MB", 0)


def table(seen: Measured, readers: int) -> str:
    """All rows, with verdicts."""
    return markdown([["", "must", "aim", "measured", ""], *(must.cells for must in musts(seen, readers))])
