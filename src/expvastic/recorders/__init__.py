"""The recorders, by the ``type`` that names them."""

from __future__ import annotations

from typing import Any

from ..recorder import Recorder
from .console import ConsoleRecorder
from .elasticsearch import ElasticsearchRecorder
from .file import FileRecorder

RECORDERS: dict[str, type[Recorder[Any]]] = {
    "elasticsearch": ElasticsearchRecorder,
    "file": FileRecorder,
    "console": ConsoleRecorder,
}
