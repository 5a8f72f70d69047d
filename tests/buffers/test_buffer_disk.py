"""The buffer on disk as a buffer: the contract, with real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.buffer import BufferContract, WhenFull, wall
from expvastic.buffer import Buffer, BufferSettings
from expvastic.buffers.disk import DiskBuffer
from expvastic.outcomes.ledger import Ledger


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
