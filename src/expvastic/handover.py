"""One batch handed to a recorder: what is in doubt is asked for, what is refused for a field is sent without it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from .buffer import Record
from .datatypes import Container
from .errors import RecordError
from .outcomes.salvage import ROUNDS, Salvage
from .outcomes.verdicts import Alike, Judged
from .recorder import DUPLICATE, Outcome, Recorder, Searched, Verdict

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Handover:
    """The way of one delivery's batches to its recorders. ``timeout`` (seconds) is for each request."""

    def __init__(self, destination: str, timeout: float, log: FilteringBoundLogger, clock: Callable[[], float]) -> None:
        self._destination = destination
        self._timeout = timeout
        self._log = log
        self._clock = clock
        self._salvage = Salvage()

    async def bring(self, recorder: Recorder[Any], records: Sequence[Record]) -> list[Judged] | Alike:
        """Have a batch recorded, and say what became of each record, in any order.

        Raises RecordError if nothing is known of any of them.
        """
        judged = await self._ask(recorder, [record for record in records if record.in_doubt])
        if not judged:
            return await self._record(recorder, records)
        done = {each.record for each in judged}
        if rest := [record for record in records if record not in done]:
            answered = await self._record(recorder, rest)
            judged += answered.spread() if isinstance(answered, Alike) else answered
        return judged

    async def _ask(self, recorder: Recorder[Any], doubtful: Sequence[Record]) -> list[Judged]:
        """Those that are recorded already. If that cannot be told now, none of them is to be sent."""
        if not doubtful or not isinstance(recorder, Searched):
            return []
        try:
            with self._deadline():
                found = await recorder.find([record.container for record in doubtful])
        except RecordError as error:
            return [Judged(record, Verdict(Outcome.AGAIN, reason=str(error), in_doubt=True)) for record in doubtful]
        return [Judged(record, DUPLICATE) for record, is_there in zip(doubtful, found, strict=True) if is_there]

    async def _record(self, recorder: Recorder[Any], records: Sequence[Record]) -> list[Judged] | Alike:
        containers = [record.container for record in records]
        if was_wary := self._salvage.is_wary:
            now = self._clock()
            containers = [self._salvage.prepare(container, now) for container in containers]
        answered = await self._send(recorder, containers)
        if not (was_wary or self._salvage.is_wary) and _are_plainly_alike(answered):
            return Alike(records, answered[0])
        verdicts = list(answered)
        refused = await self._rescue(recorder, containers, verdicts)
        accepted = [each for each, verdict in zip(containers, verdicts, strict=True) if verdict.is_plain]
        for name, kind in self._salvage.batch_ended(refused, accepted, self._clock()):
            self._log.warning("field taken out beforehand", field=name, kind=kind)
        return [
            Judged(record, verdict, container is not record.container)
            for record, container, verdict in zip(records, containers, verdicts, strict=True)
        ]

    async def _rescue(
        self, recorder: Recorder[Any], containers: list[Container], verdicts: list[Verdict]
    ) -> list[tuple[Container, str]]:
        """Send what was refused again without the values at fault, round by round, changing both lists in place.

        What is refused to the end keeps its first verdict. Returns every refusal, with the field that was named.
        """
        first = {place: verdict for place, verdict in enumerate(verdicts) if verdict.outcome is Outcome.REFUSED}
        told: list[tuple[Container, str]] = []
        refused = list(first)
        for left in reversed(range(ROUNDS)):
            rescued: dict[int, Container] = {}
            for place in refused:
                told.append((containers[place], verdicts[place].field))
                named = verdicts[place].field if left else ""
                if (container := self._salvage.rescue(containers[place], named, self._clock())) is not None:
                    rescued[place] = container
            if not rescued:
                break
            answers = await self._send_rescued(recorder, list(rescued.values()))
            for (place, container), answer in zip(rescued.items(), answers, strict=True):
                containers[place], verdicts[place] = container, answer
            refused = [place for place in rescued if verdicts[place].outcome is Outcome.REFUSED]
        for place, verdict in first.items():
            if verdicts[place].outcome is Outcome.REFUSED:
                verdicts[place] = verdict
        return told

    async def _send_rescued(self, recorder: Recorder[Any], containers: Sequence[Container]) -> Sequence[Verdict]:
        """What became of them; if that is not known, the rest of the batch is not to suffer from it."""
        try:
            return await self._send(recorder, containers)
        except RecordError as error:
            return [Verdict(Outcome.AGAIN, reason=str(error), in_doubt=error.in_doubt)] * len(containers)

    async def _send(self, recorder: Recorder[Any], containers: Sequence[Container]) -> Sequence[Verdict]:
        with self._deadline():
            verdicts = await recorder.record(containers)
        if len(verdicts) != len(containers):
            raise RecordError(f"{len(verdicts)} verdicts for {len(containers)} containers")
        return verdicts

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        try:
            with anyio.fail_after(self._timeout):
                yield
        except TimeoutError:
            raise RecordError(f"no answer from {self._destination} within {self._timeout:g} s") from None


def _are_plainly_alike(verdicts: Sequence[Verdict]) -> bool:
    """Whether all are recorded, and nothing else is to be said; mostly one object stands for all."""
    return verdicts[0].is_plain and verdicts.count(verdicts[0]) == len(verdicts)
