"""Every error of the layers below has a documented reason and one line."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import anyio
import httpx
import pytest

from expvastic.clients.failures import REASONS, read_error


def below(error: type[httpx.TransportError]) -> Iterator[type[httpx.TransportError]]:
    yield error
    for further in error.__subclasses__():
        yield from below(further)


@pytest.mark.parametrize("kind", list(below(httpx.TransportError)))
@pytest.mark.parametrize("through_proxy", [False, True])
def test_every_error_of_httpx_has_a_documented_reason(kind: type[httpx.TransportError], through_proxy: bool) -> None:
    error = read_error(kind("secret\nwords"), "http://host", through_proxy=through_proxy)

    assert error.reason in REASONS
    assert str(error).startswith("http://host: ")
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("lowest", "reason", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connect", "Connection refused"),
        (OSError("AF_UNIX path too long"), "connect", "AF_UNIX path too long"),
        (anyio.BrokenResourceError(), "tls", "during the TLS handshake"),
        (ssl.SSLError(1, "[SSL] unknown"), "tls", "unknown"),
        (ExceptionGroup("each address", [ConnectionRefusedError(111, "refused")]), "connect", "Connection refused"),
    ],
)
def test_the_lowest_cause_is_what_is_said(lowest: Exception, reason: str, words: str) -> None:
    middle = OSError("All connection attempts failed")
    middle.__cause__ = lowest
    top = httpx.ConnectError("All connection attempts failed")
    top.__context__ = middle  # as when somebody between raised it "from None"

    error = read_error(top, "http://host", through_proxy=False)

    assert error.reason == reason
    assert words in str(error)


def test_a_request_that_cannot_be_written_is_our_own_fault() -> None:
    assert "check headers" in str(read_error(httpx.LocalProtocolError(""), "http://host", through_proxy=False))


def test_every_reason_is_one_word_with_an_explanation() -> None:
    assert all(reason.isidentifier() and words for reason, words in REASONS.items())
