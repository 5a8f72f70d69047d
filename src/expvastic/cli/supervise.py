"""``run`` with several workers: the supervising process, and how all of it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import anyio

from .. import logs
from ..config import Config, for_workers
from ..state import make_shards
from ..workers.supervisor import Outcome, Supervisor
from . import DONE, LOST

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def supervise(common: Config, count: int) -> int:
    """Run so many workers until stopped. Raises ConfigError where they cannot share the configuration."""
    config = for_workers(common, count)
    settings = config.settings
    logs.configure(settings.log_level, settings.log_format, config.secrets, shares=True)
    if settings.state_dir is not None:
        make_shards(Path(settings.state_dir))  # so that what is wrong with it is said once
    return anyio.run(_serve, Supervisor(config, count), settings.grace, logs.logger())


async def _serve(supervisor: Supervisor, grace: float, log: FilteringBoundLogger) -> NoReturn:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, partial(_stop, supervisor, number, grace, log))
    code = _exit_code(await supervisor.run(), log)
    logs.flush()
    os._exit(code)


def _stop(supervisor: Supervisor, number: int, grace: float, log: FilteringBoundLogger) -> None:
    """The first signal lets the workers deliver what they have; any further one ends all of them at once."""
    loop = asyncio.get_running_loop()
    for again in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(again, partial(_leave, supervisor, again))
    log.info("stopping", signal=signal.Signals(number).name, grace=grace)
    supervisor.stop()


def _leave(supervisor: Supervisor, number: int) -> None:
    supervisor.kill()
    os._exit(128 + number)


def _exit_code(outcome: Outcome, log: FilteringBoundLogger) -> int:
    """The worst of the workers' codes: that of one that never came up, else what was lost decides."""
    if outcome.lost or outcome.is_doubtful:
        words = {"at_least": outcome.lost} if outcome.is_doubtful else {"containers": outcome.lost}
        log.error("undelivered data lost with the memory", **words)
    if outcome.kept:
        log.info("undelivered data kept in state_dir", containers=outcome.kept)
    if outcome.failure is not None:  # of which it said why
        return outcome.failure
    log.info("stopped", lost=outcome.lost, kept=outcome.kept)
    return LOST if outcome.lost or outcome.is_doubtful else DONE
