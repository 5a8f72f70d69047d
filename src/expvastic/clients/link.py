"""One transport of httpx with the one connection that it may have: how it is opened, through a proxy or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.to_thread
import msgspec.structs

from ..errors import ReadError
from .endpoint import Endpoint, parse_endpoint
from .tls import Tls, client_context, unused_context

if TYPE_CHECKING:
    import ssl

    import httpx

_CLOSING_TIME = 0.3  # seconds


class Link:
    """Closed as a whole after anything but a clean exchange. ``has_answered`` is for its user to set."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, is_secure: bool, is_proxied: bool) -> None:
        self.transport = transport
        self.is_proxied = is_proxied
        self.has_answered = False
        self.extensions = {"trace": self._trace} if is_secure or is_proxied else {}
        self._stream: Any = None

    async def aclose(self) -> None:
        """Close the connection, even when cancelled."""
        with anyio.move_on_after(_CLOSING_TIME, shield=True):
            await self.transport.aclose()
            if self._stream is not None:
                await self._stream.aclose()

    async def _trace(self, name: str, info: dict[str, Any]) -> None:
        # A poll that is cancelled during a TLS handshake leaves its socket open: httpcore has let go of it by then.
        if name == "connection.connect_tcp.complete":
            self._stream = info["return_value"]


async def open_link(endpoint: Endpoint, where: str, tls: Tls, proxy: Endpoint | Literal["environment"] | None) -> Link:
    """A link to an endpoint; nothing is sent yet. Raises ReadError with reason ``tls`` or ``proxy``."""
    import httpx

    through = await anyio.to_thread.run_sync(_environment_proxy, endpoint, where) if proxy == "environment" else proxy
    make = partial(
        httpx.AsyncHTTPTransport,
        trust_env=False,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None),
        proxy=None if through is None else await _httpx_proxy(through, tls, where),
        uds=endpoint.socket_path or None,
    )
    context = await context_for(tls, endpoint, where)
    is_secure = endpoint.scheme == "https"
    return Link(
        _transport(make, context, tls, is_secure=is_secure), is_secure=is_secure, is_proxied=through is not None
    )


def has_surplus(answer: httpx.Response) -> bool:
    """Whether something came behind an answer that has been read to its end; in doubt it has.

    httpcore keeps it, has no word for it, and would take it for the answer to the next request.
    """
    found: Any = answer.stream
    for part in ("_httpcore_stream", "_stream", "_connection", "_h11_state", "trailing_data"):
        found = getattr(found, part, None)
    return found is None or bool(found[0])


def _transport(
    make: Callable[..., httpx.AsyncHTTPTransport], context: ssl.SSLContext, tls: Tls, *, is_secure: bool
) -> httpx.AsyncBaseTransport:
    if not is_secure or tls.fingerprint is None or tls.checks_chain:
        return make(verify=context)
    from .pins import ProvingTransport

    return ProvingTransport(lambda context: make(verify=context), context, partial(trust_shown, tls=tls))


async def trust_shown(error: BaseException, tls: Tls) -> ssl.SSLContext | None:
    """The context for a second handshake, if one ended because the server can only prove itself in another."""
    if tls.fingerprint is None or tls.checks_chain:
        return None
    from .pins import shown_authority

    authority = shown_authority(error)
    if authority is None:
        return None
    return await anyio.to_thread.run_sync(client_context, tls, authority, abandon_on_cancel=True)


async def context_for(tls: Tls, endpoint: Endpoint, where: str) -> ssl.SSLContext:
    """The context with which to reach an endpoint; one that is of no use without https. Raises ReadError."""
    if endpoint.scheme != "https":
        return unused_context()
    try:
        return await anyio.to_thread.run_sync(client_context, tls, abandon_on_cancel=True)
    except ValueError as error:
        raise ReadError("tls", f"{where}: {error}") from error


async def _httpx_proxy(proxy: Endpoint, tls: Tls, where: str) -> httpx.Proxy:
    import httpx

    # The target's fingerprint and our certificate are for the target.
    tls = msgspec.structs.replace(tls, cert_file=None, key_file=None, fingerprint=None)
    context = await context_for(tls, proxy, where) if proxy.scheme == "https" else None
    password = proxy.password.get_secret_value() if proxy.password else ""
    auth = None if proxy.username is None else (proxy.username, password)
    return httpx.Proxy(proxy.url, auth=auth, ssl_context=context)


def _environment_proxy(endpoint: Endpoint, where: str) -> Endpoint | None:
    """What ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy`` say about an endpoint."""
    import urllib.request

    proxies = urllib.request.getproxies()
    text = proxies.get(endpoint.scheme) or proxies.get("all")
    if not text or urllib.request.proxy_bypass(endpoint.netloc):
        return None
    try:
        return parse_endpoint(text)
    except ValueError as error:
        raise ReadError("proxy", f"{where}: the environment's {endpoint.scheme}_proxy cannot be: {error}") from error
