"""expvastic as its users run it: the command, with a YAML file."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from parts import status

from .go_parts import FIRST_TARGET, SINK
from .processes import Process

_WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; "
_START = "import sys; from expvastic.cli import main; sys.exit(main())"  # as the installed command does


def expvastic(
    folder: Path,
    source: Path,
    cores: str,
    count: int,
    interval: float,
    *,
    compress: bool,
    state: Path | None = None,
    socket: Path | None = None,
    uvloop: bool = False,
) -> Process:
    """The command out of a source tree, polling so many targets; with a state directory its buffer is on the disk.

    As it is installed by default there is no uvloop, whatever there is in this environment.
    """
    settings = {"log_level": "warn"}
    settings |= {"state_dir": str(state)} if state else {}
    settings |= {"listen": f"unix:{socket}"} if socket else {}
    file = folder / "expvastic.yml"
    file.write_text(yaml.safe_dump(_configuration(settings, count, interval, compress=compress)))
    # An installed package has been compiled once and for all; a source tree shall be, too.
    path = [str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": ""}
    start = _START if uvloop else _WITHOUT_UVLOOP + _START
    command = [sys.executable, "-c", start, "-c", file]
    return Process(command, cores, folder / "expvastic.log", environment)


def _configuration(settings: dict[str, str], count: int, interval: float, *, compress: bool) -> dict[str, Any]:
    common = {"type": "expvar", "type_name": "bench", "interval": f"{interval}s"}
    readers = {f"t{i:05}": {**common, "endpoint": f"127.0.0.1:{FIRST_TARGET + i}"} for i in range(count)}
    recorder = {"type": "elasticsearch", "endpoint": f"http://127.0.0.1:{SINK}", "compress": compress}
    recorder["index_name"] = "metrics-bench-default"
    return {
        "settings": settings,
        "readers": readers,
        "recorders": {"sink": recorder},
        "routes": {"all": {"readers": list(readers), "recorders": ["sink"]}},
    }


@dataclass(frozen=True)
class Books:
    """What a running expvastic says of itself."""

    read: int = 0  # pages
    failed: int = 0  # polls
    missed: int = 0  # ticks
    recorded: int = 0
    lost: int = 0  # refused and shed
    waiting: int = 0  # and out
    imbalances: tuple[str, ...] = ()

    @classmethod
    def of(cls, socket: Path) -> Books:
        """From its status page."""
        page = status.page(socket)
        readers = page["readers"]
        recorders = {each["name"]: each for each in page["recorders"]}
        (sink,) = recorders.values()
        return cls(
            read=sum(each["readings"] for each in readers),
            failed=sum(each["failures"] for each in readers),
            missed=sum(each["missed"] for each in readers),
            recorded=sink["recorded"],
            lost=sink["refused"] + sink["shed"],
            waiting=sink["waiting"] + sink["out"],
            imbalances=tuple(status.imbalances(recorders)),
        )
