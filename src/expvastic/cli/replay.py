"""``replay``: the output of a file recorder, sent to another recorder under the same ids."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import anyio
import anyio.to_thread
import msgspec.structs

from .. import logs
from ..assembly import make_delivery
from ..buffer import BufferSettings
from ..config import RecorderPlan
from ..datatypes import Container, Poll
from ..delivery import Delivery
from ..recorder import Recorder
from ..recorders import RECORDERS
from ..recorders.file import FileRecorder
from ..recorders.file.counting import ids_in_all
from .choice import configured_recorder, duration
from .feeding import Feed, without_waiting
from .flags import say
from .known import KnownIds
from .lines import Read, check_readable, pieces
from .source import configuration

_BUFFER = BufferSettings(type="memory", max_bytes=64 * 2**20, when_full="shed_newest")
_FILLED = 8 * 2**20  # bytes; some batches for every lane, and no more memory than needed
_PROGRESS = 0.2  # seconds
_CLOSE_LIMIT = 1.0  # seconds
_INTERRUPTED = 130
_POLL = "replay"  # the reader of what comes from files


def main(options: argparse.Namespace) -> int:
    """Send everything; 0 if all of it is recorded, now or before."""
    config = configuration(options)
    plan = configured_recorder(config, options.to, "replay --to")
    patience = duration(options.timeout, "replay --timeout")
    check_readable(options.files)
    logs.configure("error", config.settings.log_format, config.secrets)
    replay = Replay(plan, options.files, patience)
    try:
        anyio.run(replay.run)
    except KeyboardInterrupt:
        # A thread may wait for standard input for good, and Python would wait for it.
        replay.tell("interrupted; it is safe to run this again")
        logs.flush()
        os._exit(_INTERRUPTED)
    return replay.tell(replay.failure)


class Replay:
    """One run of the command. ``failure`` says why it ended before all was done."""

    def __init__(self, plan: RecorderPlan, names: Sequence[str], patience: float) -> None:
        self.failure = ""
        self._plan = plan
        self._names = names
        self._patience = patience
        self._read = Read()
        self._known: KnownIds | None = None
        self._there = 0  # that were not even sent
        self._delivery = self._make_delivery()

    async def run(self) -> None:
        """Read, deliver, and count."""
        self._known = await anyio.to_thread.run_sync(_known_ids, self._recorder())
        async with anyio.create_task_group() as group:
            group.start_soon(self._delivery.run)
            if sys.stderr.isatty():
                group.start_soon(self._show_progress)
            if not await self._send_all():
                self._give_up()
            self._delivery.close()
            group.cancel_scope.cancel()

    def tell(self, failure: str) -> int:
        """Say what became of everything; returns the exit code."""
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[K")
        for line in [*self._read.faults, *([failure] if failure else [])]:
            sys.stderr.write(f"expvastic: {logs.visible(line)}\n")
        say(self._summary())
        sys.stdout.flush()
        is_well = not (failure or self._read.faults or self._left or self._delivery.ledger.refused)
        return 0 if is_well else 1

    @property
    def _left(self) -> int:
        return self._delivery.buffer.waiting + self._delivery.buffer.out

    async def _send_all(self) -> bool:
        feed = Feed(self._delivery, limit=_FILLED, patience=self._patience)
        coming = pieces(self._names, self._plan.delivery.batch, self._read)
        while (piece := await anyio.to_thread.run_sync(_next, coming, abandon_on_cancel=True)) is not None:
            if not await feed.offer(Poll(_POLL, 0, self._not_there(piece))):
                return False
        return await feed.finish()

    def _not_there(self, piece: list[Container]) -> list[Container]:
        if self._known is None:
            return piece
        fresh = [container for container in piece if self._known.add(container.id)]
        self._there += len(piece) - len(fresh)
        return fresh

    def _give_up(self) -> None:
        error = self._delivery.statistics().last_error or "no answer"
        self.failure = (
            f"gave up on recorder {self._plan.name} after {self._patience:g} s without progress: {error}; "
            "not all was sent; it is safe to run this again"
        )

    async def _show_progress(self) -> None:
        while True:
            await anyio.sleep(_PROGRESS)
            sys.stderr.write(f"\x1b[K{self._summary()}\r")
            sys.stderr.flush()

    def _summary(self) -> str:
        ledger = self._delivery.ledger
        duplicates = ledger.totals["duplicates"]
        parts = [
            f"read {self._read.lines} lines: {ledger.totals['recorded'] - duplicates} recorded",
            f"{duplicates + self._there} there already",
            f"{ledger.refused.total()} refused{_reasons(ledger.refused)}",
            f"{self._read.bad} bad lines",
        ]
        parts += [f"{count} {words}" for count, words in self._besides() if count]
        return ", ".join(parts)

    def _besides(self) -> list[tuple[int, str]]:
        totals = self._delivery.ledger.totals
        return [
            (totals["salvaged"], "without refused fields"),
            (totals["failure_store"], "in the failure store"),
            (self._left, "not known to be recorded"),
        ]

    def _recorder(self) -> Recorder[Any]:
        return RECORDERS[self._plan.type](self._plan.plugin)

    def _make_delivery(self) -> Delivery:
        settings = without_waiting(self._plan.delivery).model_copy(update={"buffer": _BUFFER})
        plan = msgspec.structs.replace(self._plan, delivery=settings)
        return make_delivery(plan, _BUFFER, None, shares=False, close_limit=_CLOSE_LIMIT, wall=time.time, replays=True)


def _known_ids(recorder: Recorder[Any]) -> KnownIds | None:
    """What is in a file already, of which its recorder remembers the last lines only; None for all else."""
    if not isinstance(recorder, FileRecorder):
        return None
    known = KnownIds()
    for each in ids_in_all(recorder.destination):
        known.add(each)
    return known


def _next(coming: Any) -> list[Container] | None:
    piece: list[Container] | None = next(coming, None)
    return piece


def _reasons(refused: dict[str, int]) -> str:
    return f" ({', '.join(f'{count} x {reason}' for reason, count in refused.items())})" if refused else ""
