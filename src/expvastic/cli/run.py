"""``run`` and ``once``: the pipeline at work, and how it ends."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib.util
import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import anyio
import msgspec.structs

from .. import logs
from ..config import Config, count_workers, take_share
from ..errors import Complaint
from ..pipeline import Pipeline, Result
from .source import common_configuration
from .starting import undisturbed

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from ..shards import Shard
    from ..state import State
    from ..surplus import Surplus


# Polls leave no garbage behind that has to be looked for; what a failure leaves may lie for a while.
COLLECTED_AFTER = (10_000, 20, 50)


def main(options: argparse.Namespace) -> int:
    """Run until stopped (``run``) or until every reader was polled once (``once``)."""
    with contextlib.ExitStack() as stack:
        with undisturbed():
            common = common_configuration(options)
            count = _count_workers(options, common)
            pipeline = _make(options, common, stack) if count == 1 else None
        if pipeline is None:
            from .supervise import supervise

            return supervise(common, count)
        return _run(pipeline, options, logs.logger())


def loop_options() -> dict[str, bool]:
    """What anyio is to know of the event loop."""
    return {"use_uvloop": importlib.util.find_spec("uvloop") is not None}


def open_state(common: Config, config: Config, *, patience: float | None = None) -> State | None:
    """The state directory of one process, if there is to be one. Raises StateError."""
    if common.settings.state_dir is None or config.settings.state_dir is None:
        return None
    from ..state import PATIENCE, State, make_shards

    if config.shard:
        make_shards(Path(common.settings.state_dir))
    return State.open(Path(config.settings.state_dir), patience=PATIENCE if patience is None else patience)


def surplus_of(common: Config, config: Config) -> Surplus:
    """What a process with a state directory sees to besides."""
    from ..surplus import Surplus

    return Surplus(Path(common.settings.state_dir or ""), config.shard, partial(take_share, common))


def _remark_on_shard(config: Config, shard: Shard | None) -> Config:
    """Say that nobody starts workers where this process is told to be one of several."""
    if shard is None or not isinstance(config.settings.workers, int) or config.settings.workers == 1:
        return config
    words = "does nothing with --shard, for this process is one of several; start more of them instead"
    return msgspec.structs.replace(config, remarks=(*config.remarks, Complaint("settings.workers", words)))


def _count_workers(options: argparse.Namespace, common: Config) -> int:
    """How many processes this one is to start; one is this one."""
    return 1 if options.command == "once" or options.shard else count_workers(common)


def _make(options: argparse.Namespace, common: Config, stack: contextlib.ExitStack) -> Pipeline:
    """The pipeline of a command line; the stack gives its state directory back."""
    config = _remark_on_shard(take_share(common, options.shard), options.shard)
    logs.configure(config.settings.log_level, config.settings.log_format, config.secrets, when_said=True)
    if options.command == "once":
        return Pipeline(config, ticks=1)
    state = open_state(common, config)
    if state is None:
        return Pipeline(config)
    return Pipeline(config, stack.enter_context(state), beside=surplus_of(common, config).run)


def _run(pipeline: Pipeline, options: argparse.Namespace, log: FilteringBoundLogger) -> int:
    is_once = options.command == "once"
    if options.config is None:
        polls = [engine.statistics().target for engine in pipeline.engines.values()]
        writes_to = [delivery.statistics().destination for delivery in pipeline.deliveries.values()]
        log.info("no file given", polls=polls[0] if polls else "nothing", writes_to=writes_to[0])
    return anyio.run(_serve, pipeline, is_once, log, backend_options=loop_options())


async def _serve(pipeline: Pipeline, is_once: bool, log: FilteringBoundLogger) -> NoReturn:
    gc.set_threshold(*COLLECTED_AFTER)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, partial(_stop, pipeline, number, log))
    result = await pipeline.run()
    code = _exit_code(result, is_once, log)
    # A thread may hang for good (in a name look-up, on a dead file system), and Python would wait for it: all that is
    # to be closed is closed, so leave without asking it.
    logs.flush()
    os._exit(code)


def _stop(pipeline: Pipeline, number: int, log: FilteringBoundLogger) -> None:
    """The first signal drains; any further one leaves at once."""
    loop = asyncio.get_running_loop()
    for again in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(again, partial(os._exit, 128 + again))
    log.info("stopping", signal=signal.Signals(number).name, grace=pipeline.config.settings.grace)
    pipeline.stop()


def _exit_code(result: Result, is_once: bool, log: FilteringBoundLogger) -> int:
    if result.lost:
        log.error("undelivered data lost with the memory", containers=result.lost)
    if result.kept:
        log.info("undelivered data kept in state_dir", containers=result.kept)
    log.info("stopped", lost=result.lost, kept=result.kept)
    if is_once:
        return 1 if result.shed or result.failed_polls or result.refused else 0
    return 3 if result.lost else 0
