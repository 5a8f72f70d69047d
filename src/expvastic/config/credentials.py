"""Which values of a configuration are secret, and which of them would be sent in clear text."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from ..clients.endpoint import parse_endpoint
from .complaints import Complaints, Path, listed
from .tree import Scalar

_CREDENTIAL = r"auth|cookie|token|key|secret|password"
_PASSWORD = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^/?#\s:]*:([^/?#\s]+)@")


class Credentials(msgspec.Struct, eq=False):
    """The secrets of one configuration, and where they stand in it."""

    complaints: Complaints
    _bare: list[Path] = []  # written in the file itself
    _senders: set[Path] = set()  # readers and recorders that send a credential
    _addresses: list[tuple[Path, Scalar]] = []

    def keep(self, secret: str, path: Path, scalar: Scalar | None) -> None:
        """Take note of the secret at a path; ``scalar`` is where it is written, if that is in the file itself."""
        self.complaints.secrets.add(secret)
        if re.search(_CREDENTIAL, path[-1].lower()):
            self._senders.add(path[:2])
        if scalar and not scalar.filled:
            self._bare.append(path)

    def look_at(self, text: str, path: Path, scalar: Scalar) -> None:
        """Take note of an address, and of the password that may be in it."""
        if path[-1] == "endpoint":
            self._addresses.append((path, Scalar(scalar.line, text, text)))
        if password := _PASSWORD.match(text):
            self.keep(password[1], (*path, "password"), scalar)
            self.complaints.secrets.add(unquote(password[1]))

    def remark(self, *, file_is_public: bool) -> None:
        """Say where secrets lie open: in a file that everybody may read, or on the wire."""
        if file_is_public and self._bare:
            places = listed((".".join(path) for path in self._bare[:3]), "and")
            more = f" and {len(self._bare) - 3} more" if len(self._bare) > 3 else ""
            message = f"everybody on this machine can read the secrets in this file ({places}{more}); chmod o-r it"
            self.complaints.remark((), message)
        for path, scalar in self._addresses:
            host = _open_host(scalar.text) if path[:2] in self._senders else ""
            if host:
                self.complaints.remark(path, f"credentials go to {host} in clear text; use https", scalar.line)


def _open_host(text: str) -> str:
    """Return the host that is spoken to without encryption, empty if there is none or it is this machine."""
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return ""
    return endpoint.host if endpoint.scheme == "http" and not endpoint.is_loopback else ""
