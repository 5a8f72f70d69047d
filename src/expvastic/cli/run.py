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

from .. import logs
from ..config import Config, take_share
from ..pipeline import Pipeline, Result
from .source import common_configuration
from .starting import undisturbed

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from ..state import State
    from ..surplus import Surplus


# Polls leave no garbage behind that has to be looked for; what a failure leaves may lie for a while.
_COLLECTED_AFTER = (10_000, 20, 50)


def main(options: argparse.Namespace) -> int:
    """Run until stopped (``run``) or until every reader was polled once (``once``)."""
    with contextlib.ExitStack() as stack:
        with undisturbed():
            pipeline = _make(options, stack)
        return _run(pipeline, options, logs.logger())


def _make(options: argparse.Namespace, stack: contextlib.ExitStack) -> Pipeline:
    """The pipeline of a command line; the stack gives its state directory back."""
    common = common_configuration(options)
    config = take_share(common, options.shard)
    logs.configure(config.settings.log_level, config.settings.log_format, config.secrets, when_said=True)
    if options.command == "once":
        return Pipeline(config, ticks=1)
    state = _open_state(common, config)
    if state is None:
        return Pipeline(config)
    return Pipeline(config, stack.enter_context(state), beside=_surplus(common, config).run)


def _open_state(common: Config, config: Config) -> State | None:
    if common.settings.state_dir is None or config.settings.state_dir is None:
        return None
    from ..state import State, make_shards

    if config.shard:
        make_shards(Path(common.settings.state_dir))
    return State.open(Path(config.settings.state_dir))


def _surplus(common: Config, config: Config) -> Surplus:
    from ..surplus import Surplus

    return Surplus(Path(common.settings.state_dir or ""), config.shard, partial(take_share, common))


def _run(pipeline: Pipeline, options: argparse.Namespace, log: FilteringBoundLogger) -> int:
    is_once = options.command == "once"
    if options.config is None:
        polls = [engine.statistics().target for engine in pipeline.engines.values()]
        writes_to = [delivery.statistics().destination for delivery in pipeline.deliveries.values()]
        log.info("no file given", polls=polls[0] if polls else "nothing", writes_to=writes_to[0])
    uvloop = importlib.util.find_spec("uvloop") is not None
    return anyio.run(_serve, pipeline, is_once, log, backend_options={"use_uvloop": uvloop})


async def _serve(pipeline: Pipeline, is_once: bool, log: FilteringBoundLogger) -> NoReturn:
    gc.set_threshold(*_COLLECTED_AFTER)
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
