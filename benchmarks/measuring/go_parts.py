"""The programs in ``benchmarks/go``: many targets in one process, the sink, and the loop to compare with.

``BENCHMARK_PORT`` is the first of the ports that they use, for those who want other ones.
"""

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
FLOOR = Path(__file__).resolve().parent.parent / "c" / "floor.c"
TARGETS_CONTROL = int(os.environ.get("BENCHMARK_PORT", "20998"))
SINK = TARGETS_CONTROL + 1
FIRST_TARGET = TARGETS_CONTROL + 2
_ENVIRONMENT = {"GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}


def build(folder: Path) -> None:
    """Build all programs into a folder."""
    command = [_go(), "build", "-trimpath", "-o", f"{folder}/", "./..."]
    subprocess.run(command, cwd=SOURCES, env={**os.environ, **_ENVIRONMENT}, check=True, timeout=300)


def build_floor(folder: Path) -> bool:
    """Build the loop in C; false where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler:
        subprocess.run([compiler, "-O2", "-o", folder / "floor", FLOOR], check=True, timeout=120)
    return compiler is not None


def version() -> str:
    """The version of Go that builds them."""
    return subprocess.run([_go(), "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()


def _go() -> str:
    return shutil.which("go") or "/usr/local/go/bin/go"


def targets(folder: Path, cores: str, count: int, page: str, pages: int = 512) -> Process:
    """The polled programs, with so many different pages; ready when ``await_answer(TARGETS_CONTROL)`` returns."""
    command = [folder / "targets", "-count", count, "-page", page, "-port", FIRST_TARGET, "-control", TARGETS_CONTROL]
    log = folder / "targets.log"
    log.unlink(missing_ok=True)
    return Process([*command, "-pages", pages], cores, log)


def sink(folder: Path, cores: str) -> Process:
    """The destination."""
    return Process([folder / "sink", "-port", SINK], cores, folder / "sink.log")


def loop(folder: Path, cores: str, count: int, interval: float, *flags: str, compress: bool) -> Process:
    """The baseline; it uses as many threads as it has cores, as any Go program does."""
    command = [folder / "loop", "-count", count, "-interval", f"{interval}s", "-port", FIRST_TARGET]
    command += ["-sink", f"http://127.0.0.1:{SINK}", f"-gzip={str(compress).lower()}", *flags]
    return Process(command, cores, folder / "loop.log")


def floor(folder: Path, cores: str, count: int, interval: float) -> Process:
    """The loop in C; an interval of 0 is a closed loop."""
    command = [folder / "floor", FIRST_TARGET, count, interval * 1000]
    return Process(command, cores, folder / "floor.log")


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
