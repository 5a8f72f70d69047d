"""A snapshot as names and numbers: of the process under the ancestor's metric names, of each reader and recorder.

The ``self`` reader makes documents of them, ``/debug/vars`` shows them. No name that a user or a server chose becomes
a field name here: readers and recorders are told apart by whoever asks, and what a server refused is only summed up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .telemetry import DeliveryStatistics, ReaderStatistics, Snapshot

Fields = dict[str, int | float | str | dict[str, int]]

_UNIDENTIFIED = ("not_json", "not_object", "too_deep", "pointer")  # reasons of failed polls without a JSON object


def process_fields(snapshot: Snapshot) -> Fields:
    """The process as a whole. Totals since the start, but for what plainly is a state of now."""
    return {**_ancestral(snapshot), **_own(snapshot)}


def reader_fields(statistics: ReaderStatistics) -> Fields:
    """One reader, without its name. Times are seconds since the epoch, and left out for never."""
    fields: Fields = {
        "type": statistics.type,
        "target": statistics.target,
        "state": statistics.state,
        "interval_seconds": statistics.interval,
        "polls": statistics.polls,
        "readings": statistics.readings,
        "failures": sum(statistics.failures.values()),
        "failures_by_reason": dict(statistics.failures),
        "missed": statistics.missed,
        "containers": statistics.containers,
        "values": sum(statistics.values.values()),
        "values_by_kind": dict(statistics.values),
        "left_out": sum(statistics.left_out.values()),
        "left_out_by_reason": dict(statistics.left_out),
        "clock_steps": statistics.clock_steps,
        "restarts": statistics.restarts,
        "last_duration_seconds": statistics.last_duration,
    }
    times = {"last_success": statistics.last_success, "failing_since": statistics.failing_since}
    return fields | _where_known(times, statistics.last_error)


def recorder_fields(statistics: DeliveryStatistics) -> Fields:
    """One recorder, without its name. Times are seconds since the epoch, and left out for never."""
    fields: Fields = {
        "type": statistics.type,
        "destination": statistics.destination,
        "state": statistics.state,
        "offered": statistics.offered,
        "recorded": statistics.recorded,
        "duplicates": statistics.duplicates,
        "conflicts": statistics.conflicts,
        "shared": statistics.shared,
        "failure_store": statistics.failure_store,
        "salvaged": statistics.salvaged,
        "replayed": statistics.replayed,
        "quarantined": statistics.quarantined,
        "refused": sum(statistics.refused.values()),
        "shed": sum(statistics.shed.values()),
        "shed_by_reason": dict(statistics.shed),
        "waiting": statistics.waiting,
        "out": statistics.out,
        "buffer_bytes": statistics.weight,
        "enqueued": statistics.enqueued,
        "consumed": statistics.consumed,
        "buffer_errors": sum(statistics.buffer_errors.values()),
        "buffer_errors_by_type": dict(statistics.buffer_errors),
        "lanes": statistics.lanes,
        "retried": statistics.retried,
        "blocked": statistics.blocked,
        "batches": statistics.batches,
        "failures": statistics.failures,
        "drops": statistics.drops,
    }
    return fields | _where_known({"last_success": statistics.last_success}, statistics.last_error)


def lag_seconds(statistics: DeliveryStatistics, time: float, started: float) -> float:
    """How long a recorder has recorded nothing although something is there for it; 0 if nothing is."""
    if not statistics.waiting + statistics.out:
        return 0.0
    return round(max(0.0, time - max(started, statistics.last_success)), 3)


def _ancestral(snapshot: Snapshot) -> Fields:
    """The metrics of the ancestor's v0.2.2, counted as it meant them: a job is a poll, or a batch for a recorder."""
    readers, recorders = snapshot.readers.values(), snapshot.recorders.values()
    kinds = _summed(reader.values for reader in readers)
    reasons = _summed(reader.failures for reader in readers)
    return {
        "Readers": len(readers),
        "Recorders": len(recorders),
        "Read Jobs": sum(reader.polls for reader in readers),
        "Record Jobs": sum(recorder.batches for recorder in recorders),
        "Errored Jobs": sum(reasons.values()) + sum(recorder.failures for recorder in recorders),
        "Records Distributed": sum(recorder.offered for recorder in recorders),
        "DataType Objects": sum(kinds.values()),
        "DataType Objects Errors": sum(sum(reader.left_out.values()) for reader in readers),
        "Unidentified JSON Count": sum(reasons.get(reason, 0) for reason in _UNIDENTIFIED),
        "StringType Count": kinds.get("string", 0) + kinds.get("string_list", 0),
        "FloatType Count": sum(kinds.get(kind, 0) for kind in ("float", "integer", "float_list")),
        "GCListType Count": kinds.get("gc_list", 0),
        "ByteType Count": sum(kinds.get(kind, 0) for kind in ("byte", "kilobyte", "megabyte")),
        "Expvar Reads": sum(reader.readings for reader in readers if reader.type == "expvar"),
        "ElasticSearch Records": sum(recorder.recorded for recorder in recorders if recorder.type == "elasticsearch"),
    }


def _own(snapshot: Snapshot) -> Fields:
    readers, recorders = snapshot.readers.values(), snapshot.recorders.values()
    return {
        "state": snapshot.state,
        "version": snapshot.version,
        "uptime_seconds": round(max(0.0, snapshot.time - snapshot.started), 3),
        "cpu_seconds": snapshot.process.cpu,
        "resident_bytes": snapshot.process.memory,
        "threads": snapshot.process.threads,
        "tasks": snapshot.process.tasks,
        "failed_polls": sum(sum(reader.failures.values()) for reader in readers),
        "missed_polls": sum(reader.missed for reader in readers),
        "failing_readers": sum(reader.state == "failing" for reader in readers),
        "dropped_recorders": sum(recorder.state == "dropped" for recorder in recorders),
        "recorded": sum(recorder.recorded for recorder in recorders),
        "duplicates": sum(recorder.duplicates for recorder in recorders),
        "salvaged": sum(recorder.salvaged for recorder in recorders),
        "refused": sum(sum(recorder.refused.values()) for recorder in recorders),
        "shed": sum(sum(recorder.shed.values()) for recorder in recorders),
        "retried": sum(recorder.retried for recorder in recorders),
        "waiting": sum(recorder.waiting for recorder in recorders),
        "out": sum(recorder.out for recorder in recorders),
        "buffer_bytes": sum(recorder.weight for recorder in recorders),
    }


def _where_known(times: Mapping[str, float], last_error: str) -> Fields:
    known: Fields = {name: time for name, time in times.items() if time}
    return known | {"last_error": last_error} if last_error else known


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total
