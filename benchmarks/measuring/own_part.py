"""expvastic as its users run it: the command, with a YAML file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from .go_parts import FIRST_TARGET, SINK
from .processes import Process


def expvastic(folder: Path, source: Path, cores: str, count: int, interval: float, *, compress: bool) -> Process:
    """The command out of a source tree, polling so many targets."""
    file = folder / "expvastic.yml"
    file.write_text(yaml.safe_dump(_configuration(count, interval, compress=compress)))
    environment = {"PYTHONPATH": f"{source}:{_inherited_path()}"}
    command = [sys.executable, "-m", "expvastic", "-c", file]
    return Process(command, cores, folder / "expvastic.log", environment)


def _configuration(count: int, interval: float, *, compress: bool) -> dict[str, Any]:
    common = {"type": "expvar", "type_name": "bench", "interval": f"{interval}s"}
    readers = {f"t{i:05}": {**common, "endpoint": f"127.0.0.1:{FIRST_TARGET + i}"} for i in range(count)}
    recorder = {"type": "elasticsearch", "endpoint": f"http://127.0.0.1:{SINK}", "compress": compress}
    recorder["index_name"] = "metrics-bench-default"
    return {
        "settings": {"log_level": "warn"},
        "readers": readers,
        "recorders": {"sink": recorder},
        "routes": {"all": {"readers": list(readers), "recorders": ["sink"]}},
    }


def _inherited_path() -> str:
    """Where this interpreter finds packages, so that a source tree can stand before an installed one."""
    return ":".join(path for path in sys.path if path)
