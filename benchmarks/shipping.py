"""What a shipped document costs, beside the official client's own helper in the same run.

python benchmarks/shipping.py --batch 100 --seconds 4

Both go to the same sink without gzip: the helper over httpx, the recorder over its own connection. The helper gets
dictionaries, as its users give it; the recorder and the delivery get containers, as an engine gives them. Only the
ratios travel from machine to machine.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec
from measuring import go_parts

from expvastic.buffer import BatchSettings, BufferSettings, Record
from expvastic.buffers.memory import MemoryBuffer
from expvastic.datatypes import Container, Kind, Poll
from expvastic.delivery import Delivery, DeliverySettings
from expvastic.logs import logger
from expvastic.outcomes.ledger import Ledger
from expvastic.recorders.elasticsearch import ElasticsearchRecorder
from expvastic.recorders.elasticsearch.settings import ElasticsearchSettings

INDEX = "metrics-bench-default"
VALUES = 63  # as many as a Go program's page has without its arrays
READERS = 100
Ship = Callable[[list[Container]], Awaitable[object]]
_ids = itertools.count()


def document(number: int) -> dict[str, Any]:
    """About 2 KB, as those of a Go program."""
    values = {f"expvar.memstats.SomeCounter{place:02}": 1_000_003 * number + place for place in range(VALUES)}
    return {"@timestamp": datetime.now(UTC).isoformat(), "service.name": "bench", **values}


def containers(count: int) -> list[Container]:
    """A batch that nobody has seen before."""
    made = []
    for number in range(count):
        values = document(number)
        made.append(
            Container(
                f"{time.time_ns():x}-{next(_ids):x}",
                time.time_ns() // 1000,
                f"reader-{number % READERS}",
                msgspec.json.encode(values),
                bytes([Kind.INTEGER]) * VALUES,
            )
        )
    return made


async def cost(ship: Ship, options: argparse.Namespace) -> float:
    """Microseconds of CPU per document."""
    spent = shipped = 0.0
    deadline = time.monotonic() + options.seconds
    await ship(containers(options.batch))
    while time.monotonic() < deadline:
        batches = [containers(options.batch) for _ in range(20)]
        began = time.process_time()
        for batch in batches:
            await ship(batch)
        spent += time.process_time() - began
        shipped += sum(map(len, batches))
    return spent / shipped * 1e6


async def by_helper(options: argparse.Namespace) -> float:
    """The official client's."""
    from elasticsearch import AsyncElasticsearch
    from elasticsearch.helpers import async_bulk

    sources: dict[str, dict[str, Any]] = {}

    async def ship(batch: list[Container]) -> None:
        actions = [
            {"_op_type": "create", "_index": INDEX, "_id": each.id, "_source": sources[each.id]} for each in batch
        ]
        await async_bulk(client, actions, chunk_size=len(batch))

    async def prepare_and_ship(batch: list[Container]) -> None:
        sources.update((each.id, msgspec.json.decode(each.document)) for each in batch)
        await ship(batch)

    async with AsyncElasticsearch(f"http://127.0.0.1:{go_parts.SINK}", node_class="httpxasync") as client:
        whole = await cost(prepare_and_ship, options)
        preparing = await cost(_decode, options)
    return whole - preparing


async def _decode(batch: list[Container]) -> None:
    _ = [msgspec.json.decode(each.document) for each in batch]


async def by_recorder(options: argparse.Namespace) -> float:
    """A recorder alone."""
    async with recorder() as entered:
        return await cost(entered.record, options)


class Watched(MemoryBuffer):
    """Tells when everything is settled."""

    is_empty = anyio.Event()

    def settle(self, records: Iterable[Record]) -> None:
        super().settle(records)
        if not self.waiting and not self.out:
            self.is_empty.set()


async def by_delivery(options: argparse.Namespace) -> float:
    """All of the way from the offer to the books, polls of one container each."""
    ledger = Ledger()
    settings = DeliverySettings(batch=BatchSettings(count=options.batch))
    buffer = Watched(BufferSettings(max_bytes=2**28), ledger)
    delivery = Delivery("bench", "elasticsearch", recorder, buffer, ledger, settings, logger())
    numbers = itertools.count(1)

    async def ship(batch: list[Container]) -> None:
        for container in batch:
            delivery.offer(Poll(container.reader, next(numbers), (container,)))
        await buffer.is_empty.wait()
        buffer.is_empty = anyio.Event()

    async with anyio.create_task_group() as group:
        group.start_soon(delivery.run)
        spent = await cost(ship, options)
        group.cancel_scope.cancel()
    assert ledger.totals["recorded"] == ledger.totals["offered"]
    return spent


def recorder() -> ElasticsearchRecorder:
    address = f"http://127.0.0.1:{go_parts.SINK}"
    return ElasticsearchRecorder(
        ElasticsearchSettings.model_validate({"endpoint": address, "index_name": INDEX, "compress": False})
    )


async def measure(options: argparse.Namespace) -> None:
    ways = {"helpers.async_bulk": by_helper, "recorder": by_recorder, "whole delivery": by_delivery}
    baseline = 0.0
    for name, way in ways.items():
        spent = await way(options)
        baseline = baseline or spent
        print(f"{name:>20}: {spent:6.1f} µs CPU per document, ratio {spent / baseline:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=100, help="documents of a request")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row")
    parser.add_argument("--helper-cores", default="0", help="of the sink")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        go_parts.build(Path(folder))
        with go_parts.sink(Path(folder), options.helper_cores) as sink:
            go_parts.await_answer(go_parts.SINK, "/stats", sink)
            anyio.run(measure, options)


if __name__ == "__main__":
    main()
