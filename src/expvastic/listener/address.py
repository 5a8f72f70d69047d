"""Where to listen, as it is written in the configuration. Pure."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple

RULE = "write a loopback address like 127.0.0.1:8642 or [::1]:8642, or a unix socket like unix:/run/expvastic.sock"
PUBLIC = "public://"

_UNIX_LENGTH = 103  # bytes; what all systems take
_HOST_AND_PORT = re.compile(r"(?:\[([^]]*)]|([^:[\]]*)):(\d{1,5})", re.ASCII)


class TcpAddress(NamedTuple):
    """An IP address and a port; port 0 leaves the choice to the system."""

    host: str
    port: int


class UnixAddress(NamedTuple):
    """The absolute path of a unix socket."""

    path: str


def parse_listen(text: str) -> TcpAddress | UnixAddress:
    """``127.0.0.1:8642``, ``[::1]:8642`` or ``localhost:8642``; ``/path``, ``unix:/path`` or ``unix:///path``.

    Any other address is refused, because whoever reaches it can look in, unless that is said: ``public://0.0.0.0:8642``.
    Raises ValueError with one line.
    """
    if text.startswith(("/", "unix:")):
        return _parse_unix(text.removeprefix("unix:"))
    is_public = text.startswith(PUBLIC)
    match = _HOST_AND_PORT.fullmatch(text.removeprefix(PUBLIC))
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"not an address and a port; {RULE}")
    host = match[1] if match[1] is not None else match[2]
    return TcpAddress(_checked(host, is_public=is_public, is_bracketed=match[1] is not None), int(match[3]))


def _checked(host: str, *, is_public: bool, is_bracketed: bool) -> str:
    if host.lower() == "localhost" and not is_bracketed:
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"not an IP address; {RULE}") from None
    if (address.version == 6) is not is_bracketed:
        raise ValueError(f"an IPv6 address stands in brackets, another one does not; {RULE}")
    if not address.is_loopback and not is_public:
        raise ValueError(f"others could look in; {RULE} (or {PUBLIC} before it, if they shall)")
    return str(address)


def _parse_unix(path: str) -> UnixAddress:
    path = f"/{path.lstrip('/')}" if path.startswith("//") else path
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError(f"not an absolute path of a unix socket; {RULE}")
    if len(os.fsencode(path)) > _UNIX_LENGTH:
        raise ValueError(f"the path of a unix socket cannot be longer than {_UNIX_LENGTH} bytes; choose a shorter one")
    return UnixAddress(path)
