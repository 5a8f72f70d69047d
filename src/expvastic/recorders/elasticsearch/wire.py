"""The innermost parts of the official client's transport, made to suit us. Loaded when a server is contacted.

Bodies are handed on as they came, whatever their type, so that no answer loses its status. Nothing is logged, nothing
is retried, and deadlines are the caller's.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import anyio
import anyio.to_thread
import httpx
from elastic_transport import ApiResponseMeta, BaseAsyncNode, HttpHeaders, NodeConfig, Serializer, TransportApiResponse
from elastic_transport import ConnectionError as NoAnswer

from ...clients.endpoint import Endpoint
from ...clients.target import Proxy
from ...clients.tls import Tls
from ...errors import ReadError
from .aws import NoCredentials, Signer, spell_query
from .connecting import connect
from .exchange import Heard, Line, NothingSent, Progress, Request

_KEPT_ALIVE = 55.0  # seconds; balancers forget idle connections after 60, and some tell nobody
_OURS = {"user-agent": "expvastic", "accept-encoding": "gzip"}


class _Kept(NamedTuple):
    """A connection that waits for its next request, and since when."""

    line: Line
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
        progress = Progress()
        try:
            request = await self._make(method, target, body or b"", headers or HttpHeaders())
            heard = await self._exchange(request, progress)
        except ReadError as error:
            failure = progress.explain(error)
            raise NoAnswer(_advise(failure)) from failure
        except anyio.get_cancelled_exc_class():
            self.when_given_up(self)
            raise
        finally:
            self.under_way -= 1
        return TransportApiResponse(self._describe(heard), heard.body)

    async def close(self) -> None:  # type: ignore[override]
        """Close all connections: those that wait now, those in use after their answer."""
        self._is_closed = True
        kept, self._kept = self._kept, []
        async with anyio.create_task_group() as group:
            for line, _ in kept:
                group.start_soon(line.aclose)

    async def _make(self, method: str, target: str, body: bytes, headers: HttpHeaders) -> Request:
        url = _parse_url(self.base_url + (spell_query(target) if self.signer else target))
        host = url.netloc.decode("ascii")
        sent = {"host": host, **headers, **_OURS}
        if self.signer is not None:
            spelled = f"{self.config.scheme}://{host}{url.raw_path.decode('ascii')}"
            try:
                signed = await anyio.to_thread.run_sync(
                    self.signer.sign, method, spelled, host, body, abandon_on_cancel=True
                )
            except NoCredentials as error:
                raise NothingSent("credentials", f"{self.base_url}: {error}") from error
            sent |= signed
        return Request(method, url.raw_path, sent, body)

    async def _exchange(self, request: Request, progress: Progress) -> Heard:
        line = await self._take()
        try:
            heard = await line.exchange(request, progress)
        except BaseException:
            await line.aclose()
            raise
        if self._is_closed or not line.is_open:
            await line.aclose()
        else:
            self._kept.append(_Kept(line, time.monotonic()))
        return heard

    async def _take(self) -> Line:
        """The connection that was used last, or a new one; what has waited too long is closed."""
        latest = time.monotonic() - _KEPT_ALIVE
        while self._kept and self._kept[0].since < latest:
            await self._kept.pop(0).line.aclose()
        while self._kept:
            line = self._kept.pop().line
            if line.is_open:
                return line
            await line.aclose()
        return await self._open()

    async def _open(self) -> Line:
        if self.proxy is None:
            return await connect(self._endpoint, self.base_url, self.tls)
        from .proxied import open_proxied

        return await open_proxied(self._endpoint, self.base_url, self.tls, self.proxy)

    def _describe(self, heard: Heard) -> ApiResponseMeta:
        headers = HttpHeaders({"retry-after": heard.retry_after} if heard.retry_after else {})
        return ApiResponseMeta(heard.status, "1.1", headers, 0.0, self.config)


@functools.lru_cache(maxsize=64)
def _parse_url(url: str) -> httpx.URL:
    """Mostly it is the same one."""
    return httpx.URL(url)


def node_class(tls: Tls, proxy: Proxy | None, signer: Signer | None = None) -> type[PlainNode]:
    """The class of nodes that are reached in this way; the transport makes its nodes itself."""
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
