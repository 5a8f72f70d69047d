"""What a batch's verdicts mean for its records: settled, to be tried again, or waiting for their destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..buffer import Record
from ..recorder import Outcome, Verdict
from .ledger import Ledger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


@dataclass(slots=True)
class Sorted:
    """A batch, sorted by what is to be done.

    ``again`` has records by how often they were handed out before; ``reason`` is why the last of them, or of the
    blocked ones, is to be tried again.
    """

    settled: list[Record] = field(default_factory=list)
    again: dict[int, list[Record]] = field(default_factory=dict)
    blocked: list[Record] = field(default_factory=list)
    reason: str = ""

    @property
    def share_left(self) -> float:
        """The part of the batch that is not settled."""
        left = sum(map(len, self.again.values())) + len(self.blocked)
        return left / (left + len(self.settled)) if left else 0.0


class Verdicts:
    """Enters verdicts into the books, and says what an operator must know, once."""

    def __init__(self, ledger: Ledger, log: FilteringBoundLogger, *, shares: bool) -> None:
        self._ledger = ledger
        self._log = log
        self._shares = shares
        self._blocked: set[str] = set()  # destinations

    def sort(self, records: Sequence[Record], verdicts: Sequence[Verdict]) -> Sorted:
        """Account for every record of a batch."""
        batch = Sorted()
        for record, verdict in zip(records, verdicts, strict=True):
            match verdict.outcome:
                case Outcome.AGAIN:
                    batch.again.setdefault(record.tries, []).append(record)
                    batch.reason = verdict.reason
                case Outcome.BLOCKED:
                    self._block(verdict)
                    batch.blocked.append(record)
                    batch.reason = f"{verdict.destination} is blocked: {verdict.reason} {verdict.detail}".rstrip()
                case Outcome.REFUSED:
                    self._refuse(record, verdict)
                    batch.settled.append(record)
                case Outcome.RECORDED | Outcome.DUPLICATE:
                    self._record(record, verdict)
                    batch.settled.append(record)
        self._ledger.blocked += len(batch.blocked)
        return batch

    def _record(self, record: Record, verdict: Verdict) -> None:
        self._ledger.recorded += 1
        if verdict.outcome is Outcome.DUPLICATE:
            self._count_duplicate(record)
        elif verdict.reason:
            self._ledger.failure_store += 1
        if self._blocked and verdict.destination in self._blocked:
            self._blocked.discard(verdict.destination)
            self._log.warning("destination open again", destination=verdict.destination)

    def _count_duplicate(self, record: Record) -> None:
        ledger = self._ledger
        if record.tries:
            ledger.duplicates += 1
        elif self._shares:
            ledger.shared += 1
        else:
            ledger.conflicts += 1
            if ledger.conflicts == 1:
                self._log.warning("id was there already at the first try", id=record.container.id)

    def _refuse(self, record: Record, verdict: Verdict) -> None:
        if self._ledger.refuse(verdict.reason):
            about = {"field": verdict.field} if verdict.field else {}
            self._log.error(
                "document refused",
                reason=verdict.reason,
                detail=verdict.detail,
                reader=record.container.reader,
                **about,
            )

    def _block(self, verdict: Verdict) -> None:
        if verdict.destination not in self._blocked:
            self._blocked.add(verdict.destination)
            self._log.error(
                "destination blocked", destination=verdict.destination, reason=verdict.reason, detail=verdict.detail
            )
