"""Connections to the listener: HTTP/1.1 with keep-alive, limited in number, time and size.

Nothing that a client does raises an exception out of a connection; at worst the connection ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from email.utils import formatdate

import h11

from ..telemetry import Snapshot
from .answers import Answer, answer

CONNECTIONS = 32
HEADER_LIMIT = 16 * 2**10  # bytes
REQUEST_LIMIT = 10.0  # seconds from a request's first byte until its answer is taken
IDLE_LIMIT = 120.0  # seconds between requests
_LINGER_LIMIT = 1.0  # seconds in which a client may still be sending what nobody reads
_BLOCK = 64 * 2**10


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
            await self._converse(reader, writer, task)
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

    async def _converse(self, reader: StreamReader, writer: StreamWriter, task: asyncio.Task[None]) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_LIMIT)
        try:
            while await self._has_more(connection, reader, task):
                async with asyncio.timeout(REQUEST_LIMIT):
                    request = await _next_event(connection, reader)
                    assert isinstance(request, h11.Request)  # nothing else begins with bytes
                    await self._respond(connection, writer, request)
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    break
                connection.start_next_cycle()
            else:
                return
        except h11.RemoteProtocolError as error:
            await _complain(connection, writer, error)
        await _linger(reader, writer)

    async def _has_more(self, connection: h11.Connection, reader: StreamReader, task: asyncio.Task[None]) -> bool:
        """Wait for the first bytes of the next request; False if the client is done."""
        if connection.trailing_data[0]:
            return True
        self._idle[task] = None
        try:
            async with asyncio.timeout(IDLE_LIMIT):
                data = await reader.read(_BLOCK)
        finally:
            self._idle.pop(task, None)
        connection.receive_data(data)
        return bool(data)

    async def _respond(self, connection: h11.Connection, writer: StreamWriter, request: h11.Request) -> None:
        is_whole = isinstance(connection.next_event(), h11.EndOfMessage)  # a body is never read
        if self._refresh is not None:
            await self._refresh()
        given = answer(request.method, request.target, self._snapshot)
        await _send(connection, writer, given, ends=not is_whole, has_body=request.method != b"HEAD")


async def _next_event(connection: h11.Connection, reader: StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(_BLOCK))
    return event


async def _send(
    connection: h11.Connection, writer: StreamWriter, given: Answer, *, ends: bool, has_body: bool = True
) -> None:
    body = given.body.encode("utf-8", "replace")
    headers = [
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", given.content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if given.status == 405:
        headers.append(("Allow", "GET, HEAD"))
    if ends:
        headers.append(("Connection", "close"))
    events: list[h11.Event] = [h11.Response(status_code=given.status, headers=headers), h11.EndOfMessage()]
    if has_body:
        events.insert(1, h11.Data(data=body))
    writer.write(b"".join(connection.send(event) or b"" for event in events))
    await writer.drain()


async def _complain(connection: h11.Connection, writer: StreamWriter, error: h11.RemoteProtocolError) -> None:
    given = Answer(error.error_status_hint, "text/plain; charset=utf-8", "bad request\n")
    async with asyncio.timeout(REQUEST_LIMIT):
        await _send(connection, writer, given, ends=True)


async def _linger(reader: StreamReader, writer: StreamWriter) -> None:
    """Let the client read the answer: closing at once, with bytes of it unread, would take the answer away."""
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_LIMIT):
            while await reader.read(_BLOCK):
                pass
