"""The books of one delivery: offered = recorded + refused + shed + waiting + out, always."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from .minutes import MINUTE, Minutes
from .packing import PackedHour

_REASONS_KEPT = 100  # reasons of refusals come from outside; the rest are counted together
_OTHER = "other"
_APART = ("duplicates", "conflicts", "shared", "failure_store", "salvaged", "replayed", "retried", "blocked")
_ELSEWHERE = ("conflicts", "shared", "failure_store")
# The column of the minutes in which something is counted, if it is in one.
_SHOWN = {each: each for each in ("offered", "recorded", "refused", "shed")} | dict.fromkeys(_ELSEWHERE, "elsewhere")

T = TypeVar("T")
Entry = tuple[str, str, int]  # column, reason, minute

_encode = msgspec.msgpack.Encoder().encode


class _Books(msgspec.Struct):
    totals: dict[str, int]
    refused: dict[str, int]
    shed: dict[str, int]
    minutes: dict[int, PackedHour]


_decode_books = msgspec.msgpack.Decoder(_Books).decode
_decode_changes = msgspec.msgpack.Decoder(list[tuple[str, str, int, dict[str, int]]]).decode


class Ledger:
    """Counts what became of each container, in all and by reader and minute; what waits or is out the buffer knows.

    ``recorded`` includes ``duplicates`` (there already, and handed out before), ``conflicts`` (there already at the
    first try), ``shared`` (written by another recorder of the same destination), ``failure_store`` and ``salvaged``
    (without the fields that were refused). ``offered`` includes ``replayed``.

    A buffer on disk commits the ledger with its own progress: it sets ``keeps_changes``, and stores ``take_changes()``
    with each step. What was offered and stored is no change in this sense, for the stored records tell of it.
    """

    COUNTED = ("offered", "recorded", *_APART)

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.totals: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.shed: Counter[str] = Counter()
        self.minutes = Minutes(wall)
        self.keeps_changes = False
        self._changes: dict[Entry, Counter[str]] = {}  # by reader

    def offer(self, reader: str, moment: int, count: int = 1) -> None:
        """Containers of one reader and time (microseconds) were offered, and stored."""
        self.totals["offered"] += count
        self.minutes.add("offered", reader, moment // MINUTE, count)

    def lose(self, reader: str, moment: int, reason: str, *, was_stored: bool) -> None:
        """A container was shed; one that was never stored is offered by that as well."""
        if not was_stored:
            self._enter("offered", "", reader, moment // MINUTE)
        self._enter("shed", reason, reader, moment // MINUTE)

    def record(self, reader: str, moment: int, how: str = "") -> None:
        """A container is recorded; ``how`` is one of the words that are counted apart."""
        minute = moment // MINUTE
        self._enter("recorded", "", reader, minute)
        if how:
            self._enter(how, "", reader, minute)

    def record_all(self, minute: int, readers: Sequence[str]) -> None:
        """A container of each of these is recorded, all of one minute of ``@timestamp``, and nothing is to be said of
        them apart; a reader may be among them several times."""
        self.totals["recorded"] += len(readers)
        self.minutes.add_all("recorded", minute, readers)
        if self.keeps_changes:
            self._changed("recorded", "", minute).update(readers)

    def refuse(self, reader: str, moment: int, reason: str) -> bool:
        """Enter a refusal; returns whether it is the first of its reason."""
        known = reason in self.refused
        if not known and len(self.refused) >= _REASONS_KEPT:
            reason, known = _OTHER, _OTHER in self.refused
        self._enter("refused", reason, reader, moment // MINUTE)
        return not known

    def count(self, what: str, count: int = 1) -> None:
        """Count what is of no reader and no minute: ``retried``, ``blocked``, ``replayed``."""
        self._enter(what, "", "", 0, count)

    def reconcile(self, waiting: int) -> int:
        """Let what was offered agree with the rest, where a disk lost what was not synced; returns the difference."""
        missing = self.settled + waiting - self.totals["offered"]
        self.totals["offered"] += missing
        return missing

    @property
    def settled(self) -> int:
        """Containers that are neither waiting nor out."""
        return self.totals["recorded"] + self.refused.total() + self.shed.total()

    def take_changes(self) -> bytes:
        """The changes since this was last called, encoded; empty if there are none."""
        if not self._changes:
            return b""
        changes, self._changes = self._changes, {}
        return _encode([(*entry, counts) for entry, counts in changes.items()])

    def apply_changes(self, changes: bytes) -> None:
        """Enter changes that were taken before. Raises ValueError if they are none."""
        for column, reason, minute, counts in _read(_decode_changes, changes):
            for reader, count in counts.items():
                self._sum_up(column, reason, reader, minute, count)

    def dump(self) -> bytes:
        """All of the books; with this, all changes so far are told."""
        self._changes.clear()
        return _encode(_Books(dict(self.totals), dict(self.refused), dict(self.shed), self.minutes.dump()))

    def restore(self, dump: bytes) -> None:
        """Take dumped books for one's own. Raises ValueError if they are none."""
        books = _read(_decode_books, dump)
        self.totals, self.refused, self.shed = Counter(books.totals), Counter(books.refused), Counter(books.shed)
        self.minutes.restore(books.minutes)

    def _enter(self, column: str, reason: str, reader: str, minute: int, count: int = 1) -> None:
        self._sum_up(column, reason, reader, minute, count)
        if self.keeps_changes:
            self._changed(column, reason, minute)[reader] += count

    def _changed(self, column: str, reason: str, minute: int) -> Counter[str]:
        """The changes of one kind that are not told of yet."""
        changes = self._changes.get((column, reason, minute))
        if changes is None:
            changes = self._changes[column, reason, minute] = Counter()
        return changes

    def _sum_up(self, column: str, reason: str, reader: str, minute: int, count: int) -> None:
        if column == "refused":
            self.refused[reason] += count
        elif column == "shed":
            self.shed[reason] += count
        else:
            self.totals[column] += count
        if minute and (shown := _SHOWN.get(column, "")):
            self.minutes.add(shown, reader, minute, count)


def _read(decode: Callable[[bytes], T], stored: bytes) -> T:
    try:
        return decode(stored)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no books: {error}") from error
