"""Certificates of a test's own making: an authority, servers and clients that it vouches for."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Authority:
    """A certificate authority that nobody knows but the test."""

    def __init__(self, folder: Path, name: str = "authority", hosts: Sequence[str] = LOOPBACK) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self._name = name
        self.ca_file = str(folder / f"{name}.pem")
        self._authority.cert_pem.write_to_path(self.ca_file)
        self._server = self._authority.issue_cert(*hosts)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the server's certificate, as 64 hexadecimal digits."""
        pem = self._server.cert_chain_pems[0].bytes().decode()
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    @property
    def server_pem(self) -> bytes:
        """The server's certificate."""
        return self._server.cert_chain_pems[0].bytes()

    @property
    def own_fingerprint(self) -> str:
        """SHA-256 of the authority's certificate."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self._authority.cert_pem.bytes().decode())).hexdigest()

    def server(self, *, wants_client: bool = False, shown: Authority | None = None) -> ssl.SSLContext:
        """A context for a server on loopback; on request it talks to nobody without a certificate of this authority.

        ``shown`` is an authority whose certificate it sends behind its own.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if shown is None:
            self._server.configure_cert(context)
        else:
            chain = self._server.private_key_and_cert_chain_pem.bytes() + Path(shown.ca_file).read_bytes()
            path = self._folder / f"{self._name}-chain.pem"
            path.write_bytes(chain)
            context.load_cert_chain(path)
        if wants_client:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def renew(self, context: ssl.SSLContext) -> None:
        """Let a server that is at work show another certificate of this authority from now on."""
        self._server = self._authority.issue_cert(*LOOPBACK)
        self._server.configure_cert(context)

    def client_files(self) -> tuple[str, str]:
        """Files with a client's certificate and key."""
        client = self._authority.issue_cert("client.example")
        cert_file, key_file = self._folder / f"{self._name}-client.pem", self._folder / f"{self._name}-client.key"
        client.cert_chain_pems[0].write_to_path(str(cert_file))
        client.private_key_pem.write_to_path(str(key_file))
        return str(cert_file), str(key_file)
