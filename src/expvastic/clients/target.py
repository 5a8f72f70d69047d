"""A polled target: the settings that all readers over HTTP share, and what follows from them."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

import msgspec.structs
from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema, model_validator

from ..settings import ByteSize, SettingsModel
from .endpoint import Endpoint, EndpointText, parse_endpoint
from .tls import Fingerprint, Tls

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DEFAULT_HEADERS = {
    "accept": "application/json, */*;q=0.5",
    "accept-encoding": "gzip",
    "user-agent": "expvastic",
}
_FRAMING = {"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"}


def _check_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("not a header name; write letters, digits and hyphens")
    if name.lower() in _FRAMING:
        raise ValueError("this header is not yours to set; expvastic writes it")
    return name


def _check_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not text or _CONTROL.search(text):
        raise ValueError("empty, or holds a line break or another control character")
    return SecretStr(text)


def _check_proxy(value: object) -> Endpoint | Literal["environment"]:
    if value == "environment":
        return "environment"
    if not isinstance(value, str | Endpoint):
        raise ValueError("not a proxy; write http://host:port, or environment")
    endpoint = value if isinstance(value, Endpoint) else parse_endpoint(value)
    if endpoint.scheme == "unix" or endpoint.path.strip("/"):
        raise ValueError("not a proxy; write http://host:port, without a path, or environment")
    return endpoint


HeaderName = Annotated[str, AfterValidator(_check_name)]
HeaderValue = Annotated[SecretStr, AfterValidator(_check_value)]
Proxy = Annotated[
    Endpoint | Literal["environment"],
    PlainValidator(_check_proxy),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["http://proxy:3128", "environment"]}),
]


class TargetSettings(SettingsModel):
    """Where a page is, and what it takes to get it."""

    default_path: ClassVar[str] = ""

    endpoint: EndpointText
    """Where the page is: `localhost:1234/debug/vars`, `https://user:password@host/path`, or
    `unix:///run/app.sock:/debug/vars`. Without a scheme it is `http`."""
    routepath: Annotated[str, Field(repr=False)] = ""
    """Put behind the endpoint, with one slash between them."""
    headers: Annotated[dict[HeaderName, HeaderValue], Field(default_factory=dict)]
    """Sent with every request to the endpoint, and to no other server."""
    username: str | None = None
    """For basic authentication."""
    password: SecretStr | None = None
    """For basic authentication."""
    bearer_token: HeaderValue | None = None
    """Sent as `Authorization: Bearer …`."""
    ca_file: str | None = None
    """Certificates of the authorities that vouch for the server, in PEM form; the system's unless given."""
    cert_file: str | None = None
    """Our own certificate in PEM form, for servers that want one."""
    key_file: str | None = None
    """The key of `cert_file`, if it is not in that file; without a passphrase."""
    verify: bool = True
    """Whether the server's certificate is verified."""
    fingerprint: Fingerprint | None = None
    """SHA-256, in hexadecimal, of the server's certificate or of the authority that it comes from; with it alone no
    other authority is asked, and the certificate need not name the host."""
    proxy: Proxy | None = None
    """The proxy to go through, `http://host:port`; or `environment` for what `http_proxy`, `https_proxy` and
    `no_proxy` say."""
    follow_redirects: Literal[True, False, "same_host"] = "same_host"
    """Whether redirects are followed. Credentials, headers and body never go to another host, port or scheme."""
    max_body_bytes: ByteSize = 10 * 2**20
    """A larger body, inflated, is a failed poll."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if complaints := [*self._about_address(), *self._about_credentials()]:
            raise ValueError("; ".join(complaints))
        return self

    @property
    def target(self) -> Endpoint:
        """Where the page is, as a whole."""
        joined = self.endpoint.join(self.routepath)
        return joined if joined.path else msgspec.structs.replace(joined, path=self.default_path)

    @property
    def tls(self) -> Tls:
        """How the server proves itself, and we to it."""
        return Tls(self.ca_file, self.cert_file, self.key_file, self.verify, self.fingerprint)

    def request_headers(self, *, at_home: bool) -> list[tuple[bytes, bytes]]:
        """The headers of a request, but those that follow from its address and body.

        Holds secrets where ``at_home``, at the target's own origin; elsewhere nothing that was configured.
        """
        headers = dict(_DEFAULT_HEADERS)
        if at_home:
            headers |= {name.lower(): value.get_secret_value() for name, value in self.headers.items()}
            if authorization := self._authorization():
                headers["authorization"] = authorization
        return [(name.encode(), value.encode()) for name, value in headers.items()]

    def _authorization(self) -> str:
        if self.bearer_token is not None:
            return f"Bearer {self.bearer_token.get_secret_value()}"
        username = self.username if self.username is not None else self.endpoint.username
        if username is None:
            return ""
        password = self.password or self.endpoint.password
        pair = f"{username}:{password.get_secret_value() if password else ''}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _about_address(self) -> Iterator[str]:
        try:
            self.endpoint.join(self.routepath)
        except ValueError as error:
            yield str(error)
        if self.endpoint.scheme == "unix" and (self.ca_file or self.cert_file or self.fingerprint):
            yield "a unix socket has no TLS; take out ca_file, cert_file and fingerprint"
        elif self.endpoint.scheme == "http" and self.fingerprint:
            yield "fingerprint needs an https:// endpoint"
        if self.endpoint.scheme == "unix" and self.proxy:
            yield "a unix socket has no proxy; take out proxy"
        if self.key_file and not self.cert_file:
            yield "key_file needs a cert_file"

    def _about_credentials(self) -> Iterator[str]:
        if self.username is not None and (":" in self.username or not self.username.isprintable()):
            yield "username holds a colon or a control character"
        if self.username is not None and self.endpoint.username is not None:
            yield "the endpoint holds a user name already; take it or username out"
        if self.password is not None and self.username is None and self.endpoint.username is None:
            yield "password needs a username"
        if self.password is not None and self.endpoint.password is not None:
            yield "the endpoint holds a password already; take it or password out"
        names = Counter(name.lower() for name in self.headers)
        has_user = self.username is not None or self.endpoint.username is not None
        if has_user + (self.bearer_token is not None) + ("authorization" in names) > 1:
            yield "give one of username, bearer_token and the header authorization"
        if twice := [name for name, times in names.items() if times > 1]:
            yield f"headers hold {twice[0]} twice"
