"""The official client's innermost parts, made to suit all servers that we write to. Loaded when one is contacted.

A node sends plain media types where the client would send versioned ones, which Elasticsearch 8 refuses from a client
of 9, and OpenSearch always; and it vouches for the product, whose header OpenSearch and proxies leave out. Bodies are
handed on as they came, whatever their type, so that no answer loses its status. Nothing is logged, nothing is retried,
and deadlines are the caller's.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import ClassVar

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

LARGEST_ANSWER = 32 * 2**20  # bytes, inflated
_PIECE = 64 * 1024  # bytes
_KEPT_ALIVE = 55.0  # seconds; balancers forget idle connections after 60, and some tell nobody
_VERSIONED = re.compile(r"vnd\.elasticsearch\+([\w-]+); *compatible-with=\d+")
_OURS = {"user-agent": "expvastic", "accept-encoding": "gzip"}


class BodyCut(ReadError):
    """The connection broke before all of the request's body had been sent."""


class _Upload(httpx.AsyncByteStream):
    """A request's body in pieces: none is asked for before the system has taken the one before.

    So ``is_under_way`` is true while the body is being sent; only what the system itself holds counts as sent too soon.
    """

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self.is_under_way = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_under_way = True
        for start in range(0, len(self._body), _PIECE):
            yield bytes(self._body[start : start + _PIECE])
        self.is_under_way = False


class PlainNode(BaseAsyncNode):
    """A node with one connection; its requests never overlap, because those of a recorder don't.

    An error's ``__cause__`` is a ReadError, whose reason says how far the request came.
    """

    tls: ClassVar[Tls]
    proxy: ClassVar[Proxy | None]

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._endpoint = Endpoint("https" if config.scheme == "https" else "http", config.host, config.port)
        self._link: Link | None = None
        self._is_proxied = False
        self._used = 0.0

    async def perform_request(  # type: ignore[override]
        self, method: str, target: str, body: bytes | None = None, headers: HttpHeaders | None = None, **_: object
    ) -> TransportApiResponse:
        """Send a request; the answer's body is raw. Raises elastic_transport's ConnectionError if there is none."""
        sent = {name: _VERSIONED.sub(r"\1", value) for name, value in (headers or {}).items()}
        request = httpx.Request(method, self.base_url + target, headers={**sent, **_OURS}, content=body)
        request.stream = upload = _Upload(body or b"")
        try:
            response, content = await self._exchange(request)
        except (httpx.HTTPError, OSError) as error:
            failure = read_error(error, self.base_url, through_proxy=self._is_proxied)
            if upload.is_under_way:
                failure = BodyCut(failure.reason, str(failure))
            raise NoAnswer(_advise(failure)) from failure
        except ReadError as failure:
            raise NoAnswer(_advise(failure)) from failure
        return TransportApiResponse(self._describe(response), content)

    async def close(self) -> None:  # type: ignore[override]
        """Close the connection; the next request opens another."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        if time.monotonic() - self._used > _KEPT_ALIVE:
            await self.close()
        try:
            if self._link is None:
                self._link = await open_link(self._endpoint, self.base_url, self.tls, self.proxy)
                self._is_proxied = self._link.is_proxied
            request.extensions = self._link.extensions
            response = await self._link.transport.handle_async_request(request)
            content = await self._receive(response)
        except BaseException:
            await self.close()
            raise
        self._used = time.monotonic()
        return response, content

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


def node_class(tls: Tls, proxy: Proxy | None) -> type[PlainNode]:
    """The class of nodes that are reached in this way; the client makes its nodes itself."""
    return type("PlainNode", (PlainNode,), {"tls": tls, "proxy": proxy})


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
