"""One target's page over httpx, poll after poll.

Theory of operation: a fetcher keeps one transport of httpx with one connection for its target; never a pool over many
targets, which grows slower with each of them. The transport is used directly: httpx's client would add cookies,
headers and a log line of its own. After a clean exchange the connection stays open, however long the interval is;
after anything else, a cancelled poll too, the transport is thrown away as a whole, and the next poll makes a fresh one.
A redirect to another origin gets a transport of its own for that one poll.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec.structs

from ..errors import ReadError
from .answers import bad_status, begin_body
from .failures import read_error
from .link import Link, has_surplus, open_link
from .redirects import MAX_REDIRECTS, Hop, is_redirect, next_hop, too_many
from .target import TargetSettings

if TYPE_CHECKING:
    import httpx


class Fetched(NamedTuple):
    """A body, the wall clock when its last byte arrived, and how long it took; in nanoseconds."""

    body: bytes
    time: int
    duration: int


class Fetcher:
    """Fetches the page of one target. Calls of ``fetch`` never overlap; the caller sets their deadline."""

    def __init__(
        self, settings: TargetSettings, method: str = "GET", content: bytes = b"", content_type: str = ""
    ) -> None:
        self._settings = settings
        self._where = settings.target.address
        self._content = content
        self._content_type = content_type.encode()
        self._first = Hop(settings.target, method, is_home=True)
        self._request: httpx.Request | None = None  # the first of every poll
        self._home: Link | None = None
        self._away: list[Link] = []
        self.was_redirected = False  # the last time

    async def fetch(self) -> Fetched:
        """Get the page as it is now. Raises ReadError, with a reason out of ``failures.REASONS``."""
        started = time.perf_counter_ns()
        self.was_redirected = False
        try:
            answer = await self._ask_home()
            if is_redirect(answer.status_code, _header(answer, "location")):
                answer = await self._follow(answer)
            elif not 200 <= answer.status_code < 300:
                raise bad_status(self._settings, self._where, answer.status_code)
            body, arrived = await self._receive(answer)
        except BaseException:
            await self.aclose()
            raise
        duration = time.perf_counter_ns() - started
        if self._away:
            await self._leave_away()
        elif has_surplus(answer):
            await self.aclose()
        return Fetched(body, arrived, duration)

    async def aclose(self) -> None:
        """Close what is open; the next ``fetch`` opens it anew."""
        home, self._home = self._home, None
        if home is not None:
            await home.aclose()
        await self._leave_away()

    async def _leave_away(self) -> None:
        while self._away:
            await self._away.pop().aclose()

    async def _ask_home(self) -> httpx.Response:
        """The answer to a poll's first request; asked once more if a connection kept from an earlier poll was gone.

        It was gone if it ended before the head of an answer was there. Asking again is safe: polls are repeated anyway.
        """
        if self._request is None:
            self._request = self._make_request(self._first)
        link = await self._home_link()
        try:
            answer = await self._ask(link, self._request)
        except ReadError as error:
            if error.reason != "closed" or not link.has_answered:
                raise
            await self.aclose()
            link = await self._home_link()
            answer = await self._ask(link, self._request)
        link.has_answered = True
        return answer

    async def _follow(self, answer: httpx.Response) -> httpx.Response:
        hop = self._first
        self.was_redirected = True
        for _ in range(MAX_REDIRECTS):
            hop = next_hop(self._settings, hop, answer.status_code, _header(answer, "location"))
            await answer.aclose()
            link = await self._home_link() if hop.is_home else await self._away_link(hop)
            answer = await self._ask(link, self._make_request(hop))
            if not is_redirect(answer.status_code, _header(answer, "location")):
                if not 200 <= answer.status_code < 300:
                    raise bad_status(self._settings, self._where, answer.status_code, hop)
                return answer
        raise too_many(self._settings)

    async def _ask(self, link: Link, request: httpx.Request) -> httpx.Response:
        import httpx

        request.extensions = link.extensions
        try:
            return await link.transport.handle_async_request(request)
        except (httpx.HTTPError, OSError) as error:
            raise read_error(error, self._where, through_proxy=link.is_proxied) from error

    async def _receive(self, answer: httpx.Response) -> tuple[bytes, int]:
        """The body, and when it was there. Raises ReadError if it is no page, or not to be had."""
        import httpx

        names = ("content-type", "content-encoding", "content-length")
        body = begin_body(self._where, self._settings.max_body_bytes, *(_header(answer, name) for name in names))
        try:
            async for piece in answer.aiter_raw():
                body.feed(piece)
        except (httpx.HTTPError, OSError) as error:
            raise read_error(error, self._where, through_proxy=False) from error
        return body.finish(), time.time_ns()

    def _make_request(self, hop: Hop) -> httpx.Request:
        import httpx

        headers = self._settings.request_headers(at_home=hop.is_home)
        if hop.method != "POST":
            return httpx.Request(hop.method, hop.endpoint.url, headers=headers)
        if self._content_type and b"content-type" not in dict(headers):
            headers.append((b"content-type", self._content_type))
        return httpx.Request(hop.method, hop.endpoint.url, headers=headers, content=self._content)

    async def _home_link(self) -> Link:
        if self._home is None:
            settings = self._settings
            self._home = await open_link(settings.target, self._where, settings.tls, settings.proxy)
        return self._home

    async def _away_link(self, hop: Hop) -> Link:
        tls = msgspec.structs.replace(self._settings.tls, cert_file=None, key_file=None)
        self._away.append(await open_link(hop.endpoint, self._where, tls, self._settings.proxy))
        return self._away[-1]


def _header(answer: httpx.Response, name: str) -> str:
    return str(answer.headers.get(name, ""))
