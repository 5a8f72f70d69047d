"""What leaves the buffer, settled or lost: entered in the books, committed, and its files retired."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from ...buffer import Loss
from ...datatypes import Container
from ...outcomes.ledger import Ledger
from .commits import Commits
from .ranges import runs
from .reading import Reading
from .segments import Segment
from .store import Store

_LOSSES_TOLD = 10_000  # the newest; the ledger has counted all


class Departures:
    """After any of these, ``finish()`` is to be called."""

    def __init__(
        self, store: Store, commits: Commits, reading: Reading, ledger: Ledger, errors: Counter[str], *, at_once: bool
    ) -> None:
        self._store = store
        self._commits = commits
        self._reading = reading
        self._ledger = ledger
        self._errors = errors
        self._at_once = at_once  # files go without their progress being synced
        self._losses: deque[Loss] = deque(maxlen=_LOSSES_TOLD)
        self._settled: list[Segment] = []

    def take_losses(self) -> Sequence[Loss]:
        """What was lost since this was last asked, oldest first."""
        losses = list(self._losses)
        self._losses.clear()
        return losses

    def settle(self, first: int, end: int) -> None:
        """All in a range is settled or lost."""
        self._commits.step.gone.append((first, end))
        self._settled += [segment for segment in self._store.segments.settle(first, end) if not segment.left]

    def lose(self, container: Container, reason: str, *, was_stored: bool = True) -> None:
        """Enter a loss."""
        self._ledger.lose(container.reader, container.time, reason, was_stored=was_stored)
        self._losses.append(Loss(container.id, container.reader, container.time, reason))

    def turn_away(self, containers: Sequence[Container], reason: str) -> None:
        """Lose what was never stored."""
        self._errors[reason] += max(1, len(containers))
        for container in containers:
            self.lose(container, reason, was_stored=False)

    def lose_range(
        self, first: int, end: int, reason: str, *, as_long_as: Callable[[float], bool] | None = None
    ) -> int:
        """Lose what waits in a range, the first of it as long as that holds for ``put_at``; returns where it ended.

        If all is to go, what cannot be read goes, too.
        """
        number, stop = first - 1, end
        try:
            for number, container, put_at in self._reading.read(first, end):  # where reading ended
                if as_long_as and not as_long_as(put_at):
                    stop = number
                    break
                self.lose(container, reason)
        except OSError:
            if as_long_as:
                stop = number + 1
            else:
                self._reading.corrupt += self._unsettled(number + 1, end)
        self.lose_corrupt()
        if first < stop:
            self.settle(first, stop)
        return stop

    def lose_corrupt(self) -> None:
        """Lose what was found unreadable."""
        if not self._reading.corrupt:
            return
        numbers, self._reading.corrupt = sorted(self._reading.corrupt), []
        self.tell_corrupt(len(numbers))
        for _ in numbers:
            self._ledger.lose("", 0, "corrupt", was_stored=True)
        self._errors["corrupt"] += len(numbers)
        for first, end in runs(numbers):
            self.settle(first, end)

    def tell_corrupt(self, count: int) -> None:
        """So many records were found unreadable; the ledger has them."""
        self._losses.extend([Loss("", "", 0, "corrupt")] * min(count, _LOSSES_TOLD))

    def finish(self) -> None:
        """Commit, then let go of the files of which all is settled; not of the one that is being written."""
        self._commits.commit()
        for segment in self._settled:
            if not segment.left and segment is not self._store.active and segment in self._store.segments.all:
                self._store.retire(segment)
        if self._settled and self._commits.is_behind:
            self._commits.catch_up(at_once=True)  # on a full disk, only their room lets it be written
        self._settled.clear()
        self.tidy()

    def tidy(self) -> None:
        """Remove what may go without waiting for a sync."""
        if self._at_once and self._store.folder.doomed and not self._commits.is_behind:
            self._store.folder.remove([*self._store.folder.doomed])

    def roll(self) -> None:
        """End the segment that is being written."""
        if segment := self._store.seal():
            self._commits.sealed(segment)
            self._settled.append(segment)
            self.finish()

    def _unsettled(self, first: int, end: int) -> Iterable[int]:
        return [number for segment in self._store.segments.over(first, end) for number in segment.unsettled(first, end)]
