"""A delivery in corners: nothing can be taken, several batches end at once, the end comes while it waits."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from buffers.simulated_files import SimulatedFiles, failing
from expvastic.buffer import BatchSettings, BufferSettings, Record
from expvastic.buffers.disk import DiskBuffer
from expvastic.buffers.memory import MemoryBuffer
from expvastic.datatypes import Container
from expvastic.delivery import Delivery, DeliverySettings
from expvastic.errors import RecorderLost, RecordError
from expvastic.outcomes.ledger import Ledger
from expvastic.recorder import RECORDED, Outcome, Verdict
from fakes import FOREVER, FakeSink, Log, WideRecorder
from samples import make_containers, make_poll

pytestmark = pytest.mark.virtual_time
SMALL = {"count": 10, "newest_every": 0}
DOWN = RecordError("sink: connection refused")
Answer = Exception | Sequence[Verdict] | Callable[[Sequence[Container]], Sequence[Verdict]]


class Durable(MemoryBuffer):
    """A buffer that outlives the process, as far as its delivery can tell."""

    is_durable = True


class Blind(Durable):
    """A buffer on a disk that cannot be read."""

    sees = False

    def take(self, limits: BatchSettings, now: float, *, newest: bool = False) -> list[Record]:
        return super().take(limits, now, newest=newest) if self.sees else []


class Slow(WideRecorder):
    """Each batch takes the next answer of ``script``, after so many seconds; then all is recorded at once."""

    def __init__(self, sink: FakeSink, script: list[tuple[float, Answer]]) -> None:
        super().__init__(sink)
        self._script = script

    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        seconds, answer = self._script.pop(0) if self._script else (0.0, [RECORDED] * len(batch))
        await anyio.sleep(seconds)
        self.sink.acts = [answer]
        return await super().record(batch)


def recorded(batch: Sequence[Container]) -> Sequence[Verdict]:
    return [RECORDED] * len(batch)


def again(batch: Sequence[Container]) -> Sequence[Verdict]:
    return [Verdict(Outcome.AGAIN, "429")] * len(batch)


def blocked(batch: Sequence[Container]) -> Sequence[Verdict]:
    return [Verdict(Outcome.BLOCKED, "403", "closed", destination="index-1")] * len(batch)


class Bench:
    """One delivery, its sink, and a buffer of some kind."""

    def __init__(
        self,
        sink: FakeSink | None = None,
        kind: Callable[..., Any] = MemoryBuffer,
        *,
        script: list[tuple[float, Answer]] | None = None,
        **settings: Any,
    ) -> None:
        self.sink = sink or FakeSink()
        self.log = Log()
        ledger = Ledger()
        self.buffer = kind(BufferSettings(max_bytes=10**9), ledger)
        log: Any = self.log
        self.delivery = Delivery(
            "es",
            "fake",
            self.sink.make if script is None else lambda: Slow(self.sink, script),
            self.buffer,
            ledger,
            DeliverySettings.model_validate(settings),
            log,
            draw=lambda: 1.0,
        )

    def offer(self, count: int, first: int = 0) -> None:
        for container in make_containers(count, first=first):
            self.delivery.offer(make_poll(container))

    @property
    def state(self) -> str:
        statistics = self.delivery.statistics()
        assert statistics.is_balanced
        return statistics.state


async def test_closing_while_the_disk_cannot_be_read_holds_nobody_up() -> None:
    bench = Bench(kind=Blind)
    bench.offer(3)
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.delivery.close()
        await anyio.sleep(2)
        bench.buffer.sees = True

    assert len(bench.sink.recorded) == 3


async def test_closing_while_no_file_can_be_opened_holds_nobody_up() -> None:
    files = SimulatedFiles()

    def on_disk(settings: BufferSettings, ledger: Ledger) -> DiskBuffer:
        return DiskBuffer(settings, ledger, Path("/state/es"), files=files)

    before = Bench(kind=on_disk)
    before.delivery.open(0.0)
    before.offer(3)
    before.delivery.end()
    bench = Bench(kind=on_disk)
    bench.delivery.open(anyio.current_time())
    files.trouble = failing("open", code=errno.EMFILE)
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.delivery.close()
        await anyio.sleep(2)
        files.trouble = failing()

    assert len(bench.sink.recorded) == 3
    bench.delivery.end()


async def test_where_the_newest_are_always_wanted_what_was_given_back_is_brought_all_the_same() -> None:
    bench = Bench(FakeSink([again, again]), batch={"count": 5, "newest_every": 1})
    bench.offer(12)
    with anyio.fail_after(100):
        async with anyio.create_task_group() as group:
            group.start_soon(bench.delivery.run)
            await anyio.sleep(0.1)
            while bench.buffer.waiting:
                await anyio.sleep(1)
            bench.delivery.close()

    assert len(bench.sink.recorded) == 12


async def test_a_batch_that_was_under_way_does_not_bring_a_dropped_recorder_back() -> None:
    bench = Bench(script=_one_of_two_fails(RecorderLost("401"), recorded), batch=SMALL, retry={"initial": 8})
    seen = []
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.offer(60)
        for _ in range(40):
            await anyio.sleep(0.1)
            seen.append((bench.state, len(bench.sink.recorded)))
        await anyio.sleep(60)
        group.cancel_scope.cancel()

    dropped = [count for state, count in seen if state == "dropped"]
    assert dropped[0] < dropped[-1], "what was under way was recorded meanwhile"
    assert seen[-1][0] == "dropped"
    assert bench.log.said() == ["recorder dropped", "recorder rejoined"]
    assert bench.sink.entered == 2
    assert len(bench.sink.recorded) == 60


async def test_a_recorder_that_is_dropped_during_a_pause_is_left_at_its_end() -> None:
    script = _one_of_two_fails(DOWN, RecorderLost("401"))
    bench = Bench(script=script, batch=SMALL, retry={"initial": 8})
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.offer(60)
        await anyio.sleep(60)
        group.cancel_scope.cancel()

    assert bench.log.said() == ["recorder failing", "recorder dropped", "recorder rejoined"]
    assert bench.sink.entered == 2


async def test_a_recorder_lost_by_several_batches_at_once_is_dropped_once() -> None:
    script = _one_of_two_fails(RecorderLost("401"), RecorderLost("401"))
    bench = Bench(script=script, batch=SMALL, retry={"initial": 8})
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.offer(60)
        await anyio.sleep(5)
        failures = bench.delivery.circuit.failures
        await anyio.sleep(60)
        group.cancel_scope.cancel()

    assert failures == 1
    assert len(bench.sink.recorded) == 60


async def test_of_several_batches_that_fail_at_once_the_longest_retry_after_is_waited_for() -> None:
    script = _one_of_two_fails(DOWN, RecordError("503", retry_after=50))
    bench = Bench(script=script, batch=SMALL)
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.offer(60)
        await anyio.sleep(100)
        group.cancel_scope.cancel()

    pauses = [after - before for before, after in itertools.pairwise(bench.sink.times)]
    assert max(pauses) >= 50
    assert len(bench.sink.recorded) == 60


async def test_closing_during_a_pause_leaves_what_is_on_the_disk_without_another_try() -> None:
    """A recorder that hangs would cost all of the grace period, and nothing could be won."""
    for backoff in (100, 1):
        bench = Bench(FakeSink([DOWN, FOREVER], [None, 25.0]), Durable, backoff=backoff, retry={"initial": 20})
        bench.offer(3)
        async with anyio.create_task_group() as group:
            group.start_soon(bench.delivery.run)
            await anyio.sleep(5)
            began = anyio.current_time()
            bench.delivery.close()

        assert anyio.current_time() - began < 1
        assert bench.buffer.waiting == 3


async def test_a_recorder_that_finds_its_destination_blocked_has_rejoined() -> None:
    bench = Bench(FakeSink([DOWN, blocked]), backoff=1)
    bench.offer(3)
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        await anyio.sleep(10)
        group.cancel_scope.cancel()

    assert bench.log.said() == ["recorder dropped", "destination blocked", "recorder rejoined"]


async def test_closing_leaves_what_a_blocked_destination_does_not_take() -> None:
    bench = Bench(FakeSink([blocked] * 1_000), Durable)
    bench.offer(3)
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        await anyio.sleep(5)
        bench.delivery.close()
        await anyio.sleep(10)
        group.cancel_scope.cancel()

    assert len(bench.sink.batches) == 1
    assert bench.buffer.waiting == 3


def _one_of_two_fails(first: Answer, second: Answer) -> list[tuple[float, Answer]]:
    """Answers after which several batches are under way, and two of them: the second comes when a pause is over."""
    return [(0.0, recorded), (0.0, recorded), (0.5, first), (2.5, second)]


class Unsynced(Durable):
    """A buffer with something to sync, which fails as its script says."""

    def __init__(self, settings: BufferSettings, ledger: Ledger) -> None:
        super().__init__(settings, ledger)
        self.script: list[Exception | None] = []
        self.ended: list[OSError | None] = []

    def begin_sync(self) -> Callable[[], None] | None:
        return self._sync

    def end_sync(self, error: OSError | None) -> None:
        self.ended.append(error)

    def _sync(self) -> None:
        if failure := self.script.pop(0) if self.script else None:
            raise failure


@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), RuntimeError("can't start new thread")])
async def test_what_was_written_anew_after_a_failed_sync_is_synced_without_waiting_for_more(failure: Exception) -> None:
    bench = Bench(FakeSink([FOREVER]), Unsynced)
    bench.buffer.script = [failure]
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.offer(1)
        await anyio.sleep(10)
        group.cancel_scope.cancel()

    assert [type(error) for error in bench.buffer.ended] == [OSError, type(None)]
    assert bench.log.said() == ["buffer not synced", "buffer synced again"]
