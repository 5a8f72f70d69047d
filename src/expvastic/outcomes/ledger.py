"""The books of one delivery: offered = recorded + refused + shed + waiting + out, always."""

from __future__ import annotations

from collections import Counter

_REASONS_KEPT = 100  # reasons of refusals come from outside; the rest are counted together
_OTHER = "other"


class Ledger:
    """Counts what became of each container; what waits or is out is the buffer's to say.

    ``recorded`` includes ``duplicates`` (there already, and handed out before), ``conflicts`` (there already at the
    first try), ``shared`` (written by another recorder of the same destination) and ``failure_store``.
    """

    def __init__(self) -> None:
        self.offered = 0
        self.recorded = 0
        self.duplicates = 0
        self.conflicts = 0
        self.shared = 0
        self.failure_store = 0
        self.retried = 0
        self.blocked = 0
        self.refused: Counter[str] = Counter()
        self.shed: Counter[str] = Counter()

    def refuse(self, reason: str) -> bool:
        """Enter a refusal; returns whether it is the first of its reason."""
        known = reason in self.refused
        if not known and len(self.refused) >= _REASONS_KEPT:
            reason, known = _OTHER, _OTHER in self.refused
        self.refused[reason] += 1
        return not known
