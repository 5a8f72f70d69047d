"""The connections to the listener: limited in number; those that are idle make room for new ones.

Nothing that a client does raises an exception out of a connection; at worst the connection ends.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..telemetry import Snapshot

if TYPE_CHECKING:
    from .conversation import Conversation

CONNECTIONS = 32


class Connections:
    """All connections of one listener. ``serve`` is called for each by the server, in a task of its own."""

    def __init__(self, snapshot: Callable[[], Snapshot], refresh: Callable[[], Awaitable[None]] | None = None) -> None:
        self._snapshot = snapshot
        self._refresh = refresh
        self._open: dict[asyncio.Task[None], StreamWriter] = {}
        self._idle: dict[asyncio.Task[None], None] = {}  # the one that is idle longest first
        self._is_closed = False

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection, until it ends."""
        task = asyncio.current_task()
        assert task is not None
        if self._is_closed or (len(self._open) >= CONNECTIONS and not self._make_room()):
            writer.transport.abort()
            return
        self._open[task] = writer
        try:
            conversation = load_conversation()
            await conversation(reader, writer, self._snapshot, self._refresh, _Idle(self._idle, task)).hold()
        except (OSError, TimeoutError):  # gone, or too slow
            writer.transport.abort()
        finally:
            self._open.pop(task, None)
            self._idle.pop(task, None)
            writer.close()

    async def close(self) -> None:
        """End all connections. What is aborted has nothing more to read, and so ends by itself."""
        self._is_closed = True
        for writer in self._open.values():
            writer.transport.abort()
        if self._open:
            await asyncio.wait(list(self._open))

    def _make_room(self) -> bool:
        """End the connection that is idle longest, if any is."""
        for task in self._idle:
            del self._idle[task]
            self._open.pop(task).transport.abort()
            return True
        return False


def load_conversation() -> type[Conversation]:
    """What holds a conversation: takes 10 ms, the first time."""
    from .conversation import Conversation

    return Conversation


class _Idle:
    """Entered while nothing is asked on a connection, again and again."""

    def __init__(self, idle: dict[asyncio.Task[None], None], task: asyncio.Task[None]) -> None:
        self._idle = idle
        self._task = task

    def __enter__(self) -> None:
        self._idle[self._task] = None

    def __exit__(self, *_: object) -> None:
        self._idle.pop(self._task, None)
