from contracts.buffer import BufferContract, WhenFull, poll
from expvastic.buffer import Buffer, BufferSettings
from expvastic.buffers.memory import MemoryBuffer
from expvastic.outcomes.ledger import Ledger
from samples import make_containers


class TestMemoryBuffer(BufferContract):
    def make_buffer(
        self,
        ledger: Ledger,
        max_bytes: int = 10**9,
        max_age: float | None = None,
        when_full: WhenFull = "shed_oldest",
    ) -> Buffer:
        return MemoryBuffer(BufferSettings(max_bytes=max_bytes, max_age=max_age, when_full=when_full), ledger)

    def test_what_is_left_at_the_end_is_lost(self) -> None:
        ledger = Ledger()
        buffer = self.make_buffer(ledger)
        buffer.put(poll(*make_containers(3)), 0.0)
        buffer.close(1.0)

        assert [loss.reason for loss in buffer.take_losses()] == ["lost_at_exit"] * 3
        assert ledger.shed == {"lost_at_exit": 3}
        assert not buffer.is_durable
