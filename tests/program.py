"""expvastic as its users run it: a process of its own, told by files and signals, heard by its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 60.0  # seconds until something that should happen has not


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "expvastic", *arguments]


def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


class Program:
    """``expvastic run`` with a configuration given as text; ended with the test if it has not ended by itself."""

    def __init__(self, folder: Path, text: str, *arguments: str) -> None:
        self.folder = folder
        self._log = folder / "log.ndjson"
        (folder / "expvastic.yml").write_text(text, encoding="utf-8")
        self._command = command("run", "-c", "expvastic.yml", *arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log, (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(self._command, cwd=self.folder, stdout=output, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log so far; what is not JSON stands under ``raw``."""
        complete, _, _ = self._log.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) if line.startswith("{") else {"raw": line} for line in complete.splitlines()]

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == event]

    def wait_for(self, event: str) -> dict[str, Any]:
        """Wait until the log has such a line."""
        self.wait_until(lambda: bool(self.said(event)), event)
        return self.said(event)[0]

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        assert self._process
        until = time.monotonic() + PATIENCE
        while not is_so():
            ended = self._process.poll()
            assert ended is None, f"ended with {ended} before: {what}\n{self._log.read_text()}"
            assert time.monotonic() < until, f"not within {PATIENCE:g} s: {what}\n{self._log.read_text()}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self._process
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end; the exit code as a shell would tell it."""
        assert self._process
        code = self._process.wait(PATIENCE)
        return code if code >= 0 else 128 - code

    def stop(self) -> int:
        """Ask it to end, and wait."""
        self.signal()
        return self.ended()

    def documents(self, path: str = "samples.ndjson") -> list[dict[str, Any]]:
        """The lines of a ``file`` recorder in the program's folder."""
        text = (self.folder / path).read_text(encoding="utf-8") if (self.folder / path).exists() else ""
        complete, _, _ = text.rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]


def spell(settings: Mapping[str, Any]) -> str:
    """A configuration as text; JSON is YAML."""
    return json.dumps(settings, indent=1)
