"""``/debug/vars``: the process as an expvar page, so that expvastic can watch expvastic.

Totals stand at the top. Readers and recorders are arrays of objects with a ``name``: a reader of such a page leaves
arrays of objects out, so the names of users' things never become field names.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..accounts import process_fields, reader_fields, recorder_fields
from ..outcomes.minutes import Row
from ..telemetry import ReaderStatistics, Snapshot, WorkerStatistics


def expvar(snapshot: Snapshot) -> str:
    """The page, as JSON."""
    page: dict[str, object] = {
        **process_fields(snapshot),
        "readers": [
            {"name": name, **_worker_of(reader), **reader_fields(reader)} for name, reader in snapshot.readers.items()
        ],
        "recorders": [
            {
                "name": name,
                **recorder_fields(recorder),
                "refused_by_reason": _by_reason(recorder.refused),
                "minutes": _by_minute(recorder.minutes),
            }
            for name, recorder in snapshot.recorders.items()
        ],
    }
    if snapshot.workers:
        page["workers"] = [_worker_fields(worker) for worker in snapshot.workers]
    return msgspec.json.encode(page).decode() + "\n"


def _worker_of(reader: ReaderStatistics) -> dict[str, int]:
    return {} if reader.worker is None else {"worker": reader.worker}


def _worker_fields(worker: WorkerStatistics) -> dict[str, object]:
    fields: dict[str, object] = {
        "number": worker.number,
        "state": worker.state,
        "pid": worker.pid,
        "restarts": worker.restarts,
    }
    if worker.snapshot is None:
        return fields
    return fields | {"agent_id": worker.snapshot.agent_id, **process_fields(worker.snapshot), "state": worker.state}


def _by_reason(counts: Mapping[str, int]) -> list[dict[str, str | int]]:
    return [{"reason": reason, "count": count} for reason, count in counts.items()]


def _by_minute(minutes: Mapping[int, Row]) -> list[dict[str, int]]:
    return [{"minute": minute * 60, **row._asdict()} for minute, row in minutes.items()]
