"""The recorders, by the ``type`` that names them."""

from __future__ import annotations

from typing import Any

from ..recorder import Recorder
from ..registry import Registry


def _elasticsearch() -> type[Recorder[Any]]:
    from .elasticsearch import ElasticsearchRecorder

    return ElasticsearchRecorder


def _file() -> type[Recorder[Any]]:
    from .file import FileRecorder

    return FileRecorder


def _console() -> type[Recorder[Any]]:
    from .console import ConsoleRecorder

    return ConsoleRecorder


RECORDERS: Registry[type[Recorder[Any]]] = Registry(
    {"elasticsearch": _elasticsearch, "file": _file, "console": _console}
)
