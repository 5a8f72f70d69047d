"""The programs in ``benchmarks/go``: many targets in one process, the sink, and the loop to compare with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

from .processes import Process

SOURCES = Path(__file__).resolve().parent.parent / "go"
TARGETS_CONTROL = 20998
SINK = 20999
FIRST_TARGET = 21000
_ENVIRONMENT = {"GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}


def build(folder: Path) -> None:
    """Build all programs into a folder."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    command = [go, "build", "-trimpath", "-o", f"{folder}/", "./..."]
    subprocess.run(command, cwd=SOURCES, env={**os.environ, **_ENVIRONMENT}, check=True, timeout=300)


def version() -> str:
    """The version of Go that builds them."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    return subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()


def targets(folder: Path, cores: str, count: int, page: str) -> Process:
    """The polled programs; ready when ``await_answer(TARGETS_CONTROL)`` returns."""
    command = [folder / "targets", "-count", count, "-page", page, "-port", FIRST_TARGET, "-control", TARGETS_CONTROL]
    return Process(command, cores, folder / "targets.log")


def sink(folder: Path, cores: str) -> Process:
    """The destination."""
    return Process([folder / "sink", "-port", SINK], cores, folder / "sink.log")


def loop(folder: Path, cores: str, count: int, interval: float, *, compress: bool) -> Process:
    """The baseline; it uses as many threads as it has cores, as any Go program does."""
    command = [folder / "loop", "-count", count, "-interval", f"{interval}s", "-port", FIRST_TARGET]
    command += ["-sink", f"http://127.0.0.1:{SINK}", f"-gzip={str(compress).lower()}"]
    return Process(command, cores, folder / "loop.log")


def ask(port: int, path: str) -> Any:
    """The JSON that a part answers; None where there is none."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def await_answer(port: int, path: str, process: Process) -> None:
    """Wait until a part answers."""
    for _ in range(600):
        process.check()
        try:
            ask(port, path)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"no answer on port {port}")
