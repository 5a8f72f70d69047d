"""Numbers of several lives of one process, and of several processes, as those of one. Pure.

Three things can be done: what a process left when it ended (``ended``), a life after those before it (``after``), and
several processes beside each other (``beside``). What only grows is summed up in all of them; what is of now is the
youngest life's, and the sum or the worst over processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeVar

from msgspec.structs import astuple, replace

from ..outcomes.minutes import Row
from ..telemetry import DeliveryStatistics, ProcessStatistics, ReaderStatistics, Snapshot, WorkerStatistics

_OF_READERS = tuple("polls readings failures missed containers values left_out clock_steps restarts".split())
_OF_LEDGERS = tuple(
    "offered recorded duplicates conflicts shared failure_store salvaged replayed refused shed retried blocked "
    "minutes".split()
)
_OF_DELIVERIES = tuple("enqueued consumed buffer_errors batches failures drops".split())
_OF_NOW = tuple("waiting out weight quarantined lanes".split())
_READER_STATES = ("reading", "starting", "failing")  # the worst last
_RECORDER_STATES = ("closed", "starting", "probation", "failing", "held", "dropped")
_LOST = "lost_at_exit"
_LIST = ", "

_Statistics = TypeVar("_Statistics", ReaderStatistics, DeliveryStatistics)


def ended(snapshot: Snapshot) -> tuple[Snapshot, int]:
    """What is left of a process that is gone without last words, and how many containers its memory took with it."""
    recorders = {name: _without_memory(recorder) for name, recorder in snapshot.recorders.items()}
    readers = {name: replace(reader, state="starting") for name, reader in snapshot.readers.items()}
    lost = sum(
        each.shed.get(_LOST, 0) - snapshot.recorders[name].shed.get(_LOST, 0) for name, each in recorders.items()
    )
    process = ProcessStatistics(snapshot.process.cpu, 0, 0, 0)
    return replace(snapshot, readers=readers, recorders=recorders, process=process), lost


def after(past: Snapshot | None, latest: Snapshot) -> Snapshot:
    """The latest life of a process with what its former lives counted, of which ``past`` is the last."""
    if past is None:
        return latest
    readers = {name: _summed(reader, _OF_READERS, past.readers.get(name)) for name, reader in latest.readers.items()}
    recorders = {
        name: _summed(recorder, _counts_of(recorder), past.recorders.get(name))
        for name, recorder in latest.recorders.items()
    }
    process = replace(latest.process, cpu=latest.process.cpu + past.process.cpu)
    return replace(latest, readers=readers, recorders=recorders, process=process)


def beside(own: Snapshot, workers: Sequence[WorkerStatistics], order: Iterable[str]) -> Snapshot:
    """All processes as one, of which ``own`` is the snapshot without readers; readers are in the ``order`` given."""
    told = [(worker.number, worker.snapshot) for worker in workers if worker.snapshot]
    readers = _together(
        [{name: replace(it, worker=number) for name, it in each.readers.items()} for number, each in told],
        _add_reader,
    )
    recorders = _together([each.recorders for _, each in told], _add_recorder)
    processes = [own.process, *(each.process for _, each in told)]
    return replace(
        own,
        process=ProcessStatistics(*(sum(numbers) for numbers in zip(*map(astuple, processes), strict=True))),
        readers={name: readers[name] for name in order if name in readers},
        recorders=recorders,
        workers=tuple(workers),
    )


def _without_memory(recorder: DeliveryStatistics) -> DeliveryStatistics:
    if recorder.is_durable:
        return replace(recorder, state="starting")
    lost = recorder.waiting + recorder.out
    shed = _plus(recorder.shed, {_LOST: lost}) if lost else recorder.shed
    return replace(recorder, state="starting", shed=shed, waiting=0, out=0, weight=0)


def _counts_of(recorder: DeliveryStatistics) -> tuple[str, ...]:
    """What begins at zero in each life."""
    return _OF_DELIVERIES if recorder.is_durable else _OF_LEDGERS + _OF_DELIVERIES


def _summed(latest: _Statistics, counts: Iterable[str], past: _Statistics | None) -> _Statistics:
    if past is None:
        return latest
    changes: dict[str, Any] = {name: _plus(getattr(past, name), getattr(latest, name)) for name in counts}
    return replace(latest, **changes)


def _plus(first: Any, second: Any) -> Any:
    if isinstance(first, Row):
        return Row(*map(int.__add__, first, second))
    if isinstance(first, Mapping):
        return {
            **first,
            **{name: _plus(first[name], value) if name in first else value for name, value in second.items()},
        }
    return first + second


def _together(
    all_of_them: Iterable[Mapping[str, _Statistics]], add: Callable[[_Statistics, _Statistics], _Statistics]
) -> dict[str, _Statistics]:
    by_name: dict[str, list[_Statistics]] = {}
    for each in all_of_them:
        for name, statistics in each.items():
            by_name.setdefault(name, []).append(statistics)
    return {name: reduce(add, found) for name, found in by_name.items()}


def _add_reader(first: ReaderStatistics, second: ReaderStatistics) -> ReaderStatistics:
    """One that every process has. What cannot be summed is of the one that stands worse."""
    worse = max(first, second, key=lambda it: _READER_STATES.index(it.state))
    last_success = max(first.last_success, second.last_success)
    return replace(_summed(worse, _OF_READERS, _other(worse, first, second)), last_success=last_success, worker=None)


def _add_recorder(first: DeliveryStatistics, second: DeliveryStatistics) -> DeliveryStatistics:
    worse = max(first, second, key=lambda it: (_RECORDER_STATES.index(it.state), it.is_blocked))
    other = _other(worse, first, second)
    return replace(
        _summed(worse, _OF_LEDGERS + _OF_DELIVERIES + _OF_NOW, other),
        destination=first.destination
        if second.destination in first.destination.split(_LIST)
        else f"{first.destination}{_LIST}{second.destination}",
        last_success=max(first.last_success, second.last_success),
        last_error=worse.last_error or other.last_error,
        is_blocked=first.is_blocked or second.is_blocked,
        is_durable=first.is_durable and second.is_durable,
    )


def _other(one: _Statistics, first: _Statistics, second: _Statistics) -> _Statistics:
    return second if one is first else first
