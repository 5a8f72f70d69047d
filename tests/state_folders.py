"""State directories for tests: what is in them, and recorders with data."""

from __future__ import annotations

from pathlib import Path

from expvastic.state import Mark, State

CLUSTER = "http://127.0.0.1:9200/metrics"
ES = Mark("es", "elasticsearch", CLUSTER)
CALLS = (
    "mkdir",
    "open",
    "pwrite",
    "fsync",
    "rename",
    "replace",
    "unlink",
    "ftruncate",
    "chmod",
)  # of os, that change a disk


def holds(folder: Path) -> bool:
    """A buffer of these tests holds data if there is a file in it."""
    return folder.is_dir() and any(folder.iterdir())


def fill(state: State, name: str) -> None:
    buffer = state.recorder_folder(name) / "buffer"
    buffer.mkdir()
    (buffer / "data").touch()


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
