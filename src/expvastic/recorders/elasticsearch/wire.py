"""The official client's innermost parts, made to suit all servers that we write to. Loaded when one is contacted.

A node sends plain media types where the client would send versioned ones, which Elasticsearch 8 refuses from a client
of 9, and OpenSearch always; and it vouches for the product, whose header OpenSearch and proxies leave out. Bodies are
handed on as they came, whatever their type, so that no answer loses its status. Nothing is logged, nothing is retried,
and deadlines are the caller's.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import ClassVar, NamedTuple

import anyio
import anyio.to_thread
import httpx
from elastic_transport import ApiResponseMeta, BaseAsyncNode, HttpHeaders, NodeConfig, Serializer, TransportApiResponse
from elastic_transport import ConnectionError as NoAnswer

from ...clients.body import Body
from ...clients.endpoint import Endpoint
from ...clients.failures import read_error
from ...clients.link import Link, open_link
from ...clients.target import Proxy
from ...clients.tls import Tls
from ...errors import ReadError
from .aws import NoCredentials, Signer, spell_query

LARGEST_ANSWER = 32 * 2**20  # bytes, inflated
_PIECE = 128 * 1024  # bytes; each costs a turn of the event loop, and a larger one tells less of how far the body came
_KEPT_ALIVE = 55.0  # seconds; balancers forget idle connections after 60, and some tell nobody
_VERSIONED = re.compile(r"vnd\.elasticsearch\+([\w-]+); *compatible-with=\d+")
_OURS = {"user-agent": "expvastic", "accept-encoding": "gzip"}


class NothingSent(ReadError):
    """The request failed before anything of its body had been sent."""


class BodyCut(ReadError):
    """The connection broke before all of the request's body had been sent."""


class _Upload(httpx.AsyncByteStream):
    """A request's body in pieces: none is asked for before the system has taken the one before.

    So ``is_under_way`` is true while the body is being sent; only what the system itself holds counts as sent too soon.
    """

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self.has_begun = False
        self.is_under_way = False

    def explain(self, failure: ReadError) -> ReadError:
        """The failure of a request, as one that says how far its body came."""
        if not self.has_begun:
            return NothingSent(failure.reason, str(failure))
        return BodyCut(failure.reason, str(failure)) if self.is_under_way else failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.has_begun = self.is_under_way = True
        for start in range(0, len(self._body), _PIECE):
            yield bytes(self._body[start : start + _PIECE])
        self.is_under_way = False


class _Kept(NamedTuple):
    """A connection that waits for its next request, and since when."""

    link: Link
    since: float


class PlainNode(BaseAsyncNode):
    """A node with a connection for each of the requests that overlap; none is used again but after a whole answer.

    An error's ``__cause__`` is a ReadError, whose type and reason say how far the request came. ``when_given_up`` is
    called when a request is cancelled: nobody else learns that there was no answer.
    """

    tls: ClassVar[Tls]
    proxy: ClassVar[Proxy | None]
    signer: ClassVar[Signer | None]

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self.under_way = 0  # requests
        self.when_given_up: Callable[[BaseAsyncNode], None] = lambda _: None
        self._endpoint = Endpoint("https" if config.scheme == "https" else "http", config.host, config.port)
        self._kept: list[_Kept] = []  # that which was used last is the last
        self._is_closed = False

    async def perform_request(  # type: ignore[override]
        self, method: str, target: str, body: bytes | None = None, headers: HttpHeaders | None = None, **_: object
    ) -> TransportApiResponse:
        """Send a request; the answer's body is raw. Raises elastic_transport's ConnectionError if there is none."""
        self.under_way += 1
        upload = _Upload(body or b"")
        try:
            request = await self._make(method, target, body or b"", headers or HttpHeaders())
            request.stream = upload
            response, content = await self._exchange(request)
        except ReadError as error:
            failure = upload.explain(error)
            raise NoAnswer(_advise(failure)) from failure
        except anyio.get_cancelled_exc_class():
            self.when_given_up(self)
            raise
        finally:
            self.under_way -= 1
        return TransportApiResponse(self._describe(response), content)

    async def close(self) -> None:  # type: ignore[override]
        """Close all connections: those that wait now, those in use after their answer."""
        self._is_closed = True
        kept, self._kept = self._kept, []
        async with anyio.create_task_group() as group:
            for link, _ in kept:
                group.start_soon(link.aclose)

    async def _make(self, method: str, target: str, body: bytes, headers: HttpHeaders) -> httpx.Request:
        sent = {name: _VERSIONED.sub(r"\1", value) for name, value in headers.items()} | _OURS
        if self.signer is None:
            return httpx.Request(method, _parse_url(self.base_url + target), headers=sent, content=body or None)
        request = httpx.Request(method, self.base_url + spell_query(target), headers=sent, content=body or None)
        host = request.headers["host"]
        url = f"{self.config.scheme}://{host}{request.url.raw_path.decode()}"
        try:
            signed = await anyio.to_thread.run_sync(self.signer.sign, method, url, host, body, abandon_on_cancel=True)
        except NoCredentials as error:
            raise NothingSent("credentials", f"{self.base_url}: {error}") from error
        request.headers.update(signed)
        return request

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        link = await self._take()
        try:
            request.extensions = link.extensions
            response = await link.transport.handle_async_request(request)
            content = await self._receive(response)
        except BaseException as error:
            await link.aclose()
            if isinstance(error, httpx.HTTPError | OSError):
                raise read_error(error, self.base_url, through_proxy=link.is_proxied) from error
            raise
        await self._keep(link)
        return response, content

    async def _take(self) -> Link:
        """The connection that was used last, or a new one; what has waited too long is closed."""
        latest = time.monotonic() - _KEPT_ALIVE
        while self._kept and self._kept[0].since < latest:
            await self._kept.pop(0).link.aclose()
        if self._kept:
            return self._kept.pop().link
        return await open_link(self._endpoint, self.base_url, self.tls, self.proxy)

    async def _keep(self, link: Link) -> None:
        if self._is_closed:
            await link.aclose()
        else:
            self._kept.append(_Kept(link, time.monotonic()))

    async def _receive(self, response: httpx.Response) -> bytes:
        body = Body(response.headers.get("content-encoding", ""), LARGEST_ANSWER, self.base_url)
        async for piece in response.aiter_raw():
            body.feed(piece)
        return body.finish()

    def _describe(self, response: httpx.Response) -> ApiResponseMeta:
        headers = HttpHeaders({"x-elastic-product": "Elasticsearch"})
        if wish := response.headers.get("retry-after"):
            headers["retry-after"] = wish
        return ApiResponseMeta(response.status_code, response.http_version, headers, 0.0, self.config)


@functools.lru_cache(maxsize=64)
def _parse_url(url: str) -> httpx.URL:
    """Mostly it is the same one."""
    return httpx.URL(url)


def node_class(tls: Tls, proxy: Proxy | None, signer: Signer | None = None) -> type[PlainNode]:
    """The class of nodes that are reached in this way; the client makes its nodes itself."""
    return type("PlainNode", (PlainNode,), {"tls": tls, "proxy": proxy, "signer": signer})


class PlainSerializer(Serializer):
    """Leaves bytes as they are, both ways."""

    mimetype = "application/json"

    def loads(self, data: bytes) -> bytes:
        return data

    def dumps(self, data: bytes) -> bytes:
        return data


def _advise(failure: ReadError) -> str:
    if failure.reason == "connect":
        return f"{failure}; is Elasticsearch running?"
    if failure.reason == "too_large":
        return str(failure).replace("max_body_bytes, ", "")
    return str(failure)
