"""The polled programs of a run, and what their own log says they served."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

PROGRAM = Path(__file__).resolve().parent.parent / "targets" / "pages.py"


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A page that was made; ``time`` is nanoseconds since the epoch, ``collections`` its ``NumGC``."""

    time: int
    collections: int
    is_complete: bool  # its last byte was handed to the kernel


@dataclass(slots=True)
class Served:
    """What one target did: its pages by serial, and the end of each of its pauses, the first collection's first."""

    pages: dict[int, ServedPage] = field(default_factory=dict)
    pauses: list[int] = field(default_factory=list)


class Targets:
    """``count`` targets in a process of their own, which ends with this one."""

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        self.count = count
        self._log = folder / "served.ndjson"
        self._command = [sys.executable, str(PROGRAM), "--count", str(count), "--seed", str(seed)]
        self._command += ["--log", str(self._log)]
        self._process: subprocess.Popen[str] | None = None
        self._address = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._address = self._process.stdout.readline().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End them; may be repeated."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                assert process.stdin
                process.stdin.close()
                process.wait(30)

    def readers(self, interval: str) -> dict[str, dict[str, object]]:
        """A configuration's readers, ``app_0`` and so on."""
        return {
            name_of(number): {
                "type": "expvar",
                "endpoint": f"http://{self._address}/{number}/debug/vars",
                "interval": interval,
            }
            for number in range(self.count)
        }

    def served(self) -> dict[str, Served]:
        """By reader; to be asked when they are stopped."""
        found = {name_of(number): Served() for number in range(self.count)}
        with self._log.open(encoding="utf-8") as log:
            for line in map(json.loads, log):
                target = found[name_of(line["program"])]
                target.pages[line["serial"]] = ServedPage(line["time"], line["collections"], line["served"])
                target.pauses += line["pauses"]
        return found


def name_of(number: int) -> str:
    return f"app_{number}"
