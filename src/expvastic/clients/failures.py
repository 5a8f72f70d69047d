"""What goes wrong on the wire, as a ReadError with one of a few reasons."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ..errors import ReadError

REASONS: Mapping[str, str] = {
    "connect": "nobody listens there, or the way is blocked",
    "dns": "the host name is not known",
    "tls": "no handshake: a certificate that is not trusted, wanted or readable, or no TLS there",
    "proxy": "the proxy cannot be reached or refuses",
    "status": "the answer's status is not 2xx",
    "redirect": "a redirect that may not be followed, or too many",
    "content_type": "an HTML page",
    "encoding": "a content-encoding that is unknown or broken",
    "too_large": "the body is above max_body_bytes",
    "headers": "the answer's head is too large",
    "protocol": "the answer is not HTTP/1.1",
    "closed": "the connection was closed or reset before the answer was complete",
}
"""The reasons of a failed fetch; ``timeout`` is the word of whoever set the deadline."""


def read_error(error: Exception, where: str, *, through_proxy: bool) -> ReadError:
    """The ReadError that an error of httpx, of the sockets or of TLS below it amounts to."""
    reason, what = _meaning(error)
    if through_proxy and reason in ("connect", "dns"):
        return ReadError("proxy", f"{where}: the proxy cannot be reached: {what}; check proxy")
    return ReadError(reason, f"{where}: {what}")


def _meaning(error: Exception) -> tuple[str, str]:
    """Reason and words. The errors of the layers below are in the chain of causes, the lowest last."""
    import socket
    import ssl

    import h11
    import httpx

    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return "tls", _about_tls(cause)
        if isinstance(cause, socket.gaierror):
            return "dns", f"host name not found ({cause.strerror})"
        if isinstance(cause, h11.RemoteProtocolError):
            return _about_protocol(cause)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return _about_connecting(chain)
    if isinstance(error, httpx.ProxyError):
        return "proxy", f"the proxy refuses ({str(error)[:80]!a}); check proxy"
    if isinstance(error, httpx.LocalProtocolError):
        return "protocol", "the request cannot be written as HTTP/1.1; check headers"
    return "closed", "the connection was closed before the answer was complete"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        deeper = error.__cause__ or error.__context__
        if isinstance(deeper, BaseExceptionGroup):  # one per address that was tried
            deeper = deeper.exceptions[0]
        error = deeper


def _about_tls(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or ""
    if verdict := getattr(error, "verify_message", ""):
        return f"its certificate is not trusted ({verdict}); check ca_file, or pin it by fingerprint"
    if reason == "WRONG_VERSION_NUMBER":
        return "no TLS is spoken there; write http:// if that is meant"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return f"TLS failed ({reason.lower()}); it may want a client certificate: check cert_file"
    return f"TLS failed ({reason.lower() or error})"


def _about_protocol(error: BaseException) -> tuple[str, str]:
    if getattr(error, "error_status_hint", 0) == 431:
        return "headers", "the head of its answer is too large"
    if "closed connection" in str(error):
        return "closed", "the connection was closed in the middle of the answer"
    return "protocol", "its answer is not HTTP/1.1; check scheme and port"


def _about_connecting(chain: list[BaseException]) -> tuple[str, str]:
    import anyio

    if any(isinstance(cause, anyio.BrokenResourceError | anyio.EndOfStream) for cause in chain):
        return "tls", "the connection was closed during the TLS handshake"
    for cause in reversed(chain):
        if isinstance(cause, OSError):
            return "connect", f"cannot connect ({os.strerror(cause.errno) if cause.errno else cause})"
    return "connect", "cannot connect"
