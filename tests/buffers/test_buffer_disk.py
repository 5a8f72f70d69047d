"""The buffer on disk as a buffer: the contract, with real files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contracts.buffer import ALL, BufferContract, WhenFull, wall
from expvastic.buffer import BatchSettings, Buffer, BufferSettings
from expvastic.buffers.disk import DiskBuffer
from expvastic.datatypes import Poll
from expvastic.outcomes.ledger import Ledger
from samples import make_container


class TestDiskBuffer(BufferContract):
    sheds_one_by_one = False

    @pytest.fixture(autouse=True)
    def use_folder(self, tmp_path: Path) -> None:
        self._folder = tmp_path
        self._count = 0

    def make_buffer(
        self,
        ledger: Ledger,
        max_bytes: int = 10**9,
        max_age: float | None = None,
        when_full: WhenFull = "shed_oldest",
    ) -> Buffer:
        settings = BufferSettings(
            max_bytes=max_bytes, max_age=max_age, when_full=when_full, segment_bytes=2**16, sync="never"
        )
        self._count += 1
        buffer = DiskBuffer(settings, ledger, self._folder / str(self._count), wall=wall)
        buffer.open(0.0)
        return buffer

    def full_bytes(self, count: int) -> int:
        return 40_000

    def is_empty(self, buffer: Buffer) -> bool:
        buffer.close(0.0)
        return not [*(self._folder / str(self._count)).glob("*.segment")]


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from expvastic.buffer import BatchSettings, BufferSettings
from expvastic.buffers.disk import DiskBuffer
from expvastic.datatypes import Poll
from expvastic.datatypes import Poll
from expvastic.outcomes.ledger import Ledger
from samples import make_container
from samples import make_containers

buffer = DiskBuffer(BufferSettings(segment_bytes=2**16), Ledger(), Path({folder!r}))
buffer.open(0.0)
for number in range(10**6):
    buffer.put(Poll("app", number + 1, make_containers(5, first=5 * number), b"k"), 0.0)
    batch = buffer.take(BatchSettings(count=2), 0.0)
    buffer.settle(batch[:1])
    print(number, flush=True)
"""


def test_a_killed_process_has_lost_nothing_that_was_put(tmp_path: Path) -> None:
    for puts in (1, 40, 333):
        folder = tmp_path / str(puts)
        program = KILLED.format(paths=[path for path in sys.path if path], folder=str(folder))
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(puts):
                process.stdout.readline()
            process.kill()
            told = puts + len(process.stdout.read().split())

        ledger = Ledger(wall)
        buffer = DiskBuffer(BufferSettings(max_bytes=10**8), ledger, folder, wall=wall)
        buffer.open(0.0)
        found = {record.container.id: record.tries for record in buffer.take(ALL, 0.0)}
        buffer.close(0.0)

        assert not buffer.errors
        settled = 5 * buffer.last_polls["app"][0] - len(found)
        assert told <= buffer.last_polls["app"][0] <= told + 1
        assert told <= settled <= told + 1
        assert sum(tries > 0 for tries in found.values()) in range(told - 1, told + 3)


@pytest.mark.parametrize("when_full", ["shed_oldest", "shed_newest"])
def test_books_that_grow_keep_within_the_limit_too(tmp_path: Path, when_full: WhenFull) -> None:
    settings = BufferSettings(max_bytes=400_000, when_full=when_full, segment_bytes=2**16)
    ledger = Ledger(wall)
    buffer = DiskBuffer(settings, ledger, tmp_path, wall=wall)
    buffer.open(0.0)
    for number in range(1_200):
        reader = f"reader-{number % 300:05d}"
        buffer.put(Poll(reader, number, [make_container(number, reader)], b"k" * 20), 0.0)
        if number % 3:
            buffer.settle(buffer.take(BatchSettings(count=1), 0.0))
        if number % 7 == 0 and (job := buffer.begin_sync()):
            job()
            buffer.end_sync(None)
        assert buffer.weight <= 400_000
    buffer.close(0.0)

    again = DiskBuffer(settings, found := Ledger(wall), tmp_path, wall=wall)
    again.open(0.0)
    assert again.waiting == buffer.waiting
    assert found.shed == ledger.shed
    again.close(0.0)
