"""One target's page by the lean way, poll after poll."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping

import anyio.lowlevel

from ...errors import ReadError
from ..answers import bad_status, begin_body
from ..body import Body
from ..endpoint import Endpoint
from ..fetch import Fetched, Fetcher
from ..link import context_for, trust_shown
from ..redirects import Hop, is_redirect, next_hop
from ..target import TargetSettings
from .connection import Connection
from .opening import open_connection

_PORTS = {"http": 80, "https": 443}


class _Elsewhere(ReadError):
    """The page is behind a redirect that may be followed."""


class LeanFetcher:
    """Fetches the page of one target by GET. Calls of ``fetch`` never overlap; the caller sets their deadline.

    Redirects are httpx's: a poll that meets one is asked anew by it, and so are the following ones, until one needs
    none any more.
    """

    __slots__ = (
        "_aside",
        "_connection",
        "_context",
        "_endpoint",
        "_request",
        "_settings",
        "_where",
    )

    def __init__(self, settings: TargetSettings) -> None:
        self._settings = settings
        self._endpoint = settings.target
        self._where = self._endpoint.address
        self._request = b""  # made with the first poll; it holds secrets
        self._connection: Connection | None = None
        self._context: ssl.SSLContext | None = None
        self._aside: Fetcher | None = None

    async def fetch(self) -> Fetched:
        """Get the page as it is now. Raises ReadError, with a reason out of ``failures.REASONS``."""
        started = time.perf_counter_ns()
        if self._aside is not None:
            return await self._fetch_aside(started)
        connection, outcome = self._connection, None
        try:
            if connection is not None and connection.is_open:
                outcome = await connection.ask(self._request, started)
            return outcome if isinstance(outcome, Fetched) else await self._ask_anew(outcome, started)
        except _Elsewhere:
            self._drop()
            self._aside = Fetcher(self._settings)
        except BaseException:
            self._drop()
            raise
        return await self._fetch_aside(started)

    async def _fetch_aside(self, started: int) -> Fetched:
        assert self._aside is not None
        fetched = await self._aside.fetch()
        if not self._aside.was_redirected:
            await self._leave_aside()
        return fetched._replace(duration=time.perf_counter_ns() - started)

    async def aclose(self) -> None:
        """Close what is open; the next ``fetch`` opens it anew."""
        if self._connection is not None:
            self._drop()
            await anyio.lowlevel.cancel_shielded_checkpoint()  # the loop closes sockets on its next turn
        await self._leave_aside()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    async def _leave_aside(self) -> None:
        aside, self._aside = self._aside, None
        if aside is not None:
            await aside.aclose()

    async def _ask_anew(self, failure: Exception | None, started: int) -> Fetched:
        """Ask over a new connection, where none was kept from an earlier poll, or the one that was kept was gone.

        It was gone if it ended before anything of an answer was there. Asking again is safe: polls are repeated anyway.
        """
        if failure is not None and not (_is_closed(failure) and self._connection and self._connection.is_untouched):
            raise failure
        self._connection = connection = await self._open()
        outcome = await connection.ask(self._request, started)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _open(self) -> Connection:
        if not self._request:
            self._request = _request(self._settings, self._endpoint)
        if self._endpoint.scheme == "https":
            self._context = await context_for(self._settings.tls, self._endpoint, self._where)
        try:
            return await self._dial()
        except ReadError as error:
            context = await trust_shown(error, self._settings.tls)
            if context is None:
                raise
        self._context = context
        return await self._dial()

    async def _dial(self) -> Connection:
        where = self._where
        return await open_connection(lambda: Connection(where, self._judge), self._endpoint, where, self._context)

    def _judge(self, status: int, headers: Mapping[bytes, bytes]) -> Body:
        settings = self._settings
        if not 200 <= status < 300:
            location = headers.get(b"location", b"").decode("latin-1")
            if is_redirect(status, location):
                next_hop(settings, Hop(self._endpoint, "GET", is_home=True), status, location)
                raise _Elsewhere("redirect", f"{self._where}: redirects")
            raise bad_status(settings, self._where, status)
        names = (b"content-type", b"content-encoding", b"content-length")
        kind, encoding, length = (headers.get(name, b"").decode("latin-1") for name in names)
        return begin_body(self._where, settings.max_body_bytes, kind, encoding, length)


def _request(settings: TargetSettings, endpoint: Endpoint) -> bytes:
    scheme, _, port = endpoint.origin
    host = endpoint.netloc.removesuffix(f":{port}") if port == _PORTS[scheme] else endpoint.netloc
    headers = dict([(b"host", host.encode()), *settings.request_headers(at_home=True)])
    lines = [b"GET %b HTTP/1.1" % (endpoint.path or "/").encode(), *(b"%b: %b" % item for item in headers.items())]
    return b"\r\n".join([*lines, b"", b""])


def _is_closed(failure: Exception) -> bool:
    return isinstance(failure, ReadError) and failure.reason == "closed"
