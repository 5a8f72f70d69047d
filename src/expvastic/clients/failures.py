"""What goes wrong on the wire, as a ReadError with one of a few reasons."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

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

_CLOSED = "the connection was closed before the answer was complete"
_CLOSED_IN_BODY = "the connection was closed in the middle of the answer"
_CLOSED_IN_HANDSHAKE = "the connection was closed during the TLS handshake"
_LARGE_HEAD = "the head of its answer is too large"
_NO_HTTP = "its answer is not HTTP/1.1; check scheme and port"


def read_error(error: Exception, where: str, *, through_proxy: bool) -> ReadError:
    """The ReadError that an error of httpx, of the sockets or of TLS below it amounts to."""
    reason, what = _meaning(error)
    if through_proxy and reason in ("connect", "dns"):
        return ReadError("proxy", f"{where}: the proxy cannot be reached: {what}; check proxy")
    return ReadError(reason, f"{where}: {what}")


def opening_error(error: OSError, where: str, *, in_handshake: bool = False) -> ReadError:
    """The ReadError for a connection that could not be opened; httpx need not be there."""
    if meaning := _about_layer(error):
        return ReadError(meaning[0], f"{where}: {meaning[1]}")
    reason, what = ("tls", _CLOSED_IN_HANDSHAKE) if in_handshake else _about_connecting([error])
    return ReadError(reason, f"{where}: {what}")


def ending_error(error: Exception | None, where: str, *, in_body: bool) -> ReadError:
    """The ReadError for a connection that ended, by an error or not, before the answer was complete."""
    if error is not None and (meaning := _about_layer(error)):
        return ReadError(meaning[0], f"{where}: {meaning[1]}")
    return ReadError("closed", f"{where}: {_CLOSED_IN_BODY if in_body and error is None else _CLOSED}")


def no_http(where: str) -> ReadError:
    """The ReadError for an answer that is not HTTP/1.1."""
    return ReadError("protocol", f"{where}: {_NO_HTTP}")


def head_too_large(where: str) -> ReadError:
    """The ReadError for an answer whose head, or what comes between the pieces of its body, has no end."""
    return ReadError("headers", f"{where}: {_LARGE_HEAD}")


def _meaning(error: Exception) -> tuple[str, str]:
    """Reason and words. The errors of the layers below are in the chain of causes, the lowest last."""
    import h11
    import httpx

    chain = list(_causes(error))
    for cause in chain:
        if meaning := _about_layer(cause):
            return meaning
        if isinstance(cause, h11.RemoteProtocolError):
            return _about_protocol(cause)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return _about_connecting(chain)
    if isinstance(error, httpx.ProxyError):
        return "proxy", f"the proxy refuses ({str(error)[:80]!a}); check proxy"
    if isinstance(error, httpx.LocalProtocolError):
        return "protocol", "the request cannot be written as HTTP/1.1; check headers"
    return "closed", _CLOSED


def _about_layer(error: BaseException) -> tuple[str, str] | None:
    """Reason and words for what the layers below HTTP say themselves."""
    import socket
    import ssl

    if isinstance(error, ssl.SSLError):
        return "tls", _about_tls(error)
    if isinstance(error, socket.gaierror):
        return "dns", f"host name not found ({error.strerror})"
    return None


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
        return "headers", _LARGE_HEAD
    if "closed connection" in str(error):
        return "closed", _CLOSED_IN_BODY
    return "protocol", _NO_HTTP


def _about_connecting(chain: Sequence[BaseException]) -> tuple[str, str]:
    import anyio

    if any(isinstance(cause, anyio.BrokenResourceError | anyio.EndOfStream) for cause in chain):
        return "tls", _CLOSED_IN_HANDSHAKE
    for cause in reversed(chain):
        if isinstance(cause, OSError):
            return "connect", f"cannot connect ({os.strerror(cause.errno) if cause.errno else cause})"
    return "connect", "cannot connect"
