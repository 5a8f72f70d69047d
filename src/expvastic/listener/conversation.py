"""What is said on one connection: HTTP/1.1 with keep-alive, limited in time and size. Loaded when somebody comes."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from email.utils import formatdate

import h11

from ..telemetry import Snapshot
from .answers import Answer, answer

HEADER_LIMIT = 16 * 2**10  # bytes
REQUEST_LIMIT = 10.0  # seconds from a request's first byte until its answer is taken
IDLE_LIMIT = 120.0  # seconds between requests
_LINGER_LIMIT = 1.0  # seconds in which a client may still be sending what nobody reads
_BLOCK = 64 * 2**10


class Conversation:
    """One connection's. ``idle`` is entered while nothing is asked."""

    def __init__(
        self,
        reader: StreamReader,
        writer: StreamWriter,
        snapshot: Callable[[], Snapshot],
        refresh: Callable[[], Awaitable[None]] | None,
        idle: AbstractContextManager[None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._snapshot = snapshot
        self._refresh = refresh
        self._idle = idle
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_LIMIT)

    async def hold(self) -> None:
        """Answer request after request, until one side is done.

        Raises OSError if the client is gone, TimeoutError if it is too slow.
        """
        connection = self._connection
        try:
            while await self._has_more():
                async with asyncio.timeout(REQUEST_LIMIT):
                    request = await self._next_event()
                    assert isinstance(request, h11.Request)  # nothing else begins with bytes
                    await self._respond(request)
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    break
                connection.start_next_cycle()
            else:
                return
        except h11.RemoteProtocolError as error:
            await self._complain(error)
        await self._linger()

    async def _has_more(self) -> bool:
        """Wait for the first bytes of the next request; False if the client is done."""
        if self._connection.trailing_data[0]:
            return True
        with self._idle:
            async with asyncio.timeout(IDLE_LIMIT):
                data = await self._reader.read(_BLOCK)
        self._connection.receive_data(data)
        return bool(data)

    async def _next_event(self) -> object:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(await self._reader.read(_BLOCK))
        return event

    async def _respond(self, request: h11.Request) -> None:
        is_whole = isinstance(self._connection.next_event(), h11.EndOfMessage)  # a body is never read
        if self._refresh is not None:
            await self._refresh()
        given = answer(request.method, request.target, self._snapshot)
        await self._send(given, ends=not is_whole, has_body=request.method != b"HEAD")

    async def _send(self, given: Answer, *, ends: bool, has_body: bool = True) -> None:
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
        self._writer.write(b"".join(self._connection.send(event) or b"" for event in events))
        await self._writer.drain()

    async def _complain(self, error: h11.RemoteProtocolError) -> None:
        given = Answer(error.error_status_hint, "text/plain; charset=utf-8", "bad request\n")
        async with asyncio.timeout(REQUEST_LIMIT):
            await self._send(given, ends=True)

    async def _linger(self) -> None:
        """Let the client read the answer: closing at once, with bytes of it unread, would take the answer away."""
        self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_LIMIT):
                while await self._reader.read(_BLOCK):
                    pass
