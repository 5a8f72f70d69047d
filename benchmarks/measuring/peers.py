"""Telegraf and the OpenTelemetry Collector, set up as their users would for the same work.

Both poll every target at its interval and ship bulks of 500 documents, or what there is after a second, to the sink.
Telegraf ships the same lean documents: the fields of the long lists are dropped as its manual says. The Collector's
receiver takes memstats only, which is what there is of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .go_parts import FIRST_TARGET, SINK
from .processes import Process
from .window import Scene

_INDEX = "metrics-bench-default"
_BATCH = 500
_POINTS = 26  # that the Collector makes of one page
_TEXTS = ("version", "app_worker_*_state", "bigmap_shard_*_name", "memstats_EnableGC", "memstats_DebugGC")
_LONG_LISTS = ("memstats_PauseNs_*", "memstats_PauseEnd_*", "memstats_BySize_*")


def telegraf(binary: Path, scene: Scene, folder: Path) -> Process:
    """``inputs.http`` with the JSON parser, to ``outputs.elasticsearch``."""
    file = folder / "telegraf.conf"
    file.write_text(telegraf_configuration(scene), encoding="utf-8")
    return Process([binary, "--config", file], scene.cores, folder / "telegraf.log")


def telegraf_configuration(scene: Scene) -> str:
    """The file, in TOML; every value in it is spelled as JSON would spell it."""
    interval = f"{scene.interval * 1000:g}ms"
    agent: dict[str, Any] = {
        "interval": interval,
        "round_interval": False,
        "metric_batch_size": _BATCH,
        "metric_buffer_limit": 20 * max(_BATCH, scene.targets),
        "flush_interval": "1s",
        "omit_hostname": False,
        "quiet": True,
    }
    source: dict[str, Any] = {
        "urls": _urls(scene),
        "timeout": "5s",
        "name_override": "expvar",
        "data_format": "json",
        "json_string_fields": list(_TEXTS),
        "fieldexclude": list(_LONG_LISTS),
    }
    destination: dict[str, Any] = {
        "urls": [_sink()],
        "timeout": "30s",
        "index_name": _INDEX,
        "manage_template": False,
        "enable_sniffer": False,
        "enable_gzip": scene.compress,
    }
    tables = {"[agent]": agent, "[[inputs.http]]": source, "[[outputs.elasticsearch]]": destination}
    return "".join(_table(head, values) for head, values in tables.items())


def _table(head: str, values: dict[str, Any]) -> str:
    return "\n".join([head, *(f"{name} = {json.dumps(value)}" for name, value in values.items())]) + "\n\n"


def collector(binary: Path, scene: Scene, folder: Path) -> Process:
    """A receiver ``expvar`` per target, to the exporter ``elasticsearch``."""
    file = folder / "collector.yaml"
    file.write_text(yaml.safe_dump(collector_configuration(scene)), encoding="utf-8")
    return Process([binary, "--config", file], scene.cores, folder / "collector.log")


def collector_configuration(scene: Scene) -> dict[str, Any]:
    """The file. Batches are made by the exporter's own queue, as its manual advises."""
    receivers = {
        f"expvar/{number:05}": {
            "endpoint": url,
            "timeout": "5s",
            "collection_interval": f"{scene.interval * 1000:g}ms",
            "initial_delay": f"{scene.interval * 1000 * number / scene.targets:.3f}ms",
        }
        for number, url in enumerate(_urls(scene))
    }
    batch = {"flush_timeout": "1s", "sizer": "items", "min_size": _BATCH * _POINTS}
    exporter = {
        "endpoints": [_sink()],
        "timeout": "30s",
        "metrics_index": _INDEX,
        "compression": "gzip" if scene.compress else "none",
        "sending_queue": {"enabled": True, "queue_size": 20 * max(_BATCH, scene.targets), "batch": batch},
    }
    pipeline = {"receivers": list(receivers), "exporters": ["elasticsearch"]}
    telemetry = {"logs": {"level": "warn"}, "metrics": {"level": "none"}}
    return {
        "receivers": receivers,
        "exporters": {"elasticsearch": exporter},
        "service": {"telemetry": telemetry, "pipelines": {"metrics": pipeline}},
    }


def _urls(scene: Scene) -> list[str]:
    return [f"http://127.0.0.1:{FIRST_TARGET + number}/debug/vars" for number in range(scene.targets)]


def _sink() -> str:
    return f"http://127.0.0.1:{SINK}"
