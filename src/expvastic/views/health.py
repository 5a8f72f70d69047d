"""``/healthz`` and ``/readyz``: whether the process is at work, and whether samples can arrive somewhere."""

from __future__ import annotations

import msgspec

from ..telemetry import Snapshot


def healthz(snapshot: Snapshot) -> tuple[bool, str]:
    """Whether all processes that belong to it are alive, as this one is since it answers; as JSON."""
    missing = _workers_that_are(snapshot, "missing")
    answer: dict[str, object] = {
        "state": snapshot.state,
        "version": snapshot.version,
        "uptime_seconds": round(max(0.0, snapshot.time - snapshot.started), 3),
    }
    return not missing, _json(answer | ({"missing_workers": missing} if snapshot.workers else {}))


def readyz(snapshot: Snapshot) -> tuple[bool, str]:
    """Whether it runs and some recorder takes data, as far as is known; and all that is not as it should be, as JSON.

    What fails while others do their work is named, but keeps nobody waiting.
    """
    dropped = [name for name, recorder in snapshot.recorders.items() if recorder.state in ("dropped", "held")]
    failing = [name for name, reader in snapshot.readers.items() if reader.state == "failing"]
    blocked = [name for name, recorder in snapshot.recorders.items() if recorder.is_blocked and name not in dropped]
    is_ready = snapshot.state == "running" and not _is_cut_off(snapshot) and _are_workers_ready(snapshot)
    answer: dict[str, object] = {
        "ready": is_ready,
        "state": snapshot.state,
        "dropped_recorders": dropped,
        "blocked_recorders": blocked,
        "failing_readers": failing,
    }
    states = ("missing", "starting") if snapshot.workers else ()
    return is_ready, _json(answer | {f"{state}_workers": _workers_that_are(snapshot, state) for state in states})


def _is_cut_off(snapshot: Snapshot) -> bool:
    """Whether no recorder takes data from the process, or from one of those that belong to it."""
    if snapshot.workers:
        return any(_is_cut_off(worker.snapshot) for worker in snapshot.workers if worker.snapshot)
    closed = [each for each in snapshot.recorders.values() if each.is_blocked or each.state in ("dropped", "held")]
    return bool(snapshot.recorders) and len(closed) == len(snapshot.recorders)


def _are_workers_ready(snapshot: Snapshot) -> bool:
    return all(worker.state == "running" for worker in snapshot.workers)


def _workers_that_are(snapshot: Snapshot, state: str) -> list[int]:
    return [worker.number for worker in snapshot.workers if worker.state == state]


def _json(answer: dict[str, object]) -> str:
    return msgspec.json.encode(answer).decode() + "\n"
