"""Writing and reading back the file recorder's files."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from expvastic.datatypes import Container
from expvastic.recorder import Outcome, Verdict
from expvastic.recorders.file import FileRecorder, FileSettings
from expvastic.recorders.file.tidying import THREAD_NAME


def documents(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Id and document of every line; a line that is not whole is an error."""
    content = path.read_bytes() if path.exists() else b""
    assert content.endswith(b"\n") or not content
    lines = [msgspec.json.decode(line, type=dict[str, Any]) for line in content.splitlines()]
    return [(line.pop("_id"), line) for line in lines]


def ids(path: Path) -> list[str]:
    return [known for known, _ in documents(path)]


def ids_of(batch: list[Container]) -> list[str]:
    return [container.id for container in batch]


def outcomes(verdicts: Sequence[Verdict]) -> list[Outcome]:
    return [verdict.outcome for verdict in verdicts]


async def write(path: Path, batch: list[Container], **settings: Any) -> list[Verdict]:
    """Record one batch as a process would that is started for it."""
    async with FileRecorder(FileSettings(path=str(path), **settings)) as recorder:
        return list(await recorder.record(batch))


def tidiers() -> list[threading.Thread]:
    """The threads that tidy rotated files."""
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def wait_for_tidying() -> None:
    """Wait until all rotated files are as they should be."""
    for thread in tidiers():
        thread.join()


def wait_for_lock(path: Path) -> None:
    """Wait until nobody holds the file open."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
