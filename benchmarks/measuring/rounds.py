"""Round after round through all sections and contestants in turn, so that what disturbs one disturbs all."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from . import window
from .sections import Section
from .window import Cost, Run


def run(sections: Sequence[Section], rounds: int) -> tuple[dict[str, dict[str, Cost]], list[str]]:
    """Medians by section and contestant, and every complaint; who cannot be measured is one, and the others go on."""
    runs: dict[str, dict[str, list[Run]]] = {section.key: {} for section in sections}
    complaints: list[str] = []
    for number in range(rounds):
        for section in sections:
            if section.is_brief and number:
                continue
            for contestant in section.contestants:
                tell(f"round {number + 1} of {rounds}: {section.title}: {contestant.name}")
                try:
                    seen = window.measure(section.scene, contestant)
                except (RuntimeError, OSError) as error:
                    complaints.append(f"{section.title}: {contestant.name}: {error}")
                else:
                    runs[section.key].setdefault(contestant.name, []).append(seen)
                    complaints.extend(f"{section.title}: {complaint}" for complaint in seen.complaints)
    costs = {key: {name: window.median(seen) for name, seen in rows.items()} for key, rows in runs.items()}
    return costs, complaints


def tell(what: str) -> None:
    """Progress, for those who look on."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what} ", end="", file=sys.stderr, flush=True)
