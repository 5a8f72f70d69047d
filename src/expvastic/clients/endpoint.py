"""Where something listens, from the many ways in which people write it."""

from __future__ import annotations

import functools
import ipaddress
import re
import urllib.parse
from typing import Annotated, Literal

import msgspec.structs
from pydantic import PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

RULE = "write it like localhost:1234/debug/vars, https://host:8443/path or unix:///run/app.sock:/path"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PATH_SAFE = "/?%:@!$&'()*+,;=~[]"


class Endpoint(msgspec.Struct, frozen=True):
    """An address over TCP (``http``, ``https``) or a unix socket on which HTTP is spoken (``unix``).

    ``path`` holds the query too, ready to be sent; it is empty where none was written. ``host`` is in lower case, an
    IPv6 address without brackets; it is empty for a unix socket.
    """

    scheme: Literal["http", "https", "unix"]
    host: str = ""
    port: int | None = None
    path: str = ""
    username: str | None = None
    password: SecretStr | None = None
    socket_path: str = ""

    def __repr__(self) -> str:
        return f"Endpoint({self.address!r})"

    def __str__(self) -> str:
        return self.address

    @property
    def netloc(self) -> str:
        """Host and port as HTTP writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host or "localhost"
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL to ask for, without credentials; for a unix socket the one that its server sees."""
        return f"{'https' if self.scheme == 'https' else 'http'}://{self.netloc}{self.path or '/'}"

    @property
    def address(self) -> str:
        """For people, and as ``service.address``: without credentials and query."""
        path = self.path.partition("?")[0]
        if self.scheme == "unix":
            return f"unix://{self.socket_path}{':' if path else ''}{path}"
        return f"{self.scheme}://{self.netloc}{path}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port, the port always given: equal where HTTP sees one server."""
        scheme = "https" if self.scheme == "https" else "http"
        return scheme, self.host or "localhost", self.port or _DEFAULT_PORTS[scheme]

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        if self.scheme == "unix" or self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        address = _ip_address(self.host)
        return address is not None and address.is_loopback

    def join(self, routepath: str) -> Endpoint:
        """The same, with a further path behind its own; exactly one slash between them, and one query at most.

        Raises ValueError.
        """
        if not routepath:
            return self
        if _FORBIDDEN.search(routepath):
            raise ValueError("routepath holds a blank or a control character; write it percent-encoded")
        own, _, own_query = self.path.partition("?")
        more, _, query = routepath.partition("#")[0].partition("?")
        if own_query and query:
            raise ValueError("routepath has a query, and so has the endpoint; write one of them")
        path = f"{own.rstrip('/')}/{more.lstrip('/')}" if more else own or "/"
        query = query or own_query
        return msgspec.structs.replace(self, path=_quoted(f"{path}?{query}" if query else path))


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint that is written; without a scheme it is ``http``.

    Raises ValueError with one line that says the rule, and repeats nothing of the text, which may hold a password.
    """
    text = text.strip()
    if not text:
        raise _wrong("is empty")
    if _FORBIDDEN.search(text):
        raise _wrong("holds a blank, a backslash or a control character")
    written = _SCHEME.match(text)
    scheme = written[1].lower() if written else "http"
    rest = text[written.end() :] if written else text
    if scheme == "unix" or (not written and text.startswith("unix:")):
        return _parse_unix(rest)
    if scheme not in ("http", "https"):
        raise _wrong("has a scheme that is not http, https or unix")
    return _parse_tcp("https" if scheme == "https" else "http", rest)


def _parse_unix(rest: str) -> Endpoint:
    socket_path, colon, path = rest.partition(":/")
    if not socket_path.startswith("/") or set("?#") & set(socket_path):
        raise _wrong("is no unix socket with an absolute path")
    path = path.partition("#")[0]
    return Endpoint("unix", path=_quoted(f"/{path}") if colon else "", socket_path=socket_path)


def _parse_tcp(scheme: Literal["http", "https"], rest: str) -> Endpoint:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = rest[len(authority) :].partition("#")[0]
    if path.startswith("?"):
        path = f"/{path}"
    user_info, at, address = authority.rpartition("@")
    if not at and ":" in authority and "@" in path:
        raise _wrong("has an @ in its path; write / in a password as %2F, @ in a path as %40")
    username, password = _parse_user_info(user_info) if at else (None, None)
    host, port = _parse_address(address)
    return Endpoint(scheme, host, port, _quoted(path), username, password)


def _parse_user_info(text: str) -> tuple[str, SecretStr | None]:
    username, colon, password = (urllib.parse.unquote(part) for part in text.partition(":"))
    if not username or not username.isprintable() or ":" in username:
        raise _wrong("has no usable user name before its @")
    return username, SecretStr(password) if colon else None


def _parse_address(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^]]*)](?::(.*))?", text)
    host, port = (bracketed[1], bracketed[2]) if bracketed else _split_port(text)
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise _wrong("has a port that is no number from 1 to 65535")
    address = _ip_address(host)
    if bracketed and not isinstance(address, ipaddress.IPv6Address):
        raise _wrong("has no IPv6 address between its brackets")
    return str(address) if address else _checked_name(host.lower()), int(port) if port else None


def _split_port(text: str) -> tuple[str, str | None]:
    host, colon, port = text.partition(":")
    if ":" in port:
        raise _wrong("has more than one colon; an IPv6 address stands in brackets, like [::1]:1234")
    return host, port if colon else None


def _checked_name(host: str) -> str:
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _wrong("has a host name that cannot be")
    if labels[-1].isdigit():
        raise _wrong("has a host that ends in a number and is no IPv4 address")
    return host


@functools.lru_cache(maxsize=1_024)  # targets are many, and their machines few
def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _quoted(path: str) -> str:
    return urllib.parse.quote(path, safe=_PATH_SAFE)


def _wrong(what: str) -> ValueError:
    return ValueError(f"endpoint {what}; {RULE}")


def _validate(value: object) -> Endpoint:
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str):
        raise _wrong("is no text")
    return parse_endpoint(value)


EndpointText = Annotated[
    Endpoint,
    PlainValidator(_validate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["localhost:1234/debug/vars", "unix:///run/app.sock:/debug/vars"]}),
]
