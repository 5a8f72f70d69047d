"""Configurations with workers, and what can be learned of their processes."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from program import Program, spell

NAMES = [f"app{number}" for number in range(6)]


def configuration(port: int, recorder: dict[str, Any] | None = None, *, own: bool = False, **settings: Any) -> str:
    """Six readers of pages, with two workers unless said otherwise."""
    readers: dict[str, Any] = {
        name: {"type": "http", "endpoint": f"127.0.0.1:{port}/{name}", "interval": "50ms", "timeout": "2s"}
        for name in NAMES
    }
    if own:
        readers["own"] = {"type": "self", "interval": "100ms"}
    recorders = {"out": recorder or to_file("out-%{shard}.ndjson")}
    routes = {"main": {"readers": [*readers], "recorders": ["out"]}}
    settings = {"workers": 2, "log_format": "json", **settings}
    return spell({"settings": settings, "readers": readers, "recorders": recorders, "routes": routes})


def to_file(path: str, **more: Any) -> dict[str, Any]:
    return {"type": "file", "path": path, "batch": {"wait": "50ms"}, **more}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(port: int, page: str) -> tuple[int, Any]:
    """The status and the body of a status page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/{page}", timeout=5) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read()
    return status, body.decode() if page == "metrics" else json.loads(body)


def start(program: Program) -> list[int]:
    """Wait until all workers run; their process numbers, in their order."""
    program.wait_until(lambda: any("workers" in line for line in program.said("started")), "all workers run")
    count = next(line["workers"] for line in program.said("started") if "workers" in line)
    program.wait_until(lambda: len(pids(program)) == count, "all workers have said so")
    return pids(program)


def pids(program: Program) -> list[int]:
    """The processes of the workers' present lives, in the order of their numbers."""
    lives = {line["worker"]: line["pid"] for line in program.said("started") if "worker" in line}
    return [lives[number] for number in sorted(lives)]


def is_gone(pid: int) -> bool:
    """Whether a process is no more, or nothing but its exit code that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_gone(pids: list[int], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not all(map(is_gone, pids)):
        assert time.monotonic() < until, f"still there: {pids} of {os.getpid()}"
        time.sleep(0.02)


def recorded(folder: Path, *names: str) -> list[dict[str, Any]]:
    """The lines of several ``file`` recorders, as out-0.ndjson for 0."""
    reading = Program.__new__(Program)
    reading.folder = folder
    return [line for name in names for line in reading.documents(f"out-{name}.ndjson")]
