"""A connection through a proxy, which is left to httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import httpx

from ...clients.body import Body
from ...clients.endpoint import Endpoint
from ...clients.failures import read_error
from ...clients.link import Link, open_link
from ...clients.tls import Tls
from .exchange import LARGEST_ANSWER, PIECE, Heard, Progress, Request


class _Upload(httpx.AsyncByteStream):
    """A request's body in pieces: none is asked for before the system has taken the one before."""

    def __init__(self, body: bytes, progress: Progress) -> None:
        self._body = memoryview(body)
        self._progress = progress

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._progress.has_begun = self._progress.is_under_way = True
        for start in range(0, len(self._body), PIECE):
            yield bytes(self._body[start : start + PIECE])
        self._progress.is_under_way = False


class ProxiedLine:
    """A line over a link; ``base_url`` is the node's."""

    def __init__(self, link: Link, base_url: str) -> None:
        self._link = link
        self._base_url = base_url
        self.is_open = True

    async def exchange(self, request: Request, progress: Progress) -> Heard:
        """Send a request and hear the answer. Raises ReadError; after any error this is to be closed."""
        sent = httpx.Request(
            request.method,
            httpx.URL(self._base_url).copy_with(raw_path=request.target),
            headers=dict(request.headers),
            content=request.body or None,
            extensions=self._link.extensions,
        )
        sent.stream = _Upload(request.body, progress)
        try:
            response = await self._link.transport.handle_async_request(sent)
            return Heard(response.status_code, response.headers.get("retry-after", ""), await self._receive(response))
        except (httpx.HTTPError, OSError) as error:
            raise read_error(error, self._base_url, through_proxy=self._link.is_proxied) from error

    async def aclose(self) -> None:
        """Close it, even when cancelled."""
        await self._link.aclose()

    async def _receive(self, response: httpx.Response) -> bytes:
        body = Body(response.headers.get("content-encoding", ""), LARGEST_ANSWER, self._base_url)
        async for piece in response.aiter_raw():
            body.feed(piece)
        return body.finish()


async def open_proxied(
    endpoint: Endpoint, base_url: str, tls: Tls, proxy: Endpoint | Literal["environment"]
) -> ProxiedLine:
    """A line through a proxy; nothing is sent yet. Raises ReadError."""
    return ProxiedLine(await open_link(endpoint, base_url, tls, proxy), base_url)
