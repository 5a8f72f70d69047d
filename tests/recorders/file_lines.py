"""Writing and reading back the file recorder's files."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from expvastic.datatypes import Container
from expvastic.recorder import Outcome, Verdict
from expvastic.recorders.file import FileRecorder, FileSettings


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


def wait_for_lock(path: Path) -> None:
    """Wait until nobody holds the file open."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
