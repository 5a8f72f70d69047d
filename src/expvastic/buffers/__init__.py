"""Where containers wait for their recorder."""

from __future__ import annotations

from ..buffer import Buffer
from .memory import MemoryBuffer

BUFFERS: dict[str, type[Buffer]] = {"memory": MemoryBuffer}
