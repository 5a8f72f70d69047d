"""Round after round through all sections and contestants in turn, so that what disturbs one disturbs all."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from . import window
from .sections import Section
from .window import Cost, Run


def run(sections: Sequence[Section], rounds: int) -> tuple[dict[str, dict[str, Cost]], list[str]]:
    """Medians by section and contestant, and every complaint."""
    runs: dict[str, dict[str, list[Run]]] = {}
    for number in range(rounds):
        for section in sections:
            if section.is_brief and number:
                continue
            for contestant in section.contestants:
                tell(f"round {number + 1} of {rounds}: {section.title}: {contestant.name}")
                seen = runs.setdefault(section.key, {}).setdefault(contestant.name, [])
                seen.append(window.measure(section.scene, contestant))
    costs = {key: {name: window.median(seen) for name, seen in rows.items()} for key, rows in runs.items()}
    told = [
        complaint for rows in runs.values() for seen in rows.values() for run in seen for complaint in run.complaints
    ]
    return costs, told


def tell(what: str) -> None:
    """Progress, for those who look on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what} ", end="", file=sys.stderr, flush=True)
