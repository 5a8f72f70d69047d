"""What becomes of documents that were refused and not salvaged: another try, or quarantine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio.to_thread

from .blame import Blame, Fault
from .verdicts import Judged, Sorted, Verdicts

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from .quarantine import Quarantine, Quarantined


class Refusals:
    """Decides about one delivery's refused documents. Without a quarantine they are only counted."""

    def __init__(
        self,
        verdicts: Verdicts,
        log: FilteringBoundLogger,
        quarantine: Quarantine | None = None,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._verdicts = verdicts
        self._log = log
        self._quarantine = quarantine
        self._wall = wall
        self._blame = Blame()
        self._is_failing = False

    @property
    def quarantined(self) -> int:
        """Documents that are in quarantine."""
        return self._quarantine.count if self._quarantine else 0

    def look(self) -> None:
        """Learn what is in quarantine. Blocks; raises OSError."""
        if self._quarantine:
            self._quarantine.look()

    async def decide(self, batch: Sorted) -> None:
        """Enter the refused of a batch among the settled, or among those to be tried again or later."""
        readers = {each.record.container.reader for each in batch.refused}
        fault = self._blame.judge(readers, recorded=len(batch.settled))
        if not batch.refused:
            return
        last = batch.refused[-1].verdict
        if fault is Fault.DOCUMENT and await self._put_away(batch.refused):
            self._verdicts.refuse(batch.refused)
            batch.refused_for_good += [each.record for each in batch.refused]
        elif fault is Fault.DESTINATION:
            batch.blocked += [each.record for each in batch.refused]
            batch.reason = f"{last.destination} refuses everything: {last.reason} {last.detail}".rstrip()
        else:
            for each in batch.refused:
                batch.again.setdefault((each.record.tries, False), []).append(each.record)
            batch.reason = last.reason

    async def _put_away(self, refused: Sequence[Judged]) -> bool:
        """Whether all of them are safe in quarantine, if there is one."""
        if self._quarantine is None:
            return True
        entries = [self._entry(each) for each in refused]
        try:
            await anyio.to_thread.run_sync(self._quarantine.add, entries)
        except OSError as error:
            if not self._is_failing:
                self._log.error("quarantine not written", error=f"{error}; see to the disk that holds state_dir")
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _entry(self, judged: Judged) -> Quarantined:
        from .quarantine import Quarantined

        container, verdict = judged.record.container, judged.verdict
        return Quarantined(
            id=container.id,
            time=container.time,
            reader=container.reader,
            destination=verdict.destination,
            reason=verdict.reason,
            detail=verdict.detail,
            field=verdict.field,
            at=self._wall(),
            document=container.document,
        )
