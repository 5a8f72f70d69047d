"""Polls of a configuration's readers, for a look at what they publish."""

from __future__ import annotations

import argparse
import platform
import secrets
from typing import Any

import anyio

from .. import __version__
from ..config import ReaderPlan, find, load
from ..dashboards.published import Published
from ..document import Identity
from ..errors import Complaint, ConfigError, ExpvasticError, ReadError
from ..interpreter import Interpreter
from ..pages.decode import decode
from ..reader import Reader
from ..readers import READERS
from ..settings import parse_duration


def poll_readers(options: argparse.Namespace) -> tuple[Published, list[str]]:
    """What the readers of a configuration publish, and a line for each that could not be polled.

    expvastic's own readers are left out: the shipped dashboards show them. Raises ConfigError, and ExpvasticError if
    nothing could be polled.
    """
    config = load(find(options.config))
    plans = [config.readers[name] for name in config.engines if config.readers[name].type != "self"]
    if not plans:
        raise ExpvasticError(f"dashboard build: {config.source} polls nothing but expvastic itself")
    if options.polls < 2:
        raise ConfigError([Complaint("dashboard build --polls", "must be 2 or more, to see what grows")])
    published, failures = Published(), list[str]()
    anyio.run(_poll_all, plans, options.polls, _seconds(options.every), published, failures)
    if len(failures) == len(plans):
        raise ExpvasticError(f"dashboard build: {'; '.join(failures)}")
    return published, failures


async def _poll_all(
    plans: list[ReaderPlan], polls: int, pause: float, published: Published, failures: list[str]
) -> None:
    identity = Identity(secrets.token_hex(8), platform.node(), __version__)
    async with anyio.create_task_group() as group:
        for plan in plans:
            group.start_soon(_poll, plan, identity, polls, pause, published, failures)


async def _poll(
    plan: ReaderPlan, identity: Identity, polls: int, pause: float, published: Published, failures: list[str]
) -> None:
    reader: Reader[Any] = READERS[plan.type](plan.plugin, _no_snapshot)
    prefix = reader.prefix if plan.interpreter.prefix is None else plan.interpreter.prefix
    interpreter = Interpreter(
        plan.interpreter,
        identity,
        reader=plan.name,
        target=reader.target,
        prefix=prefix,
        interval=plan.engine.interval,
        go_runtime=reader.is_go,
        map_file=plan.map_file,
    )
    try:
        async with reader:
            for poll in range(polls):
                if poll:
                    await anyio.sleep(pause)
                with anyio.fail_after(plan.engine.timeout):
                    reading = await reader.read()
                for container in interpreter.interpret(reading):
                    published.see(container, decode(container.document), plan.interpreter.tags, prefix)
    except ReadError as error:
        failures.append(f"reader {plan.name}: {error}")
    except TimeoutError:
        failures.append(f"reader {plan.name}: {reader.target}: no complete answer within {plan.engine.timeout:g} s")


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError([Complaint("dashboard build --every", str(error))]) from None


def _no_snapshot() -> Any:
    raise AssertionError("a page has no use for our own state")
