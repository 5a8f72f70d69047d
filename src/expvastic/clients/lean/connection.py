"""One connection: a request goes out, the answer is framed and judged as it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import cast

import httptools

from ...errors import ReadError
from ..body import Body
from ..failures import ending_error, head_too_large, no_http
from ..fetch import Fetched
from .names import NAMES
from .opening import Abortable

Judge = Callable[[int, Mapping[bytes, bytes]], Body]
"""Status and headers (those of ``names.WANTED``) to what takes in the body; raises ReadError if no page follows."""

HEAD_LIMIT = 100 * 1024  # bytes of an answer that are not its body
_PIECE_HEAD = 256  # bytes that a piece of a body may cost beside itself

# What is in it is parsed before the loop goes on, so all connections of the one loop that a process has can share it.
_BUFFER = memoryview(bytearray(256 * 1024))

Outcome = Fetched | Exception


class Connection(Abortable):
    """Made by a loop's ``create_connection``; one request at a time.

    It closes itself after an answer that is no clean end of an exchange, and when bytes come that nobody asked for:
    they could be taken for the next answer. ``is_untouched`` says that nothing of the last answer has come.
    """

    __slots__ = (
        "_body",
        "_end",
        "_failure",
        "_headers",
        "_is_abandoned",
        "_is_complete",
        "_is_framed",
        "_is_interim",
        "_is_kept",
        "_judge",
        "_known_body",
        "_known_headers",
        "_loop",
        "_parser",
        "_pieces",
        "_room",
        "_started",
        "_transport",
        "_waiter",
        "_where",
        "is_untouched",
        "on_body",
    )

    def __init__(self, where: str, judge: Judge) -> None:
        self._where = where
        self._judge = judge
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Outcome] | None = None
        self._body: Body | None = None
        self._started = 0
        # An answer mostly has the head of the one before: then its body is taken in by the same rules.
        self._known_headers: Mapping[bytes, bytes] = {}
        self._known_body: Body | None = None
        self._is_abandoned = False
        self._pieces: list[bytes] = []  # of the body, that came since the loop last went on
        self.on_body = self._pieces.append  # called by the parser
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        # Not dangerous with a server of one's own choice; other clients have always put up with these.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_chunked_length=True, lenient_spaces_after_chunk_size=True
        )
        self._reset()

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        # A transport whose end the loop has seen, but not told yet, is closing; uvloop's takes offence at a write.
        transport = self._transport
        return transport is not None and self._waiter is None and not transport.is_closing()

    def ask(self, request: bytes, started: int) -> asyncio.Future[Outcome]:
        """Send a request, of a poll that started then by ``perf_counter_ns``.

        Whoever stops waiting for the outcome must ``abort()``.
        """
        assert self._transport is not None
        assert self._parser is not None
        self._reset()
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._started = started
        self._waiter = waiter = self._loop.create_future()
        self._transport.write(request)
        return waiter

    def abort(self) -> None:
        """Close, at once."""
        self._is_abandoned = True
        transport, self._transport = self._transport, None
        self._waiter = None
        self._parser = None  # it refers to us
        self._body = None
        if transport is not None:
            transport.abort()

    def _reset(self) -> None:
        self.is_untouched = True
        self._headers: dict[bytes, bytes] = {}
        self._body = None
        self._end = 0  # of the pieces, where the answer is complete
        self._failure: Exception | None = None
        self._room = HEAD_LIMIT
        self._is_interim = False
        self._is_framed = False
        self._is_complete = False
        self._is_kept = False

    def _settle(self, outcome: Outcome) -> None:
        waiter, self._waiter = self._waiter, None
        self._body = None
        self._pieces.clear()
        if not self._is_kept or isinstance(outcome, Exception):
            self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    def _whole(self) -> Outcome:
        assert self._body is not None
        try:
            return Fetched(self._body.finish(self._pieces), time.time_ns(), time.perf_counter_ns() - self._started)
        except ReadError as error:
            return error

    # -- called by the loop --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        if self._is_abandoned:  # whoever wanted it was cancelled before the handshake had begun
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # any size will do
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.abort()  # nobody asked
            return
        assert self._parser is not None
        self.is_untouched = False
        self._room -= nbytes
        try:
            self._parser.feed_data(_BUFFER[:nbytes])
        except httptools.HttpParserCallbackError as error:
            self._failure = self._failure or cast("Exception", error.__context__)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_kept = False
            if not self._is_complete:
                self._failure = self._failure or no_http(self._where)
        if self._is_complete and self._failure is None and self._room >= 0:
            del self._pieces[self._end :]
            self._settle(self._whole())
        else:
            self._take_in()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiter is not None:
            has_ended = exc is None and self._body is not None and not self._is_framed
            in_body = self._body is not None
            self._settle(self._whole() if has_ended else ending_error(exc, self._where, in_body=in_body))
        self.abort()

    def _take_in(self) -> None:
        """Judge what has come since the loop last went on of an answer that is large, or not to its end yet, or wrong.

        A body that is at fault counts before what came behind it.
        """
        pieces = self._pieces[: self._end] if self._is_complete else self._pieces[:]
        self._pieces.clear()
        if self._body is not None and pieces:
            came = b"".join(pieces)
            self._room += len(came) + _PIECE_HEAD * len(pieces)
            self._known_body = None  # it holds what is fed to it
            try:
                self._body.feed(came, len(pieces))
            except ReadError as error:
                self._failure = error
        if self._failure is not None:
            self._settle(self._failure)
        elif self._room < 0:
            self._settle(head_too_large(self._where))
        elif self._is_complete:
            self._settle(self._whole())

    # -- called by the parser --

    def on_message_begin(self) -> None:
        if self._is_complete:
            self._is_kept = False  # something follows the answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if (name := NAMES[name]) and self._body is None:  # else it is a trailer
            known = self._headers.get(name)
            self._headers[name] = value if known is None else b"%b, %b" % (known, value)

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self._is_complete:
            return
        status = parser.get_status_code()
        if 102 <= status < 200 or status == 100:
            self._is_interim = True
            self._headers.clear()
            return
        headers = self._headers
        coding = headers.get(b"transfer-encoding", b"chunked")
        if status < 100 or coding.lower() != b"chunked" or parser.get_http_version()[0] != "1":
            self._failure = no_http(self._where)
            return
        # Among chunks a missing CR is a length that is wrong.
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=False)
        self._is_kept = parser.should_keep_alive()
        self._is_framed = b"content-length" in headers or b"transfer-encoding" in headers
        self._body = self._body_of(status)

    def _body_of(self, status: int) -> Body | None:
        """What takes in the body; None where none follows that is a page."""
        known = self._known_body
        if known is not None and known.is_reusable and status == 200 and self._headers == self._known_headers:
            return known
        try:
            body = self._judge(status, self._headers)
        except ReadError as error:
            self._failure = error
            return None
        if status == 200:
            self._known_headers, self._known_body = self._headers, body
        return body

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = False
        elif not self._is_complete:
            self._is_complete = True
            self._end = len(self._pieces)
