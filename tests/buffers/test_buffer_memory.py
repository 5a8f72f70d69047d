from typing import Literal

from contracts.buffer import BufferContract
from expvastic.buffer import BufferSettings
from expvastic.buffers.memory import MemoryBuffer


class TestMemoryBuffer(BufferContract):
    def make_buffer(
        self,
        max_bytes: int = 10**9,
        max_age: float | None = None,
        when_full: Literal["shed_oldest", "shed_newest"] = "shed_oldest",
    ) -> MemoryBuffer:
        return MemoryBuffer(BufferSettings(max_bytes=max_bytes, max_age=max_age, when_full=when_full))
