"""Snapshots for tests of views: small, valid, and changed where a test needs it."""

from __future__ import annotations

from typing import Any

from expvastic.telemetry import DeliveryStatistics, ProcessStatistics, ReaderStatistics, Snapshot

STARTED = 1_795_231_860.0


def make_reader(**changes: Any) -> ReaderStatistics:
    given: dict[str, Any] = {
        "type": "expvar",
        "target": "http://app.test/debug/vars",
        "state": "reading",
        "interval": 10.0,
        "polls": 100,
        "readings": 95,
        "failures": {"timeout": 2, "not_json": 3},
        "failing_since": 0.0,
        "last_error": "",
        "missed": 1,
        "containers": 95,
        "values": {"integer": 50, "float": 20, "string": 7, "float_list": 5, "gc_list": 4, "byte": 3, "megabyte": 2},
        "left_out": {"null": 6, "empty": 5},
        "clock_steps": 0,
        "last_success": STARTED + 59,
        "last_duration": 0.0125,
    }
    return ReaderStatistics(**given | changes)


def make_recorder(**changes: Any) -> DeliveryStatistics:
    given: dict[str, Any] = {
        "type": "elasticsearch",
        "destination": "http://127.0.0.1:9200 metrics-expvastic-default",
        "state": "closed",
        "offered": 95,
        "recorded": 80,
        "duplicates": 4,
        "conflicts": 3,
        "shared": 2,
        "failure_store": 1,
        "salvaged": 2,
        "replayed": 1,
        "refused": {"400 mapper_parsing_exception": 2},
        "shed": {"full": 3},
        "waiting": 6,
        "out": 4,
        "weight": 12_345,
        "enqueued": 92,
        "consumed": 82,
        "buffer_errors": {"full": 3},
        "quarantined": 2,
        "lanes": 1,
        "retried": 9,
        "blocked": 8,
        "batches": 11,
        "failures": 5,
        "drops": 1,
        "last_success": STARTED + 58,
        "last_error": "",
    }
    return DeliveryStatistics(**given | changes)


def make_snapshot(**changes: Any) -> Snapshot:
    given: dict[str, Any] = {
        "version": "0.1.0",
        "agent_id": "0123456789abcdef",
        "host": "test-host",
        "time": STARTED + 60,
        "started": STARTED,
        "state": "running",
        "process": ProcessStatistics(cpu=1.5, memory=64 * 2**20, threads=3, tasks=12),
        "readers": {"app": make_reader()},
        "recorders": {"es": make_recorder()},
    }
    return Snapshot(**given | changes)
