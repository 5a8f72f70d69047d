"""How a connection of our own is opened."""

from __future__ import annotations

from ...clients.endpoint import Endpoint
from ...clients.lean.opening import open_connection
from ...clients.link import context_for, trust_shown
from ...clients.tls import Tls
from ...errors import ReadError
from .connection import Connection


async def connect(endpoint: Endpoint, where: str, tls: Tls) -> Connection:
    """A connection that is ready. Raises ReadError."""
    context = await context_for(tls, endpoint, where) if endpoint.scheme == "https" else None
    try:
        return await open_connection(lambda: Connection(where), endpoint, where, context)
    except ReadError as error:
        context = await trust_shown(error, tls)
        if context is None:
            raise
    return await open_connection(lambda: Connection(where), endpoint, where, context)
