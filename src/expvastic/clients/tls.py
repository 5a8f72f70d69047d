"""TLS for clients: contexts made from settings, shared by all who have equal ones, and pinned certificates.

A fingerprint is checked inside the handshake, by the object that does it (see ``pins``): no byte of a request, and so
no credential, leaves for a server that it does not fit.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from weakref import WeakValueDictionary

import msgspec
from pydantic import AfterValidator

if TYPE_CHECKING:
    import ssl

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def parse_fingerprint(text: str) -> str:
    """64 hexadecimal digits in lower case, from any case, with or without colons. Raises ValueError."""
    digits = text.replace(":", "").strip().lower()
    if not _FINGERPRINT.fullmatch(digits):
        raise ValueError("not a SHA-256 fingerprint; write the 64 hexadecimal digits of a certificate's")
    return digits


Fingerprint = Annotated[str, AfterValidator(parse_fingerprint)]


class Tls(msgspec.Struct, frozen=True):
    """How a server proves itself to us, and we to it.

    The chain is verified against ``ca_file``, else against the system's authorities; not with a ``fingerprint`` alone,
    and not without ``verify``. ``fingerprint`` is as ``parse_fingerprint`` gives it, of the server's certificate or of
    one that it comes from.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    fingerprint: str | None = None

    @property
    def checks_chain(self) -> bool:
        """Whether the server's certificate must come from a known authority and name its host."""
        return self.verify and (self.fingerprint is None or self.ca_file is not None)


_Stamp = tuple[tuple[int, int], ...]
_contexts: WeakValueDictionary[tuple[Tls, bytes, _Stamp], ssl.SSLContext] = WeakValueDictionary()
_lock = threading.Lock()


def client_context(tls: Tls, authority: bytes = b"") -> ssl.SSLContext:
    """A context for ``tls``, the same for all callers as long as its files are; a renewed certificate makes a new one.

    With an ``authority`` (DER) it trusts that alone, whatever host its certificates name. Where only a fingerprint is
    given, the authority that was proved to be its last time is such a one. Reads files, so call it in a thread. Raises
    ValueError with one line that names the setting and the file.
    """
    authority = authority or _proven(tls)
    key = (tls, authority, _stamp(tls))
    with _lock:  # loading authorities takes 20 ms: whoever comes second waits, and has it for nothing
        context = _contexts.get(key)
        if context is None:
            context = _contexts[key] = _make(tls, authority)
        return context


def unused_context() -> ssl.SSLContext:
    """A context that trusts nobody, for clients that want one and never speak TLS; it costs nothing to make."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proven(tls: Tls) -> bytes:
    if tls.fingerprint is None or tls.checks_chain:
        return b""
    from .pins import proven

    return proven.get(tls.fingerprint, b"")


def _make(tls: Tls, authority: bytes) -> ssl.SSLContext:
    import ssl

    context = _with_one(authority) if authority else _with_authorities(tls)
    # The same on every Python: 3.13 made the first its default, and with it a flag that many private authorities fail.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.cert_file is not None:
        _load_client(context, tls.cert_file, tls.key_file)
    if tls.fingerprint is not None:
        from .pins import pinned_to

        context.sslobject_class = pinned_to(tls.fingerprint)
    return context


def _with_one(authority: bytes) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=authority)
    return context


def _with_authorities(tls: Tls) -> ssl.SSLContext:
    import ssl

    if not tls.checks_chain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if tls.ca_file is None:
        return _with_known_authorities()
    try:
        return ssl.create_default_context(cafile=tls.ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"ca_file {tls.ca_file}: holds no certificate in PEM form") from error


def _with_known_authorities() -> ssl.SSLContext:
    """With the system's authorities, and where the system has none with those that httpx brings."""
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return ssl.create_default_context()
    import httpx

    return httpx.create_ssl_context(trust_env=False)


def _load_client(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    import ssl

    where = f"cert_file {cert_file}" if key_file is None else f"cert_file {cert_file} and key_file {key_file}"

    def no_password() -> str:  # else OpenSSL asks for one, on the terminal
        raise ValueError(f"{where}: the key is encrypted; give one without a passphrase")

    try:
        context.load_cert_chain(cert_file, key_file, no_password)
    except ssl.SSLError as error:
        raise ValueError(f"{where}: not a certificate and its key in PEM form") from error


def _stamp(tls: Tls) -> _Stamp:
    """When the files were last written, and their sizes."""
    stamps = []
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(tls, name)
        if path is None:
            continue
        try:
            with Path(path).open("rb") as file:  # not stat alone: OpenSSL's own complaint names no file
                status = os.fstat(file.fileno())
        except OSError as error:
            raise ValueError(f"{name} {path}: {error.strerror}") from error
        stamps.append((status.st_mtime_ns, status.st_size))
    return tuple(stamps)
