"""Whose fault it is that documents are refused: their own, or their destination's."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable

_BATCHES = 3
_READERS = 2


class Fault(enum.Enum):
    """Whose fault the refusals of a batch are, and so what becomes of the documents."""

    DOCUMENT = "document"  # they are refused
    UNDECIDED = "undecided"  # they are kept, and tried again
    DESTINATION = "destination"  # they are kept until it takes something


class Blame:
    """Judges one recorder's batches, in the order in which they end.

    Refusals are the document's fault, unless every item of three batches running was refused and these came from at
    least two readers. Once it is the destination's it stays so until something is recorded.
    """

    def __init__(self) -> None:
        self._streak: deque[frozenset[str]] = deque(maxlen=_BATCHES)  # readers of the last wholly refused batches
        self.is_destinations = False
        """Whether it is the destination's fault, as far as is known."""

    def judge(self, refused: Iterable[str], *, recorded: int) -> Fault:
        """Whose fault the refusals of a batch are.

        ``refused`` has the readers of the documents that were refused and could not be salvaged; ``recorded`` counts
        those that were recorded or there already. What is to be tried again, or is blocked, is in neither. A batch
        that has nothing in both says nothing.
        """
        readers = frozenset(refused)
        if recorded:
            self._streak.clear()
            self.is_destinations = False
            return Fault.DOCUMENT
        if readers:
            self._streak.append(readers)
            self.is_destinations = self.is_destinations or self._is_everybodys()
        if self.is_destinations:
            return Fault.DESTINATION
        return Fault.DOCUMENT if len(self._streak) == _BATCHES else Fault.UNDECIDED

    def _is_everybodys(self) -> bool:
        return len(self._streak) == _BATCHES and len(frozenset().union(*self._streak)) >= _READERS
