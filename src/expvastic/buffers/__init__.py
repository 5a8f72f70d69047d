"""Where containers wait for their recorder."""

from __future__ import annotations

from .disk import DiskBuffer
from .memory import MemoryBuffer

BUFFERS: dict[str, type[DiskBuffer | MemoryBuffer]] = {"memory": MemoryBuffer, "disk": DiskBuffer}
