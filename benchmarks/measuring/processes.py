"""Processes on chosen cores, and what the kernel says they cost."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE = 30.0  # seconds for an end in order


def parse_cores(text: str) -> set[int]:
    """``0-2,5`` as numbers."""
    ends = (part.partition("-")[::2] for part in text.split(","))
    return {core for first, last in ends for core in range(int(first), int(last or first) + 1)}


class Process:
    """One process, pinned to cores, while entered. What it says goes to a file."""

    def __init__(
        self, command: Sequence[object], cores: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = [*map(str, command)]
        self._cores = parse_cores(cores)
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._running: subprocess.Popen[bytes]
        self.started = 0.0  # seconds of the wall clock, before there is a process

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            ours = os.sched_getaffinity(0)
            os.sched_setaffinity(0, self._cores)  # which a child inherits: no other program has to be started first
            try:
                self.started = time.time()
                self._running = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)
            finally:
                os.sched_setaffinity(0, ours)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """End it in order; what it ended with. May be repeated."""
        self._running.send_signal(signal.SIGTERM)
        try:
            return self._running.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._running.kill()
            return self._running.wait()

    @property
    def pid(self) -> int:
        return self._running.pid

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
        """Seconds of all its threads and children, in user and in system mode, so far."""
        return sum(_cpu_of(pid) for pid in self._family())

    @property
    def memory(self) -> float:
        """Megabytes resident now."""
        return sum(_numbers_of(f"/proc/{pid}/status").get("VmRSS", 0) for pid in self._family()) / 1000

    @property
    def wake_ups(self) -> int:
        """How often one of its threads has waited for something so far."""
        threads = (path for pid in self._family() for path in Path(f"/proc/{pid}/task").glob("*/status"))
        return sum(_numbers_of(path).get("voluntary_ctxt_switches", 0) for path in threads)

    @property
    def open_files(self) -> int:
        """Descriptors, of files and sockets."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self._family())  # noqa: PTH208

    def _family(self) -> Iterator[int]:
        pids = [self._running.pid]
        for pid in pids:
            yield pid
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    pids.extend(map(int, path.read_text().split()))


def _cpu_of(pid: int) -> float:
    """With what its own children took that have ended; the clock of the process itself is exact, and theirs is not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return time.clock_gettime(~pid << 3 | 2) + (int(fields[13]) + int(fields[14])) / _TICK
    except OSError:
        return 0.0


def _numbers_of(path: str | Path) -> dict[str, int]:
    """The lines of a status file that say a number."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    words = (line.replace(":", " ").split() for line in lines)
    return {each[0]: int(each[1]) for each in words if len(each) > 1 and each[1].isdigit()}


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
