"""A machine that ends at any call to its disk, and what must be found of a buffer on it afterwards."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

from disk_driver import make_disk_buffer, run_sync, take_all
from simulated_files import SimulatedFiles

from contracts.buffer import ids, wall
from expvastic.buffer import BatchSettings, Record
from expvastic.datatypes import Container, Poll
from expvastic.outcomes.ledger import Ledger
from samples import make_container


class Ended(BaseException):
    """The process is no more."""


class FailingFiles(SimulatedFiles):
    """Ends the process at a call, in the middle of it if that writes; a sync that fails loses what it was to bring.

    After a failed sync the system takes the pages for clean: the next one of that file succeeds and does nothing.
    """

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self.calls_left: float = float("inf")
        self.sync_failures = 0.0
        self.may_be_full = False
        self._draw = draw
        self._given_up: set[int] = set()

    def lose_power(self, draw: random.Random) -> None:
        super().lose_power(draw)
        self._given_up.clear()

    def write(self, file: int, data: bytes, offset: int) -> int:
        try:
            self._count()
        except Ended:
            super().write(file, data[: self._draw.randrange(len(data) + 1)], offset)
            raise
        return super().write(file, data, offset)

    def sync(self, file: int) -> None:
        self._count()
        if self.may_be_full:
            self.room = self._draw.choice((None, None, None, 0, 3_000, 60_000))
        content = id(self._open[file][1])
        if self._draw.random() < self.sync_failures:
            self._given_up.add(content)
            raise OSError(errno.EIO, "trouble")
        if content not in self._given_up:
            super().sync(file)

    def open(self, path: Path, *, new: bool = False) -> int:
        self._count()
        return super().open(path, new=new)

    def truncate(self, path: Path, size: int) -> None:
        self._count()
        super().truncate(path, size)

    def sync_folder(self, folder: Path) -> None:
        self._count()
        super().sync_folder(folder)

    def rename(self, old: Path, new: Path) -> None:
        self._count()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._count()
        super().remove(path)

    def _count(self) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise Ended


class FailingMachine:
    """Drives a buffer at random, and remembers what it was told before the end."""

    def __init__(self, seed: int, sync: str, **settings: Any) -> None:
        self.draw = random.Random(seed)
        self.files = FailingFiles(self.draw)
        self.settings = {"sync": sync, **settings}
        self.put: dict[str, int] = {}  # with the number of the poll
        self.settled: set[str] = set()
        self.handed: set[str] = set()
        self.safe: set[str] = set()
        self.lost: set[str] = set()
        self.under_way: set[str] = set()  # of the call that did not return
        self.polls = self.polls_put = 0
        self.now = 0.0
        self.open()

    def open(self) -> None:
        self.out: list[Record] = []
        self.under_way = set()
        self.ledger = Ledger(wall)
        self.buffer = make_disk_buffer(self.files, self.ledger, **self.settings)

    def run_until_end(self, calls: int) -> None:
        """Go on until the machine has made so many calls to its disk."""
        self.files.calls_left = calls
        try:
            for _ in range(10 * calls):
                self.now += 1.0
                self.draw.choice((self._put, self._put, self._take, self._answer, self._sync))()
                self.lost.update(loss.id for loss in self.buffer.take_losses())
            self.buffer.close(self.now)
        except Ended:
            pass
        self.files.calls_left = float("inf")

    def watch_losses(self) -> None:
        """Know at once what is lost, though the call that loses it does not return."""
        departures = self.buffer._departures
        lose = departures.lose

        def watched(container: Container, reason: str, *, was_stored: bool = True) -> None:
            self.lost.add(container.id)
            lose(container, reason, was_stored=was_stored)

        departures.lose = watched  # type: ignore[method-assign]

    def find(self) -> list[Record]:
        """Open again, and hand out all that there is; it is out from now on."""
        self.open()
        assert self.ledger.totals["offered"] == self.ledger.settled + self.buffer.waiting
        self.out = take_all(self.buffer)
        found = ids(self.out)
        assert len(found) == len(set(found))
        assert self.buffer.waiting == 0
        return self.out

    def _put(self) -> None:
        first, count = len(self.put), self.draw.choice((0, 1, 1, 2, 5))
        containers = [
            make_container(number, time=make_container(0).time, text="x" * self.draw.choice((5, 800, 20_000)))
            for number in range(first, first + count)
        ]
        self.polls += 1
        self.put.update(dict.fromkeys(ids(containers), self.polls))
        self.under_way = set(ids(containers))
        self.buffer.put(Poll("app", self.polls, containers, b"knows %d" % self.polls), self.now)
        self.under_way = set()
        self.polls_put = self.polls
        if self.settings["sync"] == "always" and not self.files.sync_failures:
            self.safe.update(ids(containers))

    def _take(self) -> None:
        limits = BatchSettings(count=self.draw.randrange(1, 9), bytes=30_000, wait=1.0)
        batch = self.buffer.take(limits, self.now, newest=self.draw.random() < 0.3)
        self.handed.update(ids(batch))
        self.out += batch

    def _answer(self) -> None:
        self.draw.shuffle(self.out)
        cut, back = sorted((self.draw.randrange(len(self.out) + 1), self.draw.randrange(len(self.out) + 1)))
        settled, given_back, self.out = self.out[:cut], self.out[cut:back], self.out[back:]
        for record in settled:
            self.ledger.record("app", record.container.time)
        self.under_way = set(ids(settled))
        self.buffer.settle(settled)
        self.settled.update(self.under_way)
        self.under_way = set()
        self.buffer.give_back(given_back, self.now + self.draw.randrange(9))

    def _sync(self) -> None:
        before, errors = set(self.put), self.buffer.errors["sync"]
        run_sync(self.buffer)
        if self.buffer.errors["sync"] == errors and not self.files.sync_failures and self.settings["sync"] != "never":
            self.safe |= before
