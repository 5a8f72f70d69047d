"""A buffer on a simulated disk, driven at random in lock-step with a list of what became of each container."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from simulated_files import SimulatedFiles

from contracts.buffer import ALL, assert_law, ids, wall
from expvastic.buffer import BatchSettings, BufferSettings, Record
from expvastic.buffers.disk import DiskBuffer
from expvastic.datatypes import Poll
from expvastic.outcomes.ledger import Ledger
from samples import make_container

FOLDER = Path("/state/recorders/es")
SMALL = {"max_bytes": 10**7, "segment_bytes": 2**16}


def make_disk_buffer(files: SimulatedFiles, ledger: Ledger | None = None, **settings: Any) -> DiskBuffer:
    """A buffer that is open."""
    buffer = DiskBuffer(BufferSettings(**{**SMALL, **settings}), ledger or Ledger(wall), FOLDER, files=files, wall=wall)
    buffer.open(0.0)
    return buffer


def run_sync(buffer: DiskBuffer) -> None:
    """Sync as the delivery does, at once."""
    if job := buffer.begin_sync():
        try:
            job()
        except OSError as error:
            buffer.end_sync(error)
        else:
            buffer.end_sync(None)


def take_all(buffer: DiskBuffer) -> list[Record]:
    """Hand out all that may be tried."""
    found: list[Record] = []
    while batch := buffer.take(ALL, 1e9):
        found += batch
    return found


class Driver:
    """Knows what was put, settled, lost, handed out; and what of it the disk itself must have."""

    def __init__(self, seed: int, **settings: Any) -> None:
        self.draw = random.Random(seed)
        self.files = SimulatedFiles()
        self.settings = settings
        self.put: dict[str, int] = {}
        self.settled: set[str] = set()
        self.lost: set[str] = set()
        self.tried: set[str] = set()
        self.safe: set[str] = set()
        self.safely_settled: set[str] = set()
        self.polls = 0
        self.out: list[list[Record]] = []
        self.now = 0.0
        self.open()

    @property
    def alive(self) -> set[str]:
        return set(self.put) - self.settled - self.lost

    def open(self) -> None:
        self.ledger = Ledger(wall)
        self.buffer = make_disk_buffer(self.files, self.ledger, **self.settings)
        self.out = []

    def step(self) -> None:
        """Do something, and look whether all is where it should be."""
        self.now += 1.0
        match self.draw.randrange(9):
            case 0 | 1 | 2:
                self._put()
            case 3 | 4:
                limits = BatchSettings(count=self.draw.randrange(1, 9), bytes=30_000, wait=1.0)
                batch = self.buffer.take(limits, self.now, newest=self.draw.random() < 0.3)
                self.tried.update(ids(batch))
                self.out.append(batch)
            case 5 | 6 if self.out:
                self._answer(self.out.pop(self.draw.randrange(len(self.out))))
            case 7:
                self._sync()
            case 8:
                self.buffer.expire(self.now)
        self.lost.update(loss.id for loss in self.buffer.take_losses())
        self.check()

    def check(self) -> None:
        """The law, by identity as far as the buffer tells."""
        assert_law(self.buffer, self.ledger)
        assert self.buffer.weight <= self.settings.get("max_bytes", SMALL["max_bytes"])
        assert self.buffer.waiting + self.buffer.out == len(self.alive)
        assert self.buffer.out == sum(map(len, self.out))

    def waiting_ids(self) -> list[str]:
        """What waits, found by handing it out and giving it back."""
        batch = take_all(self.buffer)
        self.buffer.give_back(batch, 0.0)
        return ids(batch)

    def _put(self) -> None:
        count = self.draw.randrange(4)
        first = len(self.put)
        containers = [
            make_container(number, time=make_container(0).time, text="x" * self.draw.choice((5, 500, 9_000)))
            for number in range(first, first + count)
        ]
        self.put.update({container.id: first for container in containers})
        self.polls += 1
        self.buffer.put(Poll("app", self.polls, containers, b"knows %d" % self.polls), self.now)
        if self.settings.get("sync") == "always":
            self.safe.update(ids(containers))

    def _answer(self, batch: list[Record]) -> None:
        cut = self.draw.randrange(len(batch) + 1)
        self.draw.shuffle(batch)
        for record in batch[:cut]:
            self.ledger.record(record.container.reader, record.container.time)
        self.buffer.settle(batch[:cut])
        self.settled.update(ids(batch[:cut]))
        self.buffer.give_back(batch[cut:], self.now + self.draw.randrange(30), in_doubt=self.draw.random() < 0.5)

    def _sync(self) -> None:
        job = self.buffer.begin_sync()
        if job is None:
            return
        safe, settled = set(self.put), set(self.settled)
        if self.draw.random() < 0.5:
            self._put()
        job()
        self.buffer.end_sync(None)
        self.safe |= safe
        self.safely_settled |= settled
