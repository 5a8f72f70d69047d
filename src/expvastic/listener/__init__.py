"""Lets others look in: serves the views of this process on a loopback address or a unix socket, read-only."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from ..errors import ExpvasticError
from ..telemetry import Snapshot
from .address import TcpAddress, UnixAddress, parse_listen
from .connections import Connections, load_conversation
from .unix import UnixSocket

__all__ = ["Listener", "TcpAddress", "UnixAddress", "parse_listen"]

LOADED_AFTER = 1.0  # seconds; what is said on a connection is no concern of the first polls
_TROUBLES = {
    errno.EADDRINUSE: "is in use; choose another port",
    errno.EACCES: "is not allowed for this user; choose a port above 1023",
    errno.EADDRNOTAVAIL: "is no address of this machine; choose 127.0.0.1",
}


class Listener:
    """Serves as long as it is entered. ``listen`` is written as ``parse_listen`` reads it.

    ``refresh`` is awaited before a ``snapshot`` is asked for, where that is made of what others have to tell first; it
    raises nothing, and does not take long.

    Entering raises ExpvasticError, with one line for the user, if the address cannot be had.
    """

    def __init__(
        self, listen: str, snapshot: Callable[[], Snapshot], refresh: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._listen = listen
        self._address = parse_listen(listen)
        self._snapshot = snapshot
        self._refresh = refresh
        self._server: asyncio.Server | None = None
        self._unix: UnixSocket | None = None
        self._connections: Connections | None = None
        self._loading: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port that it listens on, also where port 0 left the choice to the system; 0 for a unix socket."""
        if self._server is None or isinstance(self._address, UnixAddress):
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._connections = Connections(self._snapshot, self._refresh)
        try:
            if isinstance(self._address, UnixAddress):
                self._unix = UnixSocket(self._address.path)
                self._server = await asyncio.start_unix_server(self._connections.serve, sock=self._unix.open())
            else:
                self._server = await asyncio.start_server(self._connections.serve, *self._address)
        except OSError as error:
            trouble = _TROUBLES.get(error.errno or 0, f"cannot be had: {error.strerror or error}")
            raise ExpvasticError(f"settings.listen: {self._listen} {trouble}") from error
        # Not when the first one asks, which may be long after somebody has put another version in this one's place.
        self._loading = asyncio.get_running_loop().call_later(LOADED_AFTER, load_conversation)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loading is not None:
            self._loading.cancel()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        if self._unix is not None:
            self._unix.remove()
        if self._connections is not None:
            await self._connections.close()
