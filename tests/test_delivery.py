"""A delivery on the virtual clock, with recorders that follow a script."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from expvastic.buffer import BufferSettings
from expvastic.buffers.memory import MemoryBuffer
from expvastic.datatypes import Container
from expvastic.delivery import Delivery, DeliverySettings, Left
from expvastic.errors import RecorderLost, RecordError
from expvastic.outcomes.ledger import Ledger
from expvastic.outcomes.verdicts import Verdicts
from expvastic.recorder import DUPLICATE, RECORDED, Outcome, Verdict
from fakes import FOREVER, Act, FakeSink, Log
from samples import make_container, make_containers, make_poll

pytestmark = pytest.mark.virtual_time
DOWN = RecordError("sink: connection refused")


def again(batch: Sequence[Container]) -> list[Verdict]:
    return [Verdict(Outcome.AGAIN, "429")] * len(batch)


def blocked(batch: Sequence[Container]) -> list[Verdict]:
    return [Verdict(Outcome.BLOCKED, "403", "closed", destination="index-1")] * len(batch)


class Bench:
    """One delivery and its sink."""

    def __init__(
        self,
        sink: FakeSink | None = None,
        *,
        shares: bool = False,
        max_bytes: int = 10**9,
        max_age: float | None = None,
        is_wide: bool = False,
        **settings: Any,
    ):
        self.sink = sink or FakeSink()
        self.log = Log()
        self.settings = DeliverySettings.model_validate(settings)
        ledger = Ledger()
        log: Any = self.log
        self.delivery = Delivery(
            "es",
            "fake",
            self.sink.make_wide if is_wide else self.sink.make,
            MemoryBuffer(BufferSettings(max_bytes=max_bytes, max_age=max_age), ledger),
            ledger,
            self.settings,
            log,
            verdicts=Verdicts(ledger, log, shares=shares),
            draw=lambda: 1.0,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(self.delivery.run)
            await anyio.lowlevel.checkpoint()
            yield
            group.cancel_scope.cancel()

    async def drained(self) -> None:
        """Deliver all that was offered and check the books."""
        self.delivery.close()
        await self.delivery.run()
        self.check()

    def offer(self, count: int = 1, first: int = 0) -> list[Container]:
        containers = make_containers(count, first=first)
        for container in containers:
            self.delivery.offer(make_poll(container))
        return containers

    def check(self) -> None:
        assert self.delivery.statistics().is_balanced

    @property
    def ledger(self) -> Any:
        return self.delivery.ledger


async def test_a_batch_leaves_when_its_oldest_has_waited() -> None:
    bench = Bench(batch={"count": 500, "wait": 2})
    started = anyio.current_time()
    async with bench.running():
        offered = bench.offer(3)
        await anyio.sleep(5)

    assert bench.sink.batches == [offered]
    assert bench.sink.times == [started + 2]
    bench.check()


async def test_a_batch_leaves_at_once_by_count() -> None:
    bench = Bench(batch={"count": 3, "wait": 60})
    async with bench.running():
        bench.offer(7)
        await anyio.sleep(0.001)

    assert [len(batch) for batch in bench.sink.batches] == [3, 3]


async def test_a_batch_leaves_at_once_by_bytes() -> None:
    bench = Bench(batch={"bytes": len(make_container().document) * 2, "wait": 60})
    async with bench.running():
        bench.offer(2)
        await anyio.sleep(0.001)

    assert [len(batch) for batch in bench.sink.batches] == [2]


async def test_contact_is_made_when_there_is_something_to_bring() -> None:
    bench = Bench()
    async with bench.running():
        await anyio.sleep(100)
        entered_before = bench.sink.entered
        bench.offer()
        await anyio.sleep(2)

    assert (entered_before, bench.sink.entered, bench.sink.left) == (0, 1, 1)


async def test_offering_never_waits_for_a_recorder_that_hangs() -> None:
    bench = Bench(FakeSink(acts=[FOREVER]), timeout=10)
    async with bench.running():
        bench.offer()
        await anyio.sleep(3)
        before = anyio.current_time()
        bench.offer(1_000, first=1)
        took = anyio.current_time() - before

    assert took == 0
    bench.check()


async def test_a_recorder_that_hangs_has_failed_at_its_deadline_and_the_batch_is_tried_again() -> None:
    bench = Bench(FakeSink(acts=[FOREVER]), timeout=10)
    offered = bench.offer(2)
    await bench.drained()

    assert bench.sink.recorded == offered
    assert bench.delivery.statistics().failures == 1
    assert "no answer from sink within 10 s" in bench.delivery.statistics().last_error


async def test_a_failed_batch_is_tried_again_with_growing_pauses() -> None:
    bench = Bench(FakeSink(acts=[DOWN, DOWN, DOWN]), batch={"wait": 1}, retry={"initial": 1, "max": 30})
    async with bench.running():
        started = anyio.current_time()
        offered = bench.offer(2)
        await anyio.sleep(60)

    assert [time - started for time in bench.sink.times] == [1, 2, 4, 8]
    assert bench.sink.recorded == offered
    assert bench.log.said() == ["recorder failing", "recorder recovered"]


async def test_retry_after_is_waited_for() -> None:
    bench = Bench(FakeSink(acts=[RecordError("busy", retry_after=25.0)]), batch={"wait": 1})
    async with bench.running():
        bench.offer()
        await anyio.sleep(60)

    assert bench.sink.times[1] - bench.sink.times[0] == 25.0


async def test_after_backoff_failures_the_recorder_is_dropped_and_rejoins_at_the_first_success() -> None:
    sink = FakeSink(acts=[DOWN] * 3, entries=[None, DOWN, DOWN])
    bench = Bench(sink, backoff=3)
    async with bench.running():
        offered = bench.offer(30)
        await anyio.sleep(7)
        state = bench.delivery.statistics().state
        offered += bench.offer(5, first=30)
        await anyio.sleep(300)

    assert state == "dropped"
    assert bench.sink.recorded == offered
    assert bench.log.said() == ["recorder failing", "recorder dropped", "recorder rejoined"]
    assert len(bench.sink.batches[3]) == 10, "the first batch on probation is a small one"
    assert (bench.sink.entered, bench.delivery.statistics().drops) == (2, 1)
    bench.check()


async def test_a_lost_recorder_is_dropped_at_once_with_the_reason_and_keeps_its_data() -> None:
    bench = Bench(FakeSink(entries=[RecorderLost("password refused; check username and password")] * 3))
    async with bench.running():
        offered = bench.offer(3)
        await anyio.sleep(1.5)
        numbers = bench.delivery.statistics()
        await anyio.sleep(200)

    assert (numbers.state, numbers.waiting) == ("dropped", 3)
    assert "password refused" in numbers.last_error
    assert bench.sink.recorded == offered


async def test_entering_has_a_deadline() -> None:
    bench = Bench(FakeSink(entries=[FOREVER]), timeout=5)
    async with bench.running():
        bench.offer()
        await anyio.sleep(20)

    assert bench.delivery.statistics().failures == 1
    assert bench.ledger.totals["recorded"] == 1


async def test_containers_to_be_tried_again_are_retried_alone() -> None:
    def half(batch: Sequence[Container]) -> list[Verdict]:
        return [RECORDED if number % 2 else Verdict(Outcome.AGAIN, "429") for number in range(len(batch))]

    bench = Bench(FakeSink(acts=[half]))
    async with bench.running():
        offered = bench.offer(4)
        await anyio.sleep(30)

    assert bench.sink.batches == [offered, [offered[0], offered[2]]]
    assert bench.ledger.totals["recorded"] == 4
    assert bench.delivery.statistics().state == "closed"


async def test_a_batch_of_which_everything_is_to_be_tried_again_counts_as_a_failure() -> None:
    bench = Bench(FakeSink(acts=[again] * 5), backoff=5)
    async with bench.running():
        bench.offer(4)
        await anyio.sleep(20)
        state = bench.delivery.statistics().state
        await anyio.sleep(200)

    assert state == "dropped"
    assert bench.ledger.totals["recorded"] == 4


def refusing(*numbers: int, field: str = "expvar.count", without_salvage: bool = False) -> Act:
    """Refuse some documents, by their numbers; also when they come without the field, unless that will do."""

    def judge(batch: Sequence[Container]) -> list[Verdict]:
        refused = Verdict(Outcome.REFUSED, "400 document_parsing_exception", "not a number", field)
        return [
            refused
            if int(each.id[-6:]) in numbers and (without_salvage or b'"expvar.count"' in each.document)
            else RECORDED
            for each in batch
        ]

    return judge


async def test_refused_documents_are_counted_by_reason_said_once_and_cost_nothing_else() -> None:
    bench = Bench(FakeSink(acts=[refusing(1, 4, without_salvage=True)] * 20), batch={"count": 3})
    async with bench.running():
        bench.offer(6)
        await anyio.sleep(5)

    assert dict(bench.ledger.refused) == {"400 document_parsing_exception": 2}
    assert bench.ledger.totals["recorded"] == 4
    assert bench.log.said().count("document refused") == 1
    bench.check()


async def test_a_document_refused_for_one_field_is_recorded_without_it() -> None:
    bench = Bench(FakeSink(acts=[refusing(1)] * 20), batch={"count": 3})
    async with bench.running():
        bench.offer(3)
        await anyio.sleep(5)

    assert (bench.ledger.totals["recorded"], bench.ledger.totals["salvaged"]) == (3, 1)
    salvaged = {container.id: container.document for container in bench.sink.recorded}["app-000001"]
    assert salvaged.endswith(b'"event.dataset":"expvar","expvar_refused":["expvar.count=1"]}')
    bench.check()


async def test_a_field_refused_in_three_batches_is_taken_out_beforehand() -> None:
    bench = Bench(FakeSink(acts=[refusing(*range(10))] * 20), batch={"count": 2})
    async with bench.running():
        for first in range(0, 10, 2):
            bench.offer(2, first=first)
            await anyio.sleep(2)

    assert len(bench.sink.batches) == 3 * 2 + 2, "the last two batches were sent once"
    assert bench.ledger.totals["salvaged"] == 10
    assert "field taken out beforehand" in bench.log.said("warning")
    bench.check()


async def test_a_destination_that_refuses_everything_of_two_readers_keeps_its_data() -> None:
    everything = refusing(*range(100), without_salvage=True)
    bench = Bench(FakeSink(acts=[everything] * 100), backoff=100)
    async with bench.running():
        for number in range(10):
            bench.delivery.offer(make_poll(make_container(number, "app")))
            bench.delivery.offer(make_poll(make_container(number, "other")))
        await anyio.sleep(400)
        refused, is_blocked = bench.ledger.refused.total(), bench.delivery.statistics().is_blocked
        bench.sink.acts = []
        await anyio.sleep(60)

    assert (refused, is_blocked) == (0, True)
    assert len(bench.sink.recorded) == bench.ledger.totals["recorded"] == 20
    bench.check()


async def test_documents_of_one_reader_that_are_all_refused_are_given_up() -> None:
    bench = Bench(FakeSink(acts=[refusing(*range(100), without_salvage=True)] * 100), backoff=100)
    async with bench.running():
        bench.offer(10)
        await anyio.sleep(400)

    assert bench.ledger.refused.total() == 10
    bench.check()


async def test_a_blocked_destination_keeps_its_data_is_said_once_and_retried_slowly() -> None:
    def opened(batch: Sequence[Container]) -> list[Verdict]:
        return [Verdict(Outcome.RECORDED, destination="index-1")] * len(batch)

    bench = Bench(FakeSink(acts=[blocked, blocked, opened]), retry={"initial": 1, "max": 30}, batch={"wait": 1})
    async with bench.running():
        offered = bench.offer(2)
        await anyio.sleep(200)

    assert [round(later - sooner) for sooner, later in itertools.pairwise(bench.sink.times)] == [30, 30]
    assert bench.sink.recorded == offered
    assert bench.log.said() == ["destination blocked", "destination open again"]
    assert bench.ledger.totals["blocked"] == 4


async def test_fresh_data_for_a_blocked_destination_does_not_make_it_be_asked_more_often() -> None:
    bench = Bench(FakeSink(acts=[blocked] * 100), retry={"initial": 1, "max": 30}, batch={"wait": 1})
    async with bench.running():
        for number in range(120):
            bench.offer(1, first=number)
            await anyio.sleep(1)

    assert len(bench.sink.batches) <= 8, "a slow start, and no more"
    assert bench.delivery.statistics().state == "closed"
    bench.check()


async def test_a_recorder_on_probation_whose_destination_is_blocked_is_well_itself() -> None:
    bench = Bench(FakeSink(acts=[RecorderLost("gone"), blocked]), retry={"initial": 1, "max": 30})
    async with bench.running():
        offered = bench.offer(300)
        await anyio.sleep(10)
        state = bench.delivery.statistics().state
        await anyio.sleep(100)

    assert state == "closed"
    assert len(bench.sink.batches) <= 8, "a slow start, and no more"
    assert {container.id for container in bench.sink.recorded} == {container.id for container in offered}


async def test_closing_does_not_hammer_a_busy_destination() -> None:
    def one_of_many(batch: Sequence[Container]) -> list[Verdict]:
        return [RECORDED, *again(batch[1:])]

    bench = Bench(FakeSink(acts=[one_of_many] * 1_000))
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.offer(500)
        bench.delivery.close()
        await anyio.sleep(5)
        group.cancel_scope.cancel()

    assert 10 <= len(bench.sink.batches) <= 60


async def test_a_known_id_is_a_conflict_at_the_first_try_and_a_duplicate_after_it() -> None:
    bench = Bench(FakeSink(acts=[lambda batch: [DUPLICATE] * len(batch), DOWN, lambda batch: [DUPLICATE] * len(batch)]))
    async with bench.running():
        bench.offer(2)
        await anyio.sleep(5)
        bench.offer(3, first=2)
        await anyio.sleep(30)

    assert (bench.ledger.totals["conflicts"], bench.ledger.totals["duplicates"], bench.ledger.totals["recorded"]) == (
        2,
        3,
        5,
    )
    assert "id was there already at the first try" in bench.log.said("warning")


async def test_a_known_id_in_a_shared_destination_is_no_alarm() -> None:
    bench = Bench(FakeSink(acts=[lambda batch: [DUPLICATE] * len(batch)]), shares=True)
    bench.offer(2)
    await bench.drained()

    assert (bench.ledger.totals["shared"], bench.ledger.totals["conflicts"], bench.ledger.totals["recorded"]) == (
        2,
        0,
        2,
    )
    assert bench.log.said() == []


async def test_a_recorder_that_answers_for_another_number_of_containers_has_settled_nothing() -> None:
    bench = Bench(FakeSink(acts=[[RECORDED]]))
    offered = bench.offer(3)
    await bench.drained()

    assert bench.sink.batches == [offered, offered]


async def test_a_recorders_bug_costs_a_try_and_no_data() -> None:
    bench = Bench(FakeSink(acts=[ZeroDivisionError("oops")]))
    offered = bench.offer(3)
    await bench.drained()

    assert bench.sink.recorded == offered
    assert "unexpected ZeroDivisionError: oops" in bench.delivery.statistics().last_error


async def test_a_full_buffer_sheds_says_so_once_and_says_when_it_ends() -> None:
    weight = make_container().weight
    bench = Bench(FakeSink(acts=[FOREVER, DOWN]), max_bytes=10 * weight, timeout=30, batch={"count": 2})
    async with bench.running():
        offered = bench.offer(50)
        await anyio.sleep(300)

    kept = {container.id for container in bench.sink.recorded}
    assert len(kept) == 50 - bench.ledger.shed["full"]
    assert kept == {container.id for container in offered[-len(kept) :]}, "the newest are kept"
    assert len(kept) in (9, 10)
    assert bench.log.said("error", "warning").count("shedding") == 1
    assert "shedding ended" in bench.log.said()
    bench.check()


async def test_each_time_of_shedding_is_said() -> None:
    weight = make_container().weight
    bench = Bench(FakeSink(), max_bytes=5 * weight, backoff=100)
    async with bench.running():
        for _ in range(2):
            bench.sink.acts = [DOWN] * 4
            bench.offer(6)
            await anyio.sleep(60)
            bench.offer(1)
            await anyio.sleep(60)

    assert [event for event in bench.log.said() if event.startswith("shedding")] == ["shedding", "shedding ended"] * 2


async def test_what_is_too_old_is_shed_while_the_recorder_is_away() -> None:
    bench = Bench(FakeSink(acts=[RecorderLost("gone")], entries=[None, *[DOWN] * 100]), max_age=60)
    async with bench.running():
        for number in range(100):
            bench.offer(1, first=number)
            await anyio.sleep(1)

    assert bench.ledger.shed["expired"] == pytest.approx(40, abs=2)
    bench.check()


async def test_closing_delivers_what_waits_without_waiting_for_more() -> None:
    bench = Bench(batch={"wait": 3_600})
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        await anyio.sleep(1)
        offered = bench.offer(3)
        started = anyio.current_time()
        bench.delivery.close()

    assert anyio.current_time() - started < 0.1
    assert bench.sink.recorded == offered
    assert bench.delivery.end() == Left(lost=0, kept=0)


async def test_closing_ends_a_long_pause_and_tries_again() -> None:
    bench = Bench(FakeSink(acts=[DOWN] * 8), backoff=5)
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        offered = bench.offer(3)
        await anyio.sleep(20)
        started = anyio.current_time()
        bench.delivery.close()

    assert anyio.current_time() - started < 3
    assert bench.sink.recorded == offered


async def test_what_cannot_be_delivered_in_the_grace_period_is_counted_as_lost() -> None:
    bench = Bench(FakeSink(acts=[FOREVER]))
    async with anyio.create_task_group() as group:
        group.start_soon(bench.delivery.run)
        bench.offer(5)
        await anyio.sleep(2)
        bench.offer(2, first=5)
        bench.delivery.close()
        await anyio.sleep(5)
        group.cancel_scope.cancel()

    assert bench.delivery.end() == Left(lost=7, kept=0)
    assert dict(bench.ledger.shed) == {"lost_at_exit": 7}
    assert bench.sink.left == bench.sink.entered == 1
    bench.check()


async def test_no_container_is_lost_or_doubled_under_random_trouble() -> None:
    """The law by identity, over a script of every kind of trouble."""
    import random

    for seed in range(20):
        draw = random.Random(seed)
        kinds = [DOWN, RecorderLost("x"), FOREVER, again, blocked, [RECORDED], ZeroDivisionError(), 0.5]
        sink = FakeSink(
            acts=draw.choices(kinds, k=40), entries=[draw.choice([None, None, DOWN, FOREVER]) for _ in range(20)]
        )
        bench = Bench(sink, backoff=4, timeout=10, batch={"count": 7})
        offered = []
        async with bench.running():
            for number in range(200):
                offered += bench.offer(1, first=number)
                await anyio.sleep(draw.random())
                bench.check()
            await anyio.sleep(5_000)

        ids = [container.id for container in sink.recorded]
        assert sorted(ids) == [container.id for container in offered]
        assert bench.ledger.totals["recorded"] == 200


async def test_a_backlog_is_brought_by_more_and_more_batches_at_once() -> None:
    bench = Bench(FakeSink(acts=[1.0] * 100), is_wide=True, batch={"count": 10, "newest_every": 0})
    bench.offer(400)
    started = anyio.current_time()
    await bench.drained()

    assert bench.sink.most_under_way == 4
    assert bench.sink.times[0] == bench.sink.times[1] - 1.0 == started, "one to begin with"
    assert anyio.current_time() - started < 16, "40 batches of a second each"
    assert len(bench.sink.recorded) == 400


async def test_of_several_batches_that_fail_at_once_one_counts() -> None:
    acts: list[Act] = [1.0] * 30
    bench = Bench(FakeSink(acts=acts), is_wide=True, batch={"count": 10, "newest_every": 0}, timeout=5, backoff=3)
    async with bench.running():
        bench.offer(1_000)
        await anyio.sleep(8.5)
        bench.sink.acts = [FOREVER] * 4
        await anyio.sleep(6)
        after = bench.delivery.statistics()
        await anyio.sleep(100)

    assert (after.state, after.failures, after.lanes) == ("failing", 4, 1)
    assert len(bench.sink.recorded) == 1_000
    bench.check()


async def test_a_busy_destination_gets_half_as_many_batches_at_once() -> None:
    def half_again(batch: Sequence[Container]) -> list[Verdict]:
        return [RECORDED if number % 2 else Verdict(Outcome.AGAIN, "429") for number in range(len(batch))]

    bench = Bench(FakeSink(acts=[1.0] * 12), is_wide=True, batch={"count": 10, "newest_every": 0})
    async with bench.running():
        bench.offer(2_000)
        await anyio.sleep(3.5)
        before = bench.delivery.statistics().lanes
        bench.sink.acts = [half_again]
        await anyio.sleep(0.6)
        after = bench.delivery.statistics().lanes

    assert (before, after) == (4, 2)


async def test_what_is_in_doubt_is_asked_for_before_it_is_sent_again() -> None:
    sink = FakeSink(acts=[RecordError("no answer")])
    sink.found = {"app-000001"}
    bench = Bench(sink, is_wide=True)
    async with bench.running():
        bench.offer(3)
        await anyio.sleep(60)

    assert sink.asked == [["app-000000", "app-000001", "app-000002"]]
    assert [container.id for container in sink.recorded] == ["app-000000", "app-000002"]
    assert (bench.ledger.totals["duplicates"], bench.ledger.totals["recorded"]) == (1, 3)


async def test_what_was_certainly_not_recorded_is_not_asked_for() -> None:
    bench = Bench(FakeSink(acts=[RecordError("connection refused", in_doubt=False), again]), is_wide=True)
    async with bench.running():
        bench.offer(3)
        await anyio.sleep(60)

    assert bench.sink.asked == []
    assert len(bench.sink.recorded) == 3


async def test_nothing_in_doubt_is_sent_while_the_answer_is_missing() -> None:
    sink = FakeSink(acts=[RecordError("no answer")])
    sink.found = RecordError("search failed")
    bench = Bench(sink, is_wide=True, backoff=100)
    async with bench.running():
        bench.offer(3)
        await anyio.sleep(60)
        batches = len(sink.batches)
        sink.found = set()
        await anyio.sleep(60)

    assert batches == 1
    assert len(sink.recorded) == 3


async def test_while_a_backlog_drains_every_fourth_batch_has_the_newest() -> None:
    bench = Bench(batch={"count": 10})
    bench.offer(100)
    await bench.drained()

    firsts = [batch[0].id for batch in bench.sink.batches]
    assert firsts[:4] == ["app-000000", "app-000010", "app-000020", "app-000090"]
    assert sorted(container.id for container in bench.sink.recorded) == [f"app-{number:06d}" for number in range(100)]


async def test_a_delivery_that_is_held_brings_nothing_and_says_why_once() -> None:
    bench = Bench()
    bench.delivery.held = "its buffer holds data for another destination"
    async with bench.running():
        bench.offer(3)
        await anyio.sleep(100)
        state = bench.delivery.statistics()

    assert (bench.sink.batches, state.state, state.waiting) == ([], "held", 3)
    assert bench.log.said("error") == ["recorder waits"]
