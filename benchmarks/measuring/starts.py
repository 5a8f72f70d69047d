"""How long it takes from the start of the process to the first page and to the first acknowledgement."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .tables import markdown, spell
from .window import Contestant, Scene, firsts, stage


@dataclass(frozen=True)
class Starts:
    """Milliseconds of each of some starts, to the first page and to the first acknowledgement."""

    polls: Sequence[float]
    acks: Sequence[float]


def measure(scene: Scene, contestant: Contestant, count: int) -> Starts:
    """Start it so many times, each time with files of its own; files that Python compiles are there from the first."""
    firsts_of_all = []
    for number in range(count + 1):
        with (
            stage(scene) as around,
            tempfile.TemporaryDirectory(prefix="contestant-") as name,
            contestant.make(scene, Path(name)) as polling,
        ):
            seen = firsts(around, polling)
        if number:
            firsts_of_all.append(seen)
    return Starts(*zip(*firsts_of_all, strict=True))


def of_counts(
    scene: Scene, who: Sequence[Contestant], counts: Sequence[int], times: int
) -> dict[tuple[str, int], Starts]:
    """For each of some contestants, with each of some numbers of readers."""
    scenes = [replace(scene, targets=count) for count in counts]
    return {(each.name, here.targets): measure(here, each, times) for here in scenes for each in who}


def table(starts: dict[tuple[str, int], Starts]) -> str:
    """A row for each; medians, and from the shortest to the longest."""
    lines = [["", "readers", "1st poll ms", "from – to", "1st ack ms", "from – to"]]
    for (name, count), seen in starts.items():
        lines.append([name, f"{count:,}", *_cells(seen.polls), *_cells(seen.acks)])
    return markdown(lines)


def _cells(seen: Sequence[float]) -> tuple[str, str]:
    return spell(statistics.median(seen), 0), f"{spell(min(seen), 0)} – {spell(max(seen), 0)}"
