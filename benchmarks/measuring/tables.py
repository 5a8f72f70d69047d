"""Costs as tables of Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from .window import Cost

BUSY = 0.95  # of a core: whoever has taken so much could not do more

COLUMNS: Mapping[str, Callable[[Cost], str]] = {
    "µs CPU/poll": lambda cost: spell(cost.cpu_per_poll, 0 if cost.cpu_per_poll < 10_000 else -2),
    "polls/core-s": lambda cost: spell(1e6 / cost.cpu_per_poll, 0),
    "% of a core": lambda cost: spell(100 * cost.cores, 3 if cost.cores < 0.01 else 1),
    "helpers' %": lambda cost: spell(100 * cost.helpers, 0),
    "limit": lambda cost: "core" if cost.cores >= BUSY else "helpers" if cost.helpers >= BUSY else "neither",
    "read/s": lambda cost: spell(cost.reads, 0),
    "delivered/s": lambda cost: spell(cost.polls, 0),
    "missed %": lambda cost: spell(cost.missed, 2),
    "lag p50 ms": lambda cost: spell(cost.lag_p50, 0),
    "p99 ms": lambda cost: spell(cost.lag_p99, 0),
    "MB first": lambda cost: spell(cost.memory_first, 0),
    "MB": lambda cost: spell(cost.memory, 0),
    "bytes/doc": lambda cost: spell(cost.document, 0),
    "wake-ups/s": lambda cost: spell(cost.wake_ups, 1),
    "1st poll ms": lambda cost: spell(cost.first_poll, 0),
    "1st ack ms": lambda cost: spell(cost.first_ack, 0),
}


def spell(number: float, places: int) -> str:
    """A number for people; a dash for what cannot be told."""
    return f"{round(number, places):,.{max(0, places)}f}" if math.isfinite(number) else "–"


def of_costs(rows: Mapping[str, Cost], columns: Sequence[str], baseline: str) -> str:
    """A row for each, with the ratio of its first column's number to the baseline's.

    Where a backlog grew or shrank, CPU per poll is no cost of anything, and there is none.
    """
    measure = "cores" if columns[0] == "% of a core" else "cpu_per_poll"
    base = getattr(rows[baseline], measure) if baseline in rows else math.nan
    lines = [["", *columns, "ratio"]]
    for name, cost in rows.items():
        is_sound = measure == "cores" or (cost.is_steady and baseline in rows and rows[baseline].is_steady)
        ratio = spell(getattr(cost, measure) / base, 2) if is_sound else "unsteady"
        lines.append([name, *(COLUMNS[column](cost) for column in columns), ratio])
    return markdown(lines)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table, its first line the head; the first column is to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    spelled = []
    for line in lines:
        cells = [f"{line[0]:<{widths[0]}}", *(f"{cell:>{w}}" for cell, w in zip(line[1:], widths[1:], strict=True))]
        spelled.append("| " + " | ".join(cells) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([spelled[0], "| " + " | ".join(rule) + " |", *spelled[1:]])
