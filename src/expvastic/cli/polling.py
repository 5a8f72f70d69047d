"""Polls of a configuration's readers, for a look at what they publish."""

from __future__ import annotations

import argparse
import platform
import secrets
from dataclasses import dataclass, field
from typing import Any

import anyio

from .. import __version__
from ..config import ReaderPlan, find, load
from ..dashboards.published import Published
from ..datatypes import Container
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
    polled = [_Polled(plan) for plan in plans]
    anyio.run(_poll_all, polled, options.polls, _seconds(options.every))
    failures = [f"reader {each.plan.name}: {each.failure}" for each in polled if each.failure]
    if len(failures) == len(plans):
        raise ExpvasticError(f"dashboard build: {'; '.join(failures)}")
    published = Published()
    for each in polled:
        for container in each.containers:
            published.see(container, decode(container.document), each.plan.interpreter.tags, each.prefix)
    return published, failures


@dataclass(slots=True)
class _Polled:
    """A reader's plan and what came of it."""

    plan: ReaderPlan
    prefix: str = ""
    containers: list[Container] = field(default_factory=list)
    failure: str = ""


async def _poll_all(polled: list[_Polled], polls: int, pause: float) -> None:
    identity = Identity(secrets.token_hex(8), platform.node(), __version__)
    async with anyio.create_task_group() as group:
        for each in polled:
            group.start_soon(_poll, each, identity, polls, pause)


async def _poll(polled: _Polled, identity: Identity, polls: int, pause: float) -> None:
    plan = polled.plan
    reader: Reader[Any] = READERS[plan.type](plan.plugin, _no_snapshot)
    polled.prefix = reader.prefix if plan.interpreter.prefix is None else plan.interpreter.prefix
    interpreter = Interpreter(
        plan.interpreter,
        identity,
        reader=plan.name,
        target=reader.target,
        prefix=polled.prefix,
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
                    polled.containers += interpreter.interpret(await reader.read())
    except ReadError as error:
        polled.failure = str(error)
    except TimeoutError:
        polled.failure = f"{reader.target}: no complete answer within {plan.engine.timeout:g} s"


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError([Complaint("dashboard build --every", str(error))]) from None


def _no_snapshot() -> Any:
    raise AssertionError("a page has no use for our own state")
