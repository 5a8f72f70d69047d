"""Processes on chosen cores, and what the kernel says they cost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")


class Process:
    """One process, pinned to cores, while entered. What it says goes to a file."""

    def __init__(
        self, command: Sequence[object], cores: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = ["taskset", "-c", cores, *map(str, command)]
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._running: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._running = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.send_signal(signal.SIGTERM)
        try:
            self._running.wait(15)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def check(self) -> None:
        """Raise RuntimeError, with what it said, if it has ended."""
        if self._running.poll() is not None:
            raise RuntimeError(f"{' '.join(self._command[:6])} has ended:\n{self.output}")

    @property
    def cpu(self) -> float:
        """Seconds of all its threads, in user and in system mode, so far."""
        fields = Path(f"/proc/{self._running.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def memory(self) -> float:
        """Megabytes resident now."""
        for line in Path(f"/proc/{self._running.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
        return 0.0


def allow_many_files() -> None:
    """Let this process, and those that it starts, open as many files as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def await_file(path: Path, seconds: float, process: Process) -> None:
    """Wait until there is something in a file."""
    deadline = time.monotonic() + seconds
    while not path.exists() or not path.stat().st_size:
        process.check()
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing in {path} after {seconds:g} s")
        time.sleep(0.05)
