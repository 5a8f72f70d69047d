"""``/healthz`` and ``/readyz``: whether the process is at work, and whether samples can arrive somewhere."""

from __future__ import annotations

import msgspec

from ..telemetry import Snapshot


def healthz(snapshot: Snapshot) -> str:
    """The process answers, so it is alive; as JSON."""
    answer = {
        "state": snapshot.state,
        "version": snapshot.version,
        "uptime_seconds": round(max(0.0, snapshot.time - snapshot.started), 3),
    }
    return _json(answer)


def readyz(snapshot: Snapshot) -> tuple[bool, str]:
    """Whether it runs and some recorder takes data, as far as is known; and all that is not as it should be, as JSON.

    What fails while others do their work is named, but keeps nobody waiting.
    """
    dropped = [name for name, recorder in snapshot.recorders.items() if recorder.state in ("dropped", "held")]
    failing = [name for name, reader in snapshot.readers.items() if reader.state == "failing"]
    blocked = [name for name, recorder in snapshot.recorders.items() if recorder.is_blocked and name not in dropped]
    is_cut_off = bool(snapshot.recorders) and len(dropped) + len(blocked) == len(snapshot.recorders)
    is_ready = snapshot.state == "running" and not is_cut_off
    answer = {"ready": is_ready, "state": snapshot.state, "dropped_recorders": dropped, "blocked_recorders": blocked}
    return is_ready, _json({**answer, "failing_readers": failing})


def _json(answer: dict[str, object]) -> str:
    return msgspec.json.encode(answer).decode() + "\n"
