"""A worker at work: the pipeline of one share, told and asked by the process that started it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from typing import NoReturn

import anyio

from .. import logs
from ..config import take_share
from ..pipeline import Pipeline
from ..shards import Shard
from ..surplus import Surplus
from ..workers.messages import Ending
from ..workers.supervised import Supervised
from . import DONE, LOST
from .run import COLLECTED_AFTER, loop_options, open_state, surplus_of
from .starting import undisturbed

_PREDECESSORS = 2.0  # seconds beyond the grace period until a worker whose supervisor was killed is gone as well


def main(shard: Shard, descriptor: int) -> int:
    """Work until told to end."""
    with contextlib.ExitStack() as stack:
        with undisturbed():
            supervised = stack.enter_context(contextlib.closing(Supervised(descriptor)))
            pipeline = _make(supervised, shard, stack)
        return anyio.run(_serve, pipeline, supervised, backend_options=loop_options())


def _make(supervised: Supervised, shard: Shard, stack: contextlib.ExitStack) -> Pipeline:
    common = supervised.take_config()
    config = take_share(common, shard)
    settings = config.settings
    logs.configure(settings.log_level, settings.log_format, config.secrets, shares=True, worker=shard.number)
    supervised.end_without_supervisor(settings.grace + _PREDECESSORS)
    state = open_state(common, config, patience=settings.grace + 2 * _PREDECESSORS)
    if state:
        stack.enter_context(state)
    surplus = surplus_of(common, config) if state else None

    async def beside() -> None:
        await _beside(supervised, pipeline, surplus)

    pipeline = Pipeline(config, state, beside=beside, told_of=True)
    return pipeline


async def _beside(supervised: Supervised, pipeline: Pipeline, surplus: Surplus | None) -> None:
    async with anyio.create_task_group() as group:
        if surplus:
            group.start_soon(surplus.run)
        await supervised.serve(pipeline.snapshot, pipeline.stop)


async def _serve(pipeline: Pipeline, supervised: Supervised) -> NoReturn:
    """Run to the end. Signals come from the supervisor's service manager, too: none says more than its word does."""
    gc.set_threshold(*COLLECTED_AFTER)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, pipeline.stop)
    result = await pipeline.run()
    supervised.tell_end(pipeline.snapshot(), Ending(result.lost, result.kept))
    logs.flush()
    os._exit(LOST if result.lost else DONE)
