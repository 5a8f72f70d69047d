"""``run`` and ``once``: the pipeline at work, and how it ends."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib.util
import math
import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import anyio

from .. import logs
from ..config import Config
from ..pipeline import Pipeline, Result
from ..state import State
from .source import configuration

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


# Polls leave no garbage behind that has to be looked for; what a failure leaves may lie for a while.
_COLLECTED_AFTER = (10_000, 20, 50)


def main(options: argparse.Namespace) -> int:
    """Run until stopped (``run``) or until every reader was polled once (``once``)."""
    gc.disable()  # all that is made before the start is there to stay
    try:
        return _main(options)
    finally:
        gc.enable()


def _main(options: argparse.Namespace) -> int:
    config = configuration(options)
    logs.configure(config.settings.log_level, config.settings.log_format, config.secrets)
    log = logs.logger()
    is_once = options.command == "once"
    with contextlib.ExitStack() as stack:
        path = config.settings.state_dir
        state = stack.enter_context(State.open(Path(path))) if path and not is_once else None
        return _run(config, state, options, log)


def _run(config: Config, state: State | None, options: argparse.Namespace, log: FilteringBoundLogger) -> int:
    is_once = options.command == "once"
    pipeline = Pipeline(config, state, ticks=1 if is_once else math.inf)
    if options.config is None:
        polls = [engine.statistics().target for engine in pipeline.engines.values()]
        writes_to = [delivery.statistics().destination for delivery in pipeline.deliveries.values()]
        log.info("no file given", polls=polls[0], writes_to=writes_to[0])
    uvloop = importlib.util.find_spec("uvloop") is not None
    return anyio.run(_serve, pipeline, is_once, log, backend_options={"use_uvloop": uvloop})


async def _serve(pipeline: Pipeline, is_once: bool, log: FilteringBoundLogger) -> NoReturn:
    gc.freeze()  # none of it is looked at again
    gc.set_threshold(*_COLLECTED_AFTER)
    gc.enable()
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
