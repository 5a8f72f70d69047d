"""``buffer replay``: what a recorder refused is offered to it once more, by way of its buffer on disk."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence

import anyio
import msgspec.structs

from ..assembly import make_delivery, routed_recorders
from ..buffer import DISK_BYTES, BufferSettings
from ..config import Config, RecorderPlan
from ..datatypes import Container, Poll
from ..delivery import Delivery
from ..errors import ExpvasticError, StateError
from ..logs import visible
from ..outcomes.quarantine import Quarantine, Quarantined
from ..state import Mark, State
from ..upkeep import holds_data
from .choice import telling_of
from .feeding import Feed, without_waiting
from .flags import say

_PIECE = 500
_ROOM = 0.75  # of a buffer is filled, so that nothing has to be shed
_OVERHEAD = 512  # bytes on the disk, for each document
_CLOSE_LIMIT = 1.0  # seconds


async def offer_again(
    config: Config,
    plan: RecorderPlan,
    settings: BufferSettings,
    state: State,
    ids: Sequence[str] | None,
    timeout: float,
) -> int:
    """Offer what is in quarantine, and deliver; 0 if all of it is recorded."""
    if settings.type != "disk":
        raise ExpvasticError(
            f"recorder {plan.name}: its buffer is in memory, and a document in quarantine shall not be lost with that; "
            "replay it with `buffer: {type: disk}`"
        )
    hurried = msgspec.structs.replace(plan, delivery=without_waiting(plan.delivery))
    delivery = make_delivery(
        hurried, settings, state, shares=plan.name in config.shared, close_limit=_CLOSE_LIMIT, wall=time.time
    )
    delivery.open(anyio.current_time())
    try:
        _check_mark(config, plan, state, delivery)
        return await _offer_all(delivery, _Source(state, plan, ids), settings, timeout)
    finally:
        delivery.end()


class _Source:
    """What is wanted of a quarantine, oldest first."""

    def __init__(self, state: State, plan: RecorderPlan, ids: Sequence[str] | None) -> None:
        self.folder = state.recorder_folder(plan.name) / "quarantine"
        self.quarantine = Quarantine(self.folder, plan.delivery.quarantine_bytes)
        wanted = None if ids is None else frozenset(ids)
        with telling_of(self.folder):
            self.ids = [entry.id for entry in self.quarantine.entries() if wanted is None or entry.id in wanted]
        self.unseen = sorted((wanted or frozenset()).difference(self.ids))

    def pieces(self) -> Iterator[list[Quarantined]]:
        """The entries, some at a time; a piece that was moved is to be removed before the next is asked for."""
        for start in range(0, len(self.ids), _PIECE):
            piece = frozenset(self.ids[start : start + _PIECE])
            entries = (entry for entry in self.quarantine.entries() if entry.id in piece)
            yield list(itertools.islice(entries, len(piece)))


def _check_mark(config: Config, plan: RecorderPlan, state: State, delivery: Delivery) -> None:
    configured = {*routed_recorders(config), plan.name}
    waiting = delivery.buffer.waiting
    if reason := state.held_because(plan.name, delivery.destination, waiting, configured, holds_data):
        raise StateError(f"recorder {plan.name} waits: {reason}")
    state.set_mark(Mark(plan.name, plan.type, delivery.destination))


async def _offer_all(delivery: Delivery, source: _Source, settings: BufferSettings, timeout: float) -> int:
    offered = _move_all(delivery, source, int((settings.max_bytes or DISK_BYTES) * _ROOM))
    left = len(source.ids) - offered
    for unseen in source.unseen:
        say(visible(f"{delivery.name}: {unseen} is not in quarantine"))
    if not source.ids:
        say(visible(f"{delivery.name}: nothing to replay"))
    is_well = not source.ids or await _deliver(delivery, offered, timeout)
    if left:
        say(visible(f"{delivery.name}: {left} left in quarantine, for want of room in the buffer; replay once more"))
    return 0 if is_well and not left and not source.unseen else 1


def _move_all(delivery: Delivery, source: _Source, limit: int) -> int:
    """Move what there is room for; returns how many."""
    offered = 0
    with telling_of(source.folder):
        for entries in source.pieces():
            count = _move(delivery, source.quarantine, entries, limit)
            offered += count
            if count < len(entries):
                break
    return offered


def _move(delivery: Delivery, quarantine: Quarantine, entries: Sequence[Quarantined], limit: int) -> int:
    """Put entries into the buffer, and out of quarantine when they are safe there; returns how many."""
    buffer = delivery.buffer
    if buffer.weight + sum(len(entry.document) + _OVERHEAD for entry in entries) > limit:
        return 0
    now = anyio.current_time()
    for reader, group in itertools.groupby(sorted(entries, key=_reader), key=_reader):
        # Not a poll of the reader: what is known of its last one stays.
        number, knowledge = buffer.last_polls.get(reader, (0, b""))
        buffer.put(Poll(reader, number, [_container(entry) for entry in group], knowledge), now)
    lost = {loss.id for loss in buffer.take_losses()}
    moved = [entry.id for entry in entries if entry.id not in lost]
    delivery.ledger.count("replayed", len(moved))
    if job := buffer.begin_sync():
        try:
            job()
        except OSError as error:
            buffer.end_sync(error)
            raise
        buffer.end_sync(None)
    quarantine.remove(moved)
    return len(moved)


async def _deliver(delivery: Delivery, offered: int, timeout: float) -> bool:
    """Deliver until all is settled, or time is up; says how it ended, and whether all is recorded."""
    ledger, buffer = delivery.ledger, delivery.buffer
    recorded, refused = ledger.totals["recorded"], ledger.refused.total()
    async with anyio.create_task_group() as group:
        group.start_soon(delivery.run)
        with anyio.move_on_after(timeout):
            await Feed(delivery, patience=math.inf).finish()
        delivery.close()
        group.cancel_scope.cancel()
    recorded, refused = ledger.totals["recorded"] - recorded, ledger.refused.total() - refused
    waiting = buffer.waiting + buffer.out
    words = f"{offered} offered again; {recorded} recorded, {refused} refused, {waiting} still waiting"
    reason = f" ({error})" if (error := delivery.statistics().last_error) and waiting else ""
    say(visible(f"{delivery.name}: {words}{reason}"))
    return not refused and not waiting


def _reader(entry: Quarantined) -> str:
    return entry.reader


def _container(entry: Quarantined) -> Container:
    return Container(entry.id, entry.time, entry.reader, entry.document)
