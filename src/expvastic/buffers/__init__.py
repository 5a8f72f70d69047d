"""Where containers wait for their recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..registry import Registry

if TYPE_CHECKING:
    from .disk import DiskBuffer
    from .memory import MemoryBuffer


def _memory() -> type[MemoryBuffer]:
    from .memory import MemoryBuffer

    return MemoryBuffer


def _disk() -> type[DiskBuffer]:
    from .disk import DiskBuffer

    return DiskBuffer


BUFFERS: Registry[type[DiskBuffer | MemoryBuffer]] = Registry({"memory": _memory, "disk": _disk})
