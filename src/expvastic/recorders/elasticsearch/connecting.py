"""How a connection of our own is opened."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from ...clients.endpoint import Endpoint
from ...clients.failures import opening_error
from ...clients.lean.dial import dial
from ...clients.link import context_for, trust_shown
from ...clients.tls import Tls
from ...errors import ReadError
from .connection import Connection

_HANDSHAKE_TIME = 3600.0  # seconds; the deadline is the caller's


async def connect(endpoint: Endpoint, where: str, tls: Tls) -> Connection:
    """A connection that is ready. Raises ReadError."""
    context = await context_for(tls, endpoint, where) if endpoint.scheme == "https" else None
    try:
        return await _connect(endpoint, where, context)
    except ReadError as error:
        context = await trust_shown(error, tls)
        if context is None:
            raise
    return await _connect(endpoint, where, context)


async def _connect(endpoint: Endpoint, where: str, context: ssl.SSLContext | None) -> Connection:
    try:
        dialled = await dial(endpoint)
    except OSError as error:
        raise opening_error(error, where) from error
    connection = Connection(where)
    try:
        await _hand_over(connection, dialled, context, endpoint.host)
    except OSError as error:
        raise opening_error(error, where, in_handshake=context is not None) from error
    return connection


async def _hand_over(connection: Connection, dialled: socket.socket, context: ssl.SSLContext | None, host: str) -> None:
    """Hand a socket to the loop, which shakes hands on it if there is a context. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        if context is None:
            await loop.create_connection(lambda: connection, sock=dialled)
        else:
            await loop.create_connection(
                lambda: connection,
                sock=dialled,
                ssl=context,
                server_hostname=host,
                ssl_handshake_timeout=_HANDSHAKE_TIME,
            )
    except BaseException:
        # The loop closes what it has begun with, but not a handshake that it is just about to begin.
        connection.abort()
        with contextlib.suppress(OSError):
            dialled.shutdown(socket.SHUT_RDWR)
        raise
