"""What a batch's verdicts mean for its records: settled, to be tried again, or waiting for their destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ..buffer import Record
from ..recorder import Outcome, Verdict
from .ledger import Ledger
from .minutes import MINUTE

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Judged(NamedTuple):
    """A record, what its recorder said, and whether it was sent without the fields that were refused."""

    record: Record
    verdict: Verdict
    is_salvaged: bool = False


class Alike(NamedTuple):
    """A whole batch that is plainly recorded, with one verdict for all: nothing needs to be said of any one of it."""

    records: Sequence[Record]
    verdict: Verdict

    def spread(self) -> list[Judged]:
        """The same, record by record."""
        return [Judged(record, self.verdict) for record in self.records]


class Sorted(msgspec.Struct):
    """A batch, sorted by what is to be done.

    ``settled`` is recorded. ``again`` has records by how often they were handed out before, and whether they are in
    doubt; ``reason`` is why the last of them, or of the blocked ones, is to be tried again. The ``refused`` are to be
    decided about, and then among the others, or ``refused_for_good``.
    """

    settled: list[Record] = []
    again: dict[tuple[int, bool], list[Record]] = {}
    blocked: list[Record] = []
    refused: list[Judged] = []
    refused_for_good: list[Record] = []
    reason: str = ""

    @property
    def has_settled(self) -> bool:
        """Whether anything of the batch is done with."""
        return bool(self.settled or self.refused_for_good)

    @property
    def share_left(self) -> float:
        """The part of the batch that is not settled."""
        left = sum(map(len, self.again.values())) + len(self.blocked)
        return left / (left + len(self.settled) + len(self.refused_for_good)) if left else 0.0


class Verdicts:
    """Enters verdicts into the books, and says what an operator must know, once.

    ``shares`` says that another recorder writes to the same destination; ``replays``, that everything was sent before.
    """

    def __init__(
        self, ledger: Ledger, log: FilteringBoundLogger, *, shares: bool = False, replays: bool = False
    ) -> None:
        self._ledger = ledger
        self._log = log
        self._shares = shares
        self._replays = replays
        self._blocked: set[str] = set()  # destinations

    def sort(self, judged: Sequence[Judged] | Alike) -> Sorted:
        """Account for every record of a batch but the refused ones."""
        if isinstance(judged, Alike):
            return self._record_all(judged)
        batch = Sorted()
        recorded: list[Record] = []  # plainly
        plain: Verdict | None = None  # mostly one object stands for many
        for each in judged:
            record, verdict, is_salvaged = each
            if verdict is plain and not is_salvaged:
                recorded.append(record)
                batch.settled.append(record)
            else:
                self._sort_one(each, batch)
                plain = verdict if verdict.is_plain else None
        self._count(recorded)
        if batch.blocked:
            self._ledger.count("blocked", len(batch.blocked))
        return batch

    def refuse(self, judged: Sequence[Judged]) -> None:
        """Account for records that are refused for good."""
        for each in judged:
            container, verdict = each.record.container, each.verdict
            if self._ledger.refuse(container.reader, container.time, verdict.reason):
                about = {"field": verdict.field} if verdict.field else {}
                self._log.error(
                    "document refused",
                    reason=verdict.reason,
                    detail=verdict.detail,
                    reader=container.reader,
                    **about,
                )

    def _record_all(self, alike: Alike) -> Sorted:
        self._count(alike.records)
        self._see_open(alike.verdict.destination)
        return Sorted(settled=[*alike.records])

    def _count(self, records: Sequence[Record]) -> None:
        """Account for records of which nothing is to be said but that they are recorded."""
        containers = [record.container for record in records]
        minutes = {container.time // MINUTE for container in containers}
        for minute in sorted(minutes):
            its = containers if len(minutes) == 1 else [each for each in containers if each.time // MINUTE == minute]
            self._ledger.record_all(minute, [container.reader for container in its])

    def _sort_one(self, judged: Judged, batch: Sorted) -> None:
        record, verdict = judged.record, judged.verdict
        match verdict.outcome:
            case Outcome.AGAIN:
                batch.again.setdefault((record.tries, verdict.in_doubt), []).append(record)
                batch.reason = verdict.reason
            case Outcome.BLOCKED:
                self._block(verdict)
                batch.blocked.append(record)
                batch.reason = f"{verdict.destination} is blocked: {verdict.reason} {verdict.detail}".rstrip()
            case Outcome.REFUSED:
                batch.refused.append(judged)
            case Outcome.RECORDED | Outcome.DUPLICATE:
                self._record(judged)
                batch.settled.append(record)

    def _record(self, judged: Judged) -> None:
        container, verdict = judged.record.container, judged.verdict
        self._ledger.record(container.reader, container.time, self._how(judged))
        self._see_open(verdict.destination)

    def _see_open(self, destination: str) -> None:
        """Something was recorded there."""
        if destination in self._blocked:
            self._blocked.discard(destination)
            self._log.warning("destination open again", destination=destination)

    def _how(self, judged: Judged) -> str:
        """The word under which a record is counted apart; empty if it is plainly recorded."""
        if judged.verdict.outcome is not Outcome.DUPLICATE:
            return "failure_store" if judged.verdict.reason else "salvaged" if judged.is_salvaged else ""
        if judged.record.tries or self._replays:
            return "duplicates"
        if self._shares:
            return "shared"
        if not self._ledger.totals["conflicts"]:
            self._log.warning("id was there already at the first try", id=judged.record.container.id)
        return "conflicts"

    def _block(self, verdict: Verdict) -> None:
        if verdict.destination not in self._blocked:
            self._blocked.add(verdict.destination)
            self._log.error(
                "destination blocked", destination=verdict.destination, reason=verdict.reason, detail=verdict.detail
            )
