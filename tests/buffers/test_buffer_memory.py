from typing import Literal

from contracts.buffer import ALL, WEIGHT, BufferContract, ids
from expvastic.buffers.memory import Budget, MemoryBuffer
from samples import make_container


class TestMemoryBuffer(BufferContract):
    def make_buffer(
        self,
        max_bytes: int = 10**9,
        max_age: float | None = None,
        when_full: Literal["shed_oldest", "shed_newest"] = "shed_oldest",
    ) -> MemoryBuffer:
        return MemoryBuffer(max_bytes, max_age=max_age, when_full=when_full)


def test_buffers_keep_within_the_budget_they_share() -> None:
    budget = Budget(3 * WEIGHT)
    one, other = MemoryBuffer(10**9, budget=budget), MemoryBuffer(10**9, budget=budget)
    one.put(make_container(0), 0.0)
    one.put(make_container(1), 0.0)
    other.put(make_container(2), 0.0)

    assert ids(other.put(make_container(3), 0.0)) == ["app-000002"]
    assert ids(one.put(make_container(4), 0.0)) == ["app-000000"]
    assert budget.used == 3 * WEIGHT


def test_a_buffer_that_holds_nothing_sheds_the_newcomer_when_others_used_up_the_budget() -> None:
    budget = Budget(1 * WEIGHT)
    one, other = MemoryBuffer(10**9, budget=budget), MemoryBuffer(10**9, budget=budget)
    one.put(make_container(0), 0.0)

    assert ids(other.put(make_container(1), 0.0)) == ["app-000001"]
    one.settle(one.take(ALL, 0.0))
    assert other.put(make_container(2), 0.0) == []
