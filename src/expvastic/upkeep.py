"""What a state directory does for a pipeline: it is taken up at the start, and kept while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import logs
from .buffers.disk import inspect
from .datatypes import Poll
from .delivery import Delivery
from .engine import Engine
from .errors import StateError
from .state import Mark, State


class Keeper:
    """An outlet that keeps one reader's last poll, for buffers that may get less far than others, and its knowledge.

    ``synced`` says that it must be on the disk itself before anything else is done with the poll.
    """

    def __init__(self, state: State, reader: str, *, synced: bool, with_containers: bool) -> None:
        self._state = state
        self._synced = synced
        self._with_containers = with_containers
        self._log = logs.logger(reader=reader)
        self._is_failing = False

    def offer(self, poll: Poll) -> None:
        """Keep the poll. If that fails, the samples go on all the same."""
        kept = poll if self._with_containers else poll._replace(containers=())
        try:
            self._state.keep(kept, synced=self._synced)
        except OSError as error:
            if not self._is_failing:
                self._log.error("reader's knowledge not kept", error=f"{error}; see to the disk that holds state_dir")
            self._is_failing = True
        else:
            self._is_failing = False


def take_up(state: State, deliveries: Mapping[str, Delivery], types: Mapping[str, str], now: float) -> None:
    """Open all buffers, and hold those deliveries whose data may not be meant for where they would go.

    Blocks while a disk is read; ``now`` is the event loop's time. Raises StateError.
    """
    log = logs.logger()
    for delivery in deliveries.values():
        delivery.open(now)
    for name, delivery in deliveries.items():
        if delivery.buffer.is_durable:
            reason = state.held_because(
                name, delivery.destination, delivery.buffer.waiting, configured=deliveries, holds=holds_data
            )
            delivery.held = reason
            if not reason:
                state.set_mark(Mark(name, types[name], delivery.destination))
    durable = [name for name, delivery in deliveries.items() if delivery.buffer.is_durable]
    for mark in state.orphans(durable, holds_data):
        why = "whose buffer is in memory now" if mark.name in deliveries else "that is not configured"
        log.warning(
            f"data waits for a recorder {why}",
            recorder=mark.name,
            destination=mark.destination,
            to_do=f"expvastic buffer discard {mark.name}, or adopt NAME --from {mark.name}",
        )


def go_on(
    state: State,
    engines: Mapping[str, Engine],
    routes: Mapping[str, tuple[str, ...]],
    deliveries: Mapping[str, Delivery],
) -> None:
    """Let each reader go on where the last process ended, and give buffers that are behind what they lack.

    What was kept of a reader is of the past if a buffer got further: it was routed to that one alone since. A reader
    that is unknown where it is routed to now may be known where it was before. One without an engine is polled by
    another process now. Raises StateError.
    """
    durable = {name: delivery for name, delivery in deliveries.items() if delivery.buffer.is_durable}
    for name in routes:
        kept = state.last_poll(name)
        polls = {recorder: delivery.buffer.last_polls.get(name, (0, b"")) for recorder, delivery in durable.items()}
        known = [polls[recorder] for recorder in routes[name] if recorder in durable]
        if kept is not None:
            known.append((kept.number, kept.knowledge))
        number, knowledge = max(known, default=(0, b""))
        if kept is not None and kept.number == number:
            for recorder in routes[name]:
                if recorder in durable and polls[recorder][0] < number:
                    durable[recorder].offer(kept)
        if not number:
            number, knowledge = max(polls.values(), default=(0, b""))
        if number and name in engines:
            engines[name].go_on(number, knowledge)


def holds_data(folder: Path) -> bool:
    """Whether a buffer's folder has containers that wait; in doubt it has."""
    try:
        return inspect(folder).waiting > 0
    except StateError:
        return folder.is_dir() and any(folder.iterdir())
