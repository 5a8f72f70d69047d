"""Servers known by a fingerprint: that of their own certificate, or of the authority that it comes from.

Theory of operation: every server sends the certificates from its own up to its authority's, and anybody may send them,
for they are public. If one of them has the fingerprint and is not the server's own, it proves nothing yet. OpenSSL
proves it: the handshake ends there, and a second one on a new connection trusts that one certificate and no other. So
nothing is ever sent to a server that has not proved that it holds the key to a certificate from that authority.
Loaded when a fingerprint is given.
"""

from __future__ import annotations

import hashlib
import ssl
import sys
from collections.abc import Awaitable, Callable

import httpx

proven: dict[str, bytes] = {}
"""The certificates, by fingerprint, from which a server's own was proved to come: later handshakes begin with them."""


class AuthorityShown(ssl.SSLCertVerificationError):
    """A server has shown the authority of the fingerprint; whether its own certificate comes from it is to be seen."""

    def __init__(self, authority: bytes) -> None:
        super().__init__("the authority's certificate was shown, and nothing proved")
        self.authority = authority


class _PinnedObject(ssl.SSLObject):
    """Refuses every server that is not known by the fingerprint, before anything is sent to it."""

    fingerprint = ""

    def do_handshake(self) -> None:
        super().do_handshake()
        if self.context.verify_mode == ssl.CERT_REQUIRED:
            self._check_proved()
        else:
            self._check_shown()

    def _check_proved(self) -> None:
        chain = self._chain("get_verified_chain")
        found = next((each for each in chain if _fingerprint(each) == self.fingerprint), None)
        if found is None:
            raise _another(chain)
        if found is not chain[0]:
            proven[self.fingerprint] = found

    def _check_shown(self) -> None:
        chain = self._chain("get_unverified_chain")
        if chain and _fingerprint(chain[0]) == self.fingerprint:
            return
        for certificate in chain[1:]:
            if _fingerprint(certificate) == self.fingerprint:
                raise AuthorityShown(certificate)
        raise _another(chain)

    def _chain(self, name: str) -> list[bytes]:
        """The server's certificates, its own first; public since Python 3.13, and there since 3.10."""
        if sys.version_info >= (3, 13):
            return list(getattr(self, name)())
        import _ssl

        found = getattr(self._sslobj, name)()  # type: ignore[attr-defined]
        return [each.public_bytes(_ssl.ENCODING_DER) for each in found or ()]


def pinned_to(fingerprint: str) -> type[ssl.SSLObject]:
    """The class for the handshakes of a context that goes by this fingerprint.

    A context that verifies refuses a server if no certificate of the verified chain has it.
    """
    return type("PinnedObject", (_PinnedObject,), {"fingerprint": fingerprint})


class ProvingTransport(httpx.AsyncBaseTransport):
    """A transport that connects once more, with a context that trusts the authority that was shown."""

    def __init__(
        self,
        make: Callable[[ssl.SSLContext], httpx.AsyncBaseTransport],
        context: ssl.SSLContext,
        trust: Callable[[BaseException], Awaitable[ssl.SSLContext | None]],
    ) -> None:
        self._make = make
        self._trust = trust
        self._transport = make(context)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            context = await self._trust(error)
            if context is None:
                raise
        await self._transport.aclose()
        self._transport = self._make(context)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


def shown_authority(error: BaseException | None) -> bytes | None:
    """The authority that a server has shown in the handshake that this error ended, if it did."""
    while error is not None:
        if isinstance(error, AuthorityShown):
            return error.authority
        error = error.__cause__ or error.__context__
    return None


def _fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


def _another(chain: list[bytes]) -> ssl.SSLCertVerificationError:
    found = _fingerprint(chain[0] if chain else b"")
    return ssl.SSLCertVerificationError(f"the server's certificate has another fingerprint, {found}")
