"""Where containers wait for their recorder."""

from __future__ import annotations

from collections.abc import Callable

from ..buffer import Buffer, BufferSettings
from .memory import MemoryBuffer

BUFFERS: dict[str, Callable[[BufferSettings], Buffer]] = {"memory": MemoryBuffer}
