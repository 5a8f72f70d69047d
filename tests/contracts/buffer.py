"""What every buffer keeps to. Inherit ``BufferContract`` and fill in ``make_buffer``."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Literal

from expvastic.buffer import BatchSettings, Buffer, Record
from expvastic.datatypes import Container, Poll
from expvastic.outcomes.ledger import Ledger
from samples import START, make_container, make_containers

LIMITS = BatchSettings(count=3, bytes=1_000_000, wait=1.0)
ALL = BatchSettings(count=10_000, bytes=15_000_000, wait=1.0)
WEIGHT = make_container().weight  # the weight of most samples
WhenFull = Literal["shed_oldest", "shed_newest"]


def wall() -> float:
    """A clock that stands at the samples' time, so that the ledger's minutes hold them."""
    return START / 1e6


def ids(items: Iterable[Container | Record]) -> list[str]:
    return [item.container.id if isinstance(item, Record) else item.id for item in items]


def poll(*containers: Container, number: int = 0, knowledge: bytes = b"", reader: str = "app") -> Poll:
    return Poll(reader, number, containers, knowledge)


def lost_ids(buffer: Buffer) -> list[str]:
    """The ids of what was lost since this was last asked."""
    return [loss.id for loss in buffer.take_losses()]


def take_one(buffer: Buffer, now: float = 0.0) -> Record:
    (record,) = buffer.take(BatchSettings(count=1, bytes=1, wait=1.0), now)
    return record


def assert_law(buffer: Buffer, ledger: Ledger) -> None:
    """What was offered is settled, waits, or is out; in all and by minute."""
    assert ledger.totals["offered"] == ledger.settled + buffer.waiting + buffer.out
    rows = [row for _, row in ledger.minutes.rows()]
    assert sum(row.offered for row in rows) - sum(row.recorded + row.refused + row.shed for row in rows) == (
        buffer.waiting + buffer.out
    )


class BufferContract:
    """The tests. A buffer that ``sheds_one_by_one`` holds, by weight, as many samples as fit in ``max_bytes``."""

    sheds_one_by_one = True

    def make_buffer(
        self,
        ledger: Ledger,
        max_bytes: int = 10**9,
        max_age: float | None = None,
        when_full: WhenFull = "shed_oldest",
    ) -> Buffer:
        """An empty buffer that is open."""
        raise NotImplementedError

    def full_bytes(self, count: int) -> int:
        """A ``max_bytes`` that so many samples, put one by one, are enough to fill."""
        return count * WEIGHT

    def is_empty(self, buffer: Buffer) -> bool:
        """Whether a buffer from which all was settled takes no room."""
        return buffer.weight == 0

    def fresh(self, max_bytes: int = 10**9, when_full: WhenFull = "shed_oldest") -> Buffer:
        return self.make_buffer(Ledger(wall), max_bytes, when_full=when_full)

    def filled(self, count: int, max_bytes: int = 10**9, now: float = 0.0) -> tuple[Buffer, list[Container]]:
        buffer, containers = self.fresh(max_bytes), make_containers(count)
        for container in containers:
            buffer.put(poll(container), now)
        assert lost_ids(buffer) == []
        return buffer, containers

    def overfilled(self, when_full: WhenFull = "shed_oldest") -> tuple[Buffer, Ledger, int]:
        """A buffer that has lost some for want of room, and how many were put."""
        ledger = Ledger(wall)
        buffer = self.make_buffer(ledger, self.full_bytes(20), when_full=when_full)
        count = 0
        while not buffer.errors["full"] and count < 100_000:
            buffer.put(poll(make_container(count)), 0.0)
            count += 1
        return buffer, ledger, count

    def test_an_empty_buffer_has_nothing(self) -> None:
        buffer = self.fresh()

        assert (buffer.waiting, buffer.out) == (0, 0)
        assert buffer.take(LIMITS, 0.0) == []
        assert buffer.due_in(LIMITS, 0.0) == math.inf
        assert list(buffer.take_losses()) == []

    def test_batches_are_handed_out_oldest_first_within_the_count(self) -> None:
        buffer, containers = self.filled(5)

        assert ids(buffer.take(LIMITS, 0.0)) == ids(containers[:3])
        assert ids(buffer.take(LIMITS, 0.0)) == ids(containers[3:])
        assert (buffer.waiting, buffer.out) == (0, 5)

    def test_the_containers_of_a_poll_are_put_together_and_counted_as_enqueued(self) -> None:
        buffer, containers = self.fresh(), make_containers(4)
        buffer.put(poll(*containers), 2.0)

        batch = buffer.take(ALL, 2.0)

        assert ids(batch) == ids(containers)
        assert [record.put_at for record in batch] == [2.0] * 4
        assert buffer.enqueued == 4

    def test_a_container_is_handed_out_as_it_was_put(self) -> None:
        buffer = self.fresh()
        put = make_container(7, reader="größe", **{"expvar.a": 1.5, "expvar.b": "text"})
        buffer.put(poll(put), 0.0)

        container = take_one(buffer).container

        assert (container.id, container.time, container.reader) == (put.id, put.time, put.reader)
        assert container.document == put.document
        assert list(container) == list(put)

    def test_a_batch_keeps_within_its_bytes_but_has_one_at_least(self) -> None:
        buffer, containers = self.filled(3)
        size = len(containers[0].document)

        assert len(buffer.take(BatchSettings(count=9, bytes=2 * size, wait=1.0), 0.0)) == 2
        assert len(buffer.take(BatchSettings(count=9, bytes=1, wait=1.0), 0.0)) == 1

    def test_the_newest_are_handed_out_in_the_order_of_their_puts(self) -> None:
        buffer, containers = self.filled(8)

        assert ids(buffer.take(LIMITS, 0.0, newest=True)) == ids(containers[5:])
        assert ids(buffer.take(LIMITS, 0.0)) == ids(containers[:3])
        assert ids(buffer.take(LIMITS, 0.0, newest=True)) == ids(containers[3:5])

    def test_the_newest_keep_within_the_bytes_of_a_batch(self) -> None:
        buffer, containers = self.filled(4)
        size = len(containers[0].document)

        batch = buffer.take(BatchSettings(count=9, bytes=2 * size, wait=1.0), 0.0, newest=True)

        assert ids(batch) == ids(containers[2:])

    def test_what_was_given_back_is_not_among_the_newest(self) -> None:
        buffer, containers = self.filled(5)
        buffer.give_back(buffer.take(LIMITS, 0.0, newest=True), 0.0)

        assert ids(buffer.take(LIMITS, 0.0, newest=True)) == ids(containers[:2])

    def test_what_is_out_is_not_handed_out_again(self) -> None:
        buffer, _ = self.filled(3)
        buffer.take(LIMITS, 0.0)

        assert buffer.take(LIMITS, 0.0) == []

    def test_settled_records_are_gone_in_any_order_and_counted_as_consumed(self) -> None:
        buffer, _ = self.filled(3)
        first, second, third = buffer.take(LIMITS, 0.0)
        buffer.settle([third])
        buffer.settle([first, second])

        assert (buffer.waiting, buffer.out, buffer.consumed) == (0, 0, 3)
        assert self.is_empty(buffer)

    def test_what_is_not_out_cannot_be_settled_or_given_back(self) -> None:
        buffer, _ = self.filled(3)
        batch = buffer.take(LIMITS, 0.0)
        buffer.settle(batch[:1])
        buffer.give_back(batch[1:2], 0.0)

        for record in batch[:2]:
            for end in (buffer.settle, lambda records: buffer.give_back(records, 0.0)):
                try:
                    end([record])
                except KeyError:
                    continue
                raise AssertionError("it was taken")

    def test_what_is_given_back_comes_first_again_and_counts_its_tries(self) -> None:
        buffer, containers = self.filled(5)
        buffer.give_back(buffer.take(LIMITS, 0.0), 0.0)

        batch = buffer.take(LIMITS, 0.0)

        assert ids(batch) == ids(containers[:3])
        assert [record.tries for record in batch] == [1, 1, 1]
        assert [record.tries for record in buffer.take(LIMITS, 0.0)] == [0, 0]

    def test_a_doubt_stays_with_a_record(self) -> None:
        buffer, _ = self.filled(2)
        first, second = buffer.take(LIMITS, 0.0)
        buffer.give_back([first], 0.0, in_doubt=True)
        buffer.give_back([second], 0.0)
        buffer.give_back(buffer.take(LIMITS, 0.0), 0.0)

        batch = buffer.take(LIMITS, 0.0)

        assert [(record.tries, record.in_doubt) for record in batch] == [(2, True), (2, False)]

    def test_what_is_given_back_is_not_tried_before_its_time(self) -> None:
        buffer, containers = self.filled(5)
        buffer.give_back(buffer.take(LIMITS, 0.0), 10.0)

        assert ids(buffer.take(LIMITS, 5.0)) == ids(containers[3:])
        assert buffer.due_in(LIMITS, 6.0) == 4.0
        assert ids(buffer.take(LIMITS, 10.0)) == ids(containers[:3])

    def test_groups_given_back_are_handed_out_together_oldest_first(self) -> None:
        buffer, containers = self.filled(4)
        one = BatchSettings(count=2, bytes=15_000_000, wait=1.0)
        first, second = buffer.take(one, 0.0), buffer.take(one, 0.0)
        buffer.give_back(second, 0.0)
        buffer.give_back(first, 0.0)

        assert ids(buffer.take(ALL, 0.0)) == ids(containers)

    def test_every_other_record_can_be_given_back(self) -> None:
        buffer, containers = self.filled(9)
        batch = buffer.take(ALL, 0.0)
        buffer.settle(batch[1::2])
        buffer.give_back(batch[2::4], 3.0)
        buffer.give_back(batch[::4], 3.0)

        assert buffer.waiting == 5
        assert ids(buffer.take(ALL, 3.0)) == ids(containers[::2])

    def test_a_batch_is_due_when_its_oldest_has_waited(self) -> None:
        buffer, _ = self.filled(1, now=7.0)

        assert buffer.due_in(LIMITS, 7.25) == 0.75
        assert buffer.due_in(LIMITS, 9.0) == 0.0

    def test_a_batch_is_due_at_once_by_count_or_bytes(self) -> None:
        buffer, containers = self.filled(3)

        assert buffer.due_in(LIMITS, 0.0) == 0.0
        assert buffer.due_in(BatchSettings(count=9, bytes=len(containers[0].document), wait=1.0), 0.0) == 0.0
        assert buffer.due_in(BatchSettings(count=9, bytes=15_000_000, wait=1.0), 0.0) == 1.0

    def test_what_was_taken_does_not_count_for_the_bytes_that_are_due(self) -> None:
        buffer, containers = self.filled(3)
        size = len(containers[0].document)
        buffer.take(BatchSettings(count=1, bytes=15_000_000, wait=1.0), 0.0)
        buffer.take(BatchSettings(count=1, bytes=15_000_000, wait=1.0), 0.0, newest=True)

        assert buffer.due_in(BatchSettings(count=9, bytes=size + 1, wait=1.0), 0.0) == 1.0
        assert buffer.due_in(BatchSettings(count=9, bytes=size, wait=1.0), 0.0) == 0.0

    def test_a_full_buffer_sheds_its_oldest(self) -> None:
        buffer, ledger, count = self.overfilled()

        lost = lost_ids(buffer)
        kept = ids(buffer.take(ALL, 0.0))

        assert 0 < len(lost) == buffer.errors["full"] == ledger.shed["full"]
        assert lost + kept == ids(make_containers(count))
        assert len(lost) == 1 or not self.sheds_one_by_one
        assert_law(buffer, ledger)

    def test_a_full_buffer_sheds_the_newest_if_told_to(self) -> None:
        buffer, ledger, count = self.overfilled("shed_newest")

        losses = buffer.take_losses()

        assert [(loss.id, loss.reader, loss.reason) for loss in losses] == [(f"app-{count - 1:06d}", "app", "full")]
        assert ids(buffer.take(ALL, 0.0)) == ids(make_containers(count - 1))
        assert_law(buffer, ledger)

    def test_what_is_out_is_never_shed(self) -> None:
        buffer, _, count = self.overfilled()
        lost_ids(buffer)
        batch = buffer.take(ALL, 0.0)
        for number in range(count, 2 * count):
            buffer.put(poll(make_container(number)), 0.0)

        held, lost = ids(batch), lost_ids(buffer)

        assert lost
        assert not set(held) & set(lost)
        assert buffer.out == len(batch)
        buffer.settle(batch)
        buffer.put(poll(make_container(9 * count)), 0.0)
        assert lost_ids(buffer) == []

    def test_what_was_given_back_is_shed_as_oldest(self) -> None:
        buffer, _, count = self.overfilled()
        lost = len(lost_ids(buffer))
        buffer.give_back(buffer.take(BatchSettings(count=1, bytes=15_000_000, wait=1.0), 0.0), 99.0)
        while not (shed := lost_ids(buffer)):
            buffer.put(poll(make_container(count)), 1.0)

        assert shed[0] == f"app-{lost:06d}"

    def test_a_container_larger_than_the_buffer_costs_only_itself(self) -> None:
        buffer, containers = self.filled(2, max_bytes=self.full_bytes(3))
        large = make_container(9, text="x" * self.full_bytes(3))
        buffer.put(poll(large), 0.0)

        assert lost_ids(buffer) == ids([large])
        assert ids(buffer.take(ALL, 0.0)) == ids(containers)

    def test_the_limit_is_never_exceeded(self) -> None:
        draw = random.Random(1)
        limit = self.full_bytes(20)
        buffer = self.fresh(limit)
        for number in range(600):
            buffer.put(poll(make_container(number, text="x" * draw.randrange(2_000))), float(number))
            assert buffer.weight <= limit
            batch = buffer.take(LIMITS, float(number))
            assert buffer.weight <= limit
            cut = draw.randrange(4)
            buffer.settle(batch[:cut])
            buffer.give_back(batch[cut:], number + 20.0)
            assert buffer.weight <= limit

    def test_what_is_too_old_expires(self) -> None:
        buffer = self.make_buffer(Ledger(wall), max_age=10.0)
        for number in range(4):
            buffer.put(poll(make_container(number)), float(number))
        buffer.expire(5.0)
        assert lost_ids(buffer) == []

        buffer.expire(11.5)

        assert lost_ids(buffer) == ["app-000000", "app-000001"]
        assert ids(buffer.take(ALL, 11.5)) == ["app-000002", "app-000003"]

    def test_what_was_given_back_expires_by_the_time_of_its_put(self) -> None:
        buffer = self.make_buffer(Ledger(wall), max_age=10.0)
        buffer.put(poll(make_container(0)), 0.0)
        batch = buffer.take(ALL, 9.0)
        buffer.put(poll(make_container(1)), 9.0)
        buffer.expire(12.0)
        assert lost_ids(buffer) == []
        buffer.give_back(batch, 99.0)

        buffer.expire(12.0)

        assert [(loss.id, loss.reason) for loss in buffer.take_losses()] == [("app-000000", "expired")]

    def test_clearing_loses_what_waits_and_leaves_what_is_out(self) -> None:
        ledger = Ledger(wall)
        buffer = self.make_buffer(ledger)
        for container in make_containers(5):
            buffer.put(poll(container), 0.0)
        batch = buffer.take(LIMITS, 0.0)
        buffer.clear("discarded")

        assert lost_ids(buffer) == ["app-000003", "app-000004"]
        assert ledger.shed == {"discarded": 2}
        assert (buffer.waiting, buffer.out) == (0, 3)
        buffer.settle(batch)
        assert self.is_empty(buffer)

    def test_losses_are_told_once(self) -> None:
        buffer, _ = self.filled(2)
        buffer.clear("discarded")

        assert len(buffer.take_losses()) == 2
        assert list(buffer.take_losses()) == []

    def test_closing_may_be_repeated_and_leaves_nothing_out(self) -> None:
        buffer, _ = self.filled(5)
        buffer.take(LIMITS, 0.0)
        buffer.close(0.0)
        buffer.close(0.0)

        assert buffer.out == 0
        assert buffer.waiting == (5 if buffer.is_durable else 0)

    def test_random_operations_lose_nothing_and_double_nothing(self) -> None:
        for seed in range(30):
            ledger = Ledger(wall)
            _model(self.make_buffer(ledger, self.full_bytes(15)), ledger, random.Random(seed))


def _model(buffer: Buffer, ledger: Ledger, draw: random.Random) -> None:
    """In lock-step with sets of ids: where every container is, is known at all times."""
    offered: set[str] = set()
    settled: set[str] = set()
    shed: set[str] = set()
    out: list[list[Record]] = []
    for step in range(400):
        now = float(step)
        match draw.randrange(5):
            case 0 | 1:
                container = make_container(step, text="x" * draw.randrange(500))
                offered.add(container.id)
                buffer.put(poll(container), now)
            case 2:
                limits = BatchSettings(count=draw.randrange(1, 6), bytes=3_000, wait=1.0)
                out.append(buffer.take(limits, now, newest=draw.random() < 0.3))
            case 3 if out:
                batch = out.pop(draw.randrange(len(out)))
                cut = draw.randrange(len(batch) + 1)
                for record in batch[:cut]:
                    ledger.record(record.container.reader, record.container.time)
                buffer.settle(batch[:cut])
                settled.update(ids(batch[:cut]))
                buffer.give_back(batch[cut:], now + draw.randrange(20))
        lost = lost_ids(buffer)
        assert not shed.intersection(lost)
        shed.update(lost)
        held = [found for batch in out for found in ids(batch)]
        assert len(held) == len(set(held)) == buffer.out
        assert len(offered) == len(settled) + len(shed) + buffer.waiting + buffer.out
        assert_law(buffer, ledger)
    for batch in out:
        buffer.settle(batch)
        settled.update(ids(batch))
    buffer.clear("discarded")
    rest = set(lost_ids(buffer))
    assert settled | shed | rest == offered
    assert not settled & shed
    assert not rest & (settled | shed)
    assert (buffer.waiting, buffer.out) == (0, 0)
