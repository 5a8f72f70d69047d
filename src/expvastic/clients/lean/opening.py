"""A protocol of ours upon a connected socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from ..endpoint import Endpoint
from ..failures import opening_error
from .dial import dial

_HANDSHAKE_TIME = 3600.0  # seconds; the deadline is the caller's


class Abortable(asyncio.BufferedProtocol):
    """A protocol that can be told to close."""

    __slots__ = ()

    @abstractmethod
    def abort(self) -> None:
        """Close, at once."""


C = TypeVar("C", bound=Abortable)


async def open_connection(make: Callable[[], C], endpoint: Endpoint, where: str, context: ssl.SSLContext | None) -> C:
    """Dial an endpoint, and have the loop go on with what is made then, under TLS if there is a context.

    Raises ReadError.
    """
    try:
        dialled = await dial(endpoint)
    except OSError as error:
        raise opening_error(error, where) from error
    connection = make()  # not before: it and its parser refer to each other until it is aborted
    try:
        await _hand_over(connection, dialled, context, endpoint.host)
    except OSError as error:
        raise opening_error(error, where, in_handshake=context is not None) from error
    return connection


async def _hand_over(connection: Abortable, dialled: socket.socket, context: ssl.SSLContext | None, host: str) -> None:
    """Hand a socket to the loop, which shakes hands on it if there is a context. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        if context is not None:
            await loop.create_connection(
                lambda: connection,
                sock=dialled,
                ssl=context,
                server_hostname=host,
                ssl_handshake_timeout=_HANDSHAKE_TIME,
            )
        elif dialled.family == socket.AF_UNIX:
            await loop.create_unix_connection(lambda: connection, sock=dialled)
        else:
            await loop.create_connection(lambda: connection, sock=dialled)
    except BaseException:
        # The loop closes what it has begun with, but not a handshake that it is just about to begin.
        connection.abort()
        with contextlib.suppress(OSError):
            dialled.shutdown(socket.SHUT_RDWR)
        raise
