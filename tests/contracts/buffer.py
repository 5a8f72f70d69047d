"""What every buffer keeps to. Inherit ``BufferContract`` and fill in ``make_buffer``."""

from __future__ import annotations

import math
import random
from typing import Literal

from expvastic.buffer import BatchSettings, Buffer
from expvastic.datatypes import Container
from samples import make_container, make_containers

LIMITS = BatchSettings(count=3, bytes=1_000_000, wait=1.0)
ALL = BatchSettings(count=10_000, bytes=15_000_000, wait=1.0)
WEIGHT = make_container().weight  # the weight of most samples


def ids(containers: object) -> list[str]:
    return [getattr(item, "container", item).id for item in containers]  # type: ignore[attr-defined]


class BufferContract:
    """The tests."""

    def make_buffer(
        self,
        max_bytes: int = 10**9,
        max_age: float | None = None,
        when_full: Literal["shed_oldest", "shed_newest"] = "shed_oldest",
    ) -> Buffer:
        """An empty buffer."""
        raise NotImplementedError

    def filled(self, count: int, max_bytes: int = 10**9, now: float = 0.0) -> tuple[Buffer, list[Container]]:
        buffer, containers = self.make_buffer(max_bytes), make_containers(count)
        for container in containers:
            assert buffer.put(container, now) == []
        return buffer, containers

    def test_an_empty_buffer_has_nothing(self) -> None:
        buffer = self.make_buffer()

        assert (buffer.waiting, buffer.out, buffer.weight) == (0, 0, 0)
        assert buffer.take(LIMITS, 0.0) == []
        assert buffer.due_in(LIMITS, 0.0) == math.inf
        assert list(buffer.clear()) == []

    def test_batches_are_handed_out_oldest_first_within_the_count(self) -> None:
        buffer, containers = self.filled(5)

        assert ids(buffer.take(LIMITS, 0.0)) == ids(containers[:3])
        assert ids(buffer.take(LIMITS, 0.0)) == ids(containers[3:])
        assert (buffer.waiting, buffer.out) == (0, 5)

    def test_a_batch_keeps_within_its_bytes_but_has_one_at_least(self) -> None:
        buffer, containers = self.filled(3)
        size = len(containers[0].document)

        assert len(buffer.take(BatchSettings(count=9, bytes=2 * size, wait=1.0), 0.0)) == 2
        assert len(buffer.take(BatchSettings(count=9, bytes=1, wait=1.0), 0.0)) == 1

    def test_what_is_out_is_not_handed_out_again(self) -> None:
        buffer, _ = self.filled(3)
        buffer.take(LIMITS, 0.0)

        assert buffer.take(LIMITS, 0.0) == []

    def test_settled_records_are_gone_in_any_order(self) -> None:
        buffer, _ = self.filled(3)
        first, second, third = buffer.take(LIMITS, 0.0)
        buffer.settle([third])
        buffer.settle([first, second])

        assert (buffer.waiting, buffer.out, buffer.weight) == (0, 0, 0)

    def test_what_is_given_back_comes_first_again_and_counts_its_tries(self) -> None:
        buffer, containers = self.filled(5)
        buffer.give_back(buffer.take(LIMITS, 0.0), 0.0)

        batch = buffer.take(LIMITS, 0.0)

        assert ids(batch) == ids(containers[:3])
        assert [record.tries for record in batch] == [1, 1, 1]
        assert [record.tries for record in buffer.take(LIMITS, 0.0)] == [0, 0]

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

    def test_a_batch_is_due_when_its_oldest_has_waited(self) -> None:
        buffer, _ = self.filled(1, now=7.0)

        assert buffer.due_in(LIMITS, 7.25) == 0.75
        assert buffer.due_in(LIMITS, 9.0) == 0.0

    def test_a_batch_is_due_at_once_by_count_or_bytes(self) -> None:
        buffer, containers = self.filled(3)

        assert buffer.due_in(LIMITS, 0.0) == 0.0
        assert buffer.due_in(BatchSettings(count=9, bytes=len(containers[0].document), wait=1.0), 0.0) == 0.0
        assert buffer.due_in(BatchSettings(count=9, bytes=15_000_000, wait=1.0), 0.0) == 1.0

    def test_a_full_buffer_sheds_its_oldest(self) -> None:
        buffer, containers = self.filled(4, max_bytes=4 * WEIGHT)

        shed = buffer.put(make_container(9), 1.0)

        assert ids(shed) == ids(containers[:1])
        assert ids(buffer.take(ALL, 1.0)) == [*ids(containers[1:]), "app-000009"]

    def test_a_full_buffer_sheds_the_newest_if_told_to(self) -> None:
        buffer = self.make_buffer(2 * WEIGHT, when_full="shed_newest")
        for container in make_containers(2):
            buffer.put(container, 0.0)

        assert ids(buffer.put(make_container(9), 0.0)) == ["app-000009"]
        assert ids(buffer.take(ALL, 0.0)) == ["app-000000", "app-000001"]

    def test_what_is_out_is_never_shed(self) -> None:
        buffer, containers = self.filled(3, max_bytes=3 * WEIGHT)
        batch = buffer.take(LIMITS, 0.0)

        assert ids(buffer.put(make_container(9), 0.0)) == ["app-000009"]
        buffer.settle(batch[:1])
        assert buffer.put(make_container(8), 0.0) == []
        assert ids(batch) == ids(containers)

    def test_what_was_given_back_is_shed_as_oldest(self) -> None:
        buffer, containers = self.filled(3, max_bytes=3 * WEIGHT)
        buffer.give_back(buffer.take(BatchSettings(count=2, bytes=15_000_000, wait=1.0), 0.0), 99.0)

        assert ids(buffer.put(make_container(9), 1.0)) == ids(containers[:1])

    def test_a_container_larger_than_the_buffer_costs_only_itself(self) -> None:
        buffer, containers = self.filled(2, max_bytes=3 * WEIGHT)
        large = make_container(9, text="x" * 10 * WEIGHT)

        assert ids(buffer.put(large, 0.0)) == ids([large])
        assert ids(buffer.take(ALL, 0.0)) == ids(containers)

    def test_the_limit_is_never_exceeded(self) -> None:
        draw = random.Random(1)
        buffer = self.make_buffer(20 * WEIGHT)
        for number in range(300):
            buffer.put(make_container(number, text="x" * draw.randrange(2_000)), float(number))
            assert buffer.weight <= 20 * WEIGHT

    def test_what_is_too_old_expires(self) -> None:
        buffer = self.make_buffer(max_age=10.0)
        for number in range(4):
            buffer.put(make_container(number), float(number))

        assert ids(buffer.expire(11.5)) == ["app-000000", "app-000001"]
        assert ids(buffer.take(ALL, 11.5)) == ["app-000002", "app-000003"]

    def test_clearing_returns_what_waits_and_leaves_what_is_out(self) -> None:
        buffer, containers = self.filled(5)
        batch = buffer.take(LIMITS, 0.0)

        assert ids(buffer.clear()) == ids(containers[3:])
        assert buffer.out == 3
        buffer.settle(batch)
        assert buffer.weight == 0

    def test_random_operations_lose_nothing_and_double_nothing(self) -> None:
        for seed in range(30):
            _model(self.make_buffer(15 * WEIGHT), random.Random(seed))


def _model(buffer: Buffer, draw: random.Random) -> None:
    """In lock-step with sets of ids: where every container is, is known at all times."""
    offered: set[str] = set()
    settled: set[str] = set()
    shed: set[str] = set()
    out: list[list[object]] = []
    for step in range(400):
        now = float(step)
        match draw.randrange(5):
            case 0 | 1:
                container = make_container(step, text="x" * draw.randrange(500))
                offered.add(container.id)
                lost = ids(buffer.put(container, now))
                assert not shed.intersection(lost)
                shed.update(lost)
            case 2:
                batch = buffer.take(BatchSettings(count=draw.randrange(1, 6), bytes=3_000, wait=1.0), now)
                out.append(list(batch))
            case 3 if out:
                batch = out.pop(draw.randrange(len(out)))  # type: ignore[assignment]
                cut = draw.randrange(len(batch) + 1)
                buffer.settle(batch[:cut])
                settled.update(ids(batch[:cut]))
                buffer.give_back(batch[cut:], now + draw.randrange(20))
        held = [found for batch in out for found in ids(batch)]
        assert len(held) == len(set(held)) == buffer.out
        assert len(offered) == len(settled) + len(shed) + buffer.waiting + buffer.out
    for batch in out:
        buffer.settle(batch)  # type: ignore[arg-type]
        settled.update(ids(batch))
    rest = set(ids(buffer.clear()))
    assert settled | shed | rest == offered
    assert not settled & shed
    assert not rest & (settled | shed)
    assert buffer.weight == 0
