"""``check``: the plan of a configuration; whether its ends can be reached; whether what was recorded is there."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from .. import logs
from ..buffer import BatchSettings
from ..clients.paths import why_httpx
from ..clients.target import TargetSettings
from ..config import Config, ReaderPlan, RecorderPlan, count_workers, for_workers, take_share
from ..datatypes import Container
from ..delivery import Delivery
from ..engine import Engine
from ..errors import RecordError
from ..logs import visible
from ..pipeline import Pipeline
from ..recorder import Provisioned
from ..recorders import RECORDERS
from ..shards import Shard
from .flags import say
from .ledger import compare_ledgers
from .preflight import inspect_all
from .source import all_shares, common_configuration, do_for_all

_Part = TypeVar("_Part")
_MANY = BatchSettings(count=10_000, bytes=15_000_000)


def main(options: argparse.Namespace) -> int:
    """Print the plan, or compare the ledger; 0 if all is well, 1 if something cannot be reached, or differs."""
    common = common_configuration(options)
    logs.configure("error", common.settings.log_format, common.secrets)
    if options.ledger:
        return do_for_all(all_shares(options), compare_ledgers)
    count = 1 if options.shard else count_workers(common)
    if count > 1:
        common = for_workers(common, count)
    config = take_share(common, options.shard)
    shares = [config] if count == 1 else [take_share(common, Shard(number, count)) for number in range(count)]
    pipeline = Pipeline(config, ticks=1)
    for line in _plan(config, pipeline, shares):
        say(visible(line))
    if not options.connect:
        return 0
    return 0 if anyio.run(_connect, pipeline) else 1


def _plan(config: Config, pipeline: Pipeline, shares: Sequence[Config]) -> list[str]:
    lines = [str(remark) for remark in config.remarks]
    for name, recorders in config.polled.items():
        plan = config.readers[name]
        target = pipeline.engines[name].statistics().target or "this process"
        every = f"every {plan.engine.interval:g} s"
        lines.append(f"reader {name}: {plan.type} {target} {every}{_way(plan)} -> {', '.join(recorders)}")
    for name, delivery in pipeline.deliveries.items():
        plans = [share.recorders[name] for share in shares]
        places = dict.fromkeys(RECORDERS[plan.type](plan.plugin).destination for plan in plans)
        lines.append(f"recorder {name}: {delivery.statistics().type} {', '.join(places)}{_outlook(plans[0])}")
    if len(shares) > 1:
        counts = ", ".join(str(len(share.polled)) for share in shares)
        lines.append(f"{len(shares)} workers, with {counts} readers")
    counts = f"{_count(len(pipeline.engines), 'engine')}, {_count(len(pipeline.deliveries), 'recorder')}"
    return [*lines, f"{config.source}: valid; {counts}"]


def _way(plan: ReaderPlan) -> str:
    """How a page is fetched where that is not the lean way."""
    if not isinstance(plan.plugin, TargetSettings):
        return ""
    reason = why_httpx(plan.plugin, getattr(plan.plugin, "method", "GET"))
    return f" over httpx ({reason})" if reason else ""


def _outlook(plan: RecorderPlan) -> str:
    """What the destination is going to be, where that is a question."""
    recorder = RECORDERS[plan.type](plan.plugin)
    return f", {recorder.outlook}" if isinstance(recorder, Provisioned) else ""


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


async def _connect(pipeline: Pipeline) -> bool:
    """Poll every reader and contact every recorder, at the same time; one line each as it is done."""
    results: dict[str, bool] = {}
    async with anyio.create_task_group() as group:
        for engine in pipeline.engines.values():
            group.start_soon(_try, f"reader {engine.name}", _poll, engine, results)
        for delivery in pipeline.deliveries.values():
            group.start_soon(_try, f"recorder {delivery.name}", _contact, delivery, results)
    reached = {name: batch for name, batch in _polled(pipeline).items() if results[f"recorder {name}"]}
    return await inspect_all(pipeline.config.recorders, reached) and all(results.values())


def _polled(pipeline: Pipeline) -> dict[str, list[Container]]:
    """What waits for each recorder, which nobody is going to deliver."""
    return {
        name: [record.container for record in delivery.buffer.take(_MANY, math.inf)]
        for name, delivery in pipeline.deliveries.items()
    }


async def _try(
    what: str, attempt: Callable[[_Part], Awaitable[tuple[bool, str]]], part: _Part, results: dict[str, bool]
) -> None:
    started = time.perf_counter()
    is_well, words = await attempt(part)
    results[what] = is_well
    took = (time.perf_counter() - started) * 1e3
    say(visible(f"{what}: {'ok' if is_well else 'FAILED'} in {took:.0f} ms, {words}"))


async def _poll(engine: Engine) -> tuple[bool, str]:
    values = await engine.poll_once()
    numbers = engine.statistics()
    return not numbers.failures, numbers.last_error or f"{values} values"


async def _contact(delivery: Delivery) -> tuple[bool, str]:
    try:
        await delivery.contact()
    except RecordError as error:
        return False, str(error)
    return True, delivery.statistics().destination
