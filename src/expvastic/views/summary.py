"""The line that is logged once a minute: what happened since the last one, and how things stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..telemetry import DeliveryStatistics, ReaderStatistics, Snapshot

_NAMED = 5  # so many of those in trouble are named

_OF_READERS: dict[str, Callable[[ReaderStatistics], int]] = {
    "polls": lambda reader: reader.polls,
    "failed": lambda reader: sum(reader.failures.values()),
    "missed": lambda reader: reader.missed,
    "containers": lambda reader: reader.containers,
}
_OF_RECORDERS: dict[str, Callable[[DeliveryStatistics], int]] = {
    "offered": lambda recorder: recorder.offered,
    "recorded": lambda recorder: recorder.recorded,
    "refused": lambda recorder: sum(recorder.refused.values()),
    "shed": lambda recorder: sum(recorder.shed.values()),
    "retried": lambda recorder: recorder.retried,
}


def summarise(before: Snapshot, now: Snapshot) -> dict[str, int | float | str]:
    """The fields of the line. Counts are of the time between the two; ``waiting``, ``out`` and memory are of now."""
    cpu = now.process.cpu - before.process.cpu
    fields: dict[str, int | float | str] = {
        **{name: _total(now, count) - _total(before, count) for name, count in _OF_READERS.items()},
        **{name: _total_recorded(now, count) - _total_recorded(before, count) for name, count in _OF_RECORDERS.items()},
        "waiting": sum(recorder.waiting for recorder in now.recorders.values()),
        "out": sum(recorder.out for recorder in now.recorders.values()),
        "cpu_seconds": round(cpu, 3),
        "resident_mib": round(now.process.memory / 2**20, 1),
    }
    return fields | _in_trouble(now)


def _in_trouble(now: Snapshot) -> dict[str, str]:
    failing = [name for name, reader in now.readers.items() if reader.state == "failing"]
    dropped = [name for name, recorder in now.recorders.items() if recorder.state == "dropped"]
    troubles = {"failing_readers": failing, "dropped_recorders": dropped}
    return {title: _some(names) for title, names in troubles.items() if names}


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _total(snapshot: Snapshot, count: Callable[[ReaderStatistics], int]) -> int:
    return sum(map(count, snapshot.readers.values()))


def _total_recorded(snapshot: Snapshot, count: Callable[[DeliveryStatistics], int]) -> int:
    return sum(map(count, snapshot.recorders.values()))
