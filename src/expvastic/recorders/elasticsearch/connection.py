"""A connection of our own: a request goes out piece by piece, the answer is taken in as it comes.

Theory of operation: a piece is written when the system has taken the one before, so that a connection which breaks
tells how far the body came. An answer that comes before that is an answer all the same, mostly a refusal: the rest is
not sent, and the connection closed. It also closes itself after an answer that is no clean end of an exchange, and
when bytes come that nobody asked for: they could be taken for the next answer.
"""

from __future__ import annotations

import asyncio
from typing import cast

import anyio.lowlevel
import httptools

from ...clients.body import Body
from ...clients.failures import ending_error, head_too_large, no_http
from ...clients.lean.opening import Abortable
from ...errors import ReadError
from .exchange import LARGEST_ANSWER, PIECE, Heard, Progress, Request

_WANTED = frozenset([b"content-encoding", b"content-length", b"transfer-encoding", b"retry-after"])
_HEAD_LIMIT = 100 * 1024  # bytes of an answer that are not its body
_PIECE_HEAD = 256  # bytes that a piece of a body may cost beside itself
_BODIED = ("POST", "PUT", "PATCH")  # tell the length of their body even if they have none

# What is in it is parsed before the loop goes on, so all connections of the one loop that a process has can share it.
_BUFFER = memoryview(bytearray(64 * 1024))


class Connection(Abortable):
    """Made by a loop's ``create_connection``; ``where`` is named in complaints."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._transport: asyncio.Transport | None = None
        self._outcome: asyncio.Future[Heard | ReadError] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._body: Body | None = None
        self._is_paused = False
        self._is_abandoned = False
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # Not dangerous with a server of one's own choice; other clients have always put up with these.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_chunked_length=True, lenient_spaces_after_chunk_size=True
        )
        self._begin()

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent, as far as is known."""
        transport = self._transport
        return transport is not None and self._outcome is None and not transport.is_closing()

    async def exchange(self, request: Request, progress: Progress) -> Heard:
        """Send a request and hear the answer. Raises ReadError; after any error this is to be closed."""
        transport, parser = self._transport, self._parser
        if transport is None or parser is None or transport.is_closing():
            raise ending_error(None, self._where, in_body=False)
        head = _write_head(request, self._where)
        self._begin()
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._outcome = outcome = asyncio.get_running_loop().create_future()
        progress.has_begun = progress.is_under_way = True
        is_sent = await self._send(transport, head, memoryview(request.body), progress)
        heard: Heard | ReadError = await outcome
        if isinstance(heard, ReadError):
            raise heard
        if not is_sent:  # the server did not want the rest
            self.abort()
        return heard

    async def aclose(self) -> None:
        """Close it, even when cancelled."""
        self.abort()
        await anyio.lowlevel.cancel_shielded_checkpoint()  # the loop closes sockets on its next turn

    def abort(self) -> None:
        """Close, at once."""
        self._is_abandoned = True
        transport, self._transport = self._transport, None
        self._parser = None  # it refers to us
        self._body = None
        if transport is not None:
            transport.abort()

    async def _send(self, transport: asyncio.Transport, head: bytes, body: memoryview, progress: Progress) -> bool:
        """Write until all is taken, the connection breaks, or the answer is there; returns whether all is taken."""
        transport.write(b"".join((head, body[:PIECE])))
        rest = body[PIECE:]
        if rest:
            await asyncio.sleep(0)  # only in its turns does the loop learn that a connection stands no more
        while self._outcome is not None:
            if self._is_paused:
                self._drained = asyncio.get_running_loop().create_future()
                await self._drained
            elif transport.is_closing():  # uvloop's takes offence at a write
                break
            elif rest:
                transport.write(rest[:PIECE])
                rest = rest[PIECE:]
                await asyncio.sleep(0)
            else:
                progress.is_under_way = False
                break
        return not rest and not self._is_paused

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._body = None
        self._status = 0
        self._failure: ReadError | None = None
        self._room = _HEAD_LIMIT
        self._is_interim = self._is_framed = self._is_complete = self._is_kept = False

    def _settle(self, outcome: Heard | ReadError) -> None:
        future, self._outcome = self._outcome, None
        self._body = None
        if not self._is_kept or isinstance(outcome, ReadError):
            self.abort()
        if future is not None and not future.done():
            future.set_result(outcome)
        self._go_on()

    def _whole(self) -> Heard | ReadError:
        assert self._body is not None
        wish = self._headers.get(b"retry-after", b"").decode("latin-1")
        try:
            return Heard(self._status, wish, self._body.finish())
        except ReadError as error:
            return error

    def _go_on(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # -- called by the loop --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)
        if self._is_abandoned:  # whoever wanted it was cancelled before the handshake had begun
            self.abort()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._go_on()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # any size will do
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        if self._outcome is None or self._outcome.done():
            self.abort()  # nobody asked
            return
        self._room -= nbytes
        self._parse(_BUFFER[:nbytes])
        if self._failure is not None:
            self._settle(self._failure)
        elif self._room < 0:
            self._settle(head_too_large(self._where))
        elif self._is_complete:
            self._settle(self._whole())

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._outcome is not None:
            in_body = self._body is not None
            has_ended = exc is None and in_body and not self._is_framed
            self._settle(self._whole() if has_ended else ending_error(exc, self._where, in_body=in_body))
        self.abort()

    def _parse(self, data: memoryview) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._failure = self._failure or cast("ReadError", error.__context__)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_kept = False
            if not self._is_complete:
                self._failure = self._failure or no_http(self._where)

    # -- called by the parser --

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._is_kept = False  # something follows the answer

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _WANTED and self._body is None and not self._is_complete:
            known = self._headers.get(name)
            self._headers[name] = value if known is None else b"%b, %b" % (known, value)

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self._is_complete:
            return
        self._status = parser.get_status_code()
        if 102 <= self._status < 200 or self._status == 100:
            self._is_interim = True
            self._headers.clear()
            return
        coding = self._headers.get(b"transfer-encoding", b"chunked")
        if self._status < 100 or coding.lower() != b"chunked" or parser.get_http_version()[0] != "1":
            self._failure = no_http(self._where)
            return
        # Among chunks a missing CR is a length that is wrong.
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=False)
        self._is_kept = parser.should_keep_alive()
        self._is_framed = not self._headers.keys().isdisjoint((b"content-length", b"transfer-encoding"))
        try:
            encoding = self._headers.get(b"content-encoding", b"").decode("latin-1")
            self._body = Body(encoding, LARGEST_ANSWER, self._where)
        except ReadError as error:
            self._failure = error

    def on_body(self, body: bytes) -> None:
        self._room += len(body) + _PIECE_HEAD
        if self._failure is None and self._body is not None and not self._is_complete:
            try:
                self._body.feed(body)
            except ReadError as error:
                self._failure = error

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = False
        else:
            self._is_complete = True


def _write_head(request: Request, where: str) -> bytes:
    """The lines before the body. Raises ReadError if they cannot be written."""
    lines = [f"{request.method} {request.target.decode('ascii')} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.method in _BODIED:
        lines.append(f"content-length: {len(request.body)}")
    text = "\r\n".join([*lines, "", ""])
    if text.count("\n") != len(lines) + 1 or text.count("\r") != len(lines) + 1 or "\0" in text or not text.isascii():
        raise ReadError("protocol", f"{where}: the request cannot be written as HTTP/1.1; check the credentials")
    return text.encode("ascii")
