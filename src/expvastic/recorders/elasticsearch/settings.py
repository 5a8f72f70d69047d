"""What an ``elasticsearch`` recorder can be told."""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from ...clients.endpoint import Endpoint, EndpointText
from ...clients.target import Proxy
from ...clients.tls import Fingerprint, Tls
from ...settings import Duration, SettingsModel, parse_words
from .aws import AwsSettings
from .cloud import parse_cloud_id
from .destination import IndexName

_LONGEST_STREAM = 233  # bytes; .ds-, a date and a number are put around it


class Mode(enum.StrEnum):
    """What the destination is."""

    AUTO = "auto"
    DATA_STREAM = "data_stream"
    INDEX = "index"
    TIME_SERIES = "time_series"


def spell_address(endpoint: Endpoint) -> str:
    """An endpoint in the one spelling that all ways of writing it have in common, the port always given."""
    scheme, host, port = endpoint.origin
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{endpoint.path.rstrip('/')}"


def _check_endpoint(endpoint: Endpoint) -> Endpoint:
    if endpoint.scheme == "unix":
        raise ValueError(
            "is a unix socket, and Elasticsearch listens on none; give a URL such as http://127.0.0.1:9200"
        )
    if "?" in endpoint.path:
        raise ValueError("has a query; Elasticsearch's address is host, port and perhaps a path, and no more")
    return endpoint


def _check_index_name(text: str) -> str:
    IndexName(text)
    return text


def _check_cloud_id(text: str) -> str:
    parse_cloud_id(text)
    return text


def _check_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be one word of printable ASCII")
    return secret


def _check_api_key(secret: SecretStr) -> SecretStr:
    text = _check_header(secret).get_secret_value()
    try:
        is_whole = ":" in text or b":" in base64.b64decode(text, validate=True)
    except binascii.Error:
        is_whole = False
    if not is_whole:
        raise ValueError("must be the key as Elasticsearch encodes it (base64 of id:key), or id:key itself")
    return secret


def _check_username(name: str) -> str:
    if not name or ":" in name or not name.isprintable():
        raise ValueError("must not be empty, nor hold a colon or a control character")
    return name


_Endpoints = Annotated[
    tuple[Annotated[EndpointText, AfterValidator(_check_endpoint)], ...],
    BeforeValidator(parse_words),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class ElasticsearchSettings(SettingsModel):
    """Writes to Elasticsearch 7.17, 8 and 9 and to OpenSearch, by bulk requests, each document once."""

    endpoint: _Endpoints = ()
    """Where the cluster listens, such as `http://127.0.0.1:9200` or `https://gateway/es/`; several nodes of one cluster
    as a list, of which each request takes one that is not known to be down."""
    cloud_id: Annotated[str, AfterValidator(_check_cloud_id)] | None = None
    """Elastic Cloud's name for a deployment, instead of `endpoint`; requests are then compressed unless `compress` says
    otherwise."""
    index_name: Annotated[str, AfterValidator(_check_index_name)] = "metrics-expvastic-default"
    """The index or data stream. Dates are taken from `@timestamp`, in UTC: `expvastic-%{+yyyy.MM.dd}`, of the parts
    `yyyy`, `yy`, `MM`, `dd`, `HH`. Fields are taken from the document:
    `metrics-expvastic.%{service.name}-default`, of `service.name`, `host.name`, `event.dataset` and `labels.NAME`; a
    value is lower-cased and cut, what a name may not hold becomes `_`, and what is missing `unknown`; once there are
    1,000 different names, in the cluster too, all further values are `_other`. At least three characters stand before
    the first date or field, for the index template is for all names that begin so."""
    mode: Mode = Mode.AUTO
    """What that is: `index`, `data_stream`, `time_series` (Elasticsearch 8.7 and newer), or `auto`: an index if there
    is an index or alias of the name or if it holds a date, else a data stream."""
    username: Annotated[str, AfterValidator(_check_username)] | None = None
    """For basic authentication, with `password`; or both in the endpoint."""
    password: SecretStr | None = None
    """For basic authentication, with `username`."""
    api_key: Annotated[SecretStr, AfterValidator(_check_api_key)] | None = None
    """An API key, encoded as Elasticsearch shows it, or as `id:key`."""
    bearer_token: Annotated[SecretStr, AfterValidator(_check_header)] | None = None
    """A token, sent as `Authorization: Bearer`."""
    aws: AwsSettings | None = None
    """Sign requests for Amazon OpenSearch: `{region: eu-central-1}`; needs the extra `expvastic[aws]`."""
    ca_file: str | None = None
    """The authorities (PEM) that the cluster's certificate must come from, instead of the system's."""
    cert_file: str | None = None
    """A client certificate (PEM), perhaps with its key."""
    key_file: str | None = None
    """The client certificate's key, where it is in a file of its own."""
    verify: bool = True
    """Whether the cluster must prove who it is. If false, everybody between can read and change what is sent."""
    fingerprint: Fingerprint | None = None
    """SHA-256 of the cluster's certificate, as `openssl x509 -fingerprint -sha256` prints it, or of the authority that
    it comes from, as Elasticsearch prints it at its first start; with it alone, no other authority is asked, and the
    certificate need not name the host."""
    proxy: Proxy | None = None
    """An HTTP proxy, such as `http://proxy:3128`; or `environment`, to use the variables HTTP_PROXY, HTTPS_PROXY and
    NO_PROXY, which count for nothing otherwise."""
    compress: bool = False
    """Send requests compressed: worth it where the cluster is not on this machine or in this rack."""
    pipeline: str | None = None
    """The ingest pipeline that documents pass through."""
    manage_template: bool = True
    """Install and update the index template that goes with `index_name`. If false, types are up to the templates that
    are there. See `expvastic setup`."""
    retention: Annotated[Duration, Field(ge=60)] | None = None
    """How long documents are kept, such as `30d`, at least a minute: by the data stream itself from Elasticsearch 8.14
    on, else by an ILM policy; not on OpenSearch. If it is not given, the cluster deletes nothing."""

    @property
    def nodes(self) -> tuple[Endpoint, ...]:
        """Where the cluster listens, however that was said."""
        return self.endpoint if self.cloud_id is None else (parse_cloud_id(self.cloud_id),)

    @property
    def address(self) -> str:
        """The endpoints for people, each once, in one order whatever their own: no credentials."""
        return ",".join(sorted(set(map(spell_address, self.nodes))))

    @property
    def tls(self) -> Tls:
        """How the cluster proves itself, and we to it."""
        return Tls(self.ca_file, self.cert_file, self.key_file, self.verify, self.fingerprint)

    @property
    def is_collection(self) -> bool:
        """Whether it is one of Amazon OpenSearch Serverless, which does not say what it is, and has no data streams."""
        return self.aws is not None and self.aws.service == "aoss"

    @property
    def basic_auth(self) -> tuple[str, str] | None:
        """User name and password, from wherever they were given."""
        whole = [
            (name, word.get_secret_value()) for name, word in self._logins() if name is not None and word is not None
        ]
        return whole[0] if whole else None

    def _logins(self) -> list[tuple[str | None, SecretStr | None]]:
        places = [(self.username, self.password), *((place.username, place.password) for place in self.nodes)]
        return [login for login in places if login != (None, None)]

    def remarks(self) -> Iterator[tuple[str, str]]:
        if self.index_name.startswith("."):
            yield "index_name", "begins with a dot: such indices are hidden, and Elasticsearch keeps them for itself"
        index = IndexName(self.index_name)
        if self.manage_template and index.outranks_others:
            message = f"our template would be for all of {index.pattern}, streams of other programs too"
            yield "index_name", f"{message}; write more before the first %, as in metrics-expvastic.%{{service.name}}"

    @model_validator(mode="before")
    @classmethod
    def _choose_defaults(cls, given: Any) -> Any:
        """What follows from another key, unless it is said."""
        if not isinstance(given, Mapping):
            return given
        chosen = dict(given)
        if chosen.get("cloud_id") is not None:
            chosen.setdefault("compress", True)
        aws = chosen.get("aws")
        service = aws.get("service") if isinstance(aws, Mapping) else getattr(aws, "service", None)
        if service == "aoss" and chosen.get("mode", Mode.AUTO) == Mode.AUTO:
            chosen["mode"] = Mode.INDEX
        return chosen

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        if not self.endpoint and self.cloud_id is None:
            raise ValueError("endpoint is missing; write where the cluster listens, or give cloud_id")
        if self.endpoint and self.cloud_id is not None:
            raise ValueError("give either endpoint or cloud_id")
        if self.is_collection and self.mode is Mode.DATA_STREAM:
            raise ValueError("a collection of Amazon OpenSearch Serverless has no data streams; write mode: index")
        return self

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.mode is Mode.TIME_SERIES:
            index = IndexName(self.index_name)
            if index.dated or index.fields:
                raise ValueError(
                    "mode: time_series goes with a name without a date or field; the cluster itself begins new indices"
                )
            IndexName(f"{index.text}-plain")
        if self.mode in (Mode.DATA_STREAM, Mode.TIME_SERIES) and len(self.index_name.encode()) > _LONGEST_STREAM:
            raise ValueError(
                f"names of data streams must not be longer than {_LONGEST_STREAM} bytes, for the indices behind them "
                "have longer ones"
            )
        return self

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        logins = self._logins()
        if any(None in login for login in logins):
            raise ValueError("username and password go together; one of them is missing")
        if any(login != logins[0] for login in logins):
            raise ValueError("there is more than one username or password; give one for all endpoints")
        if bool(logins) + sum(way is not None for way in (self.api_key, self.bearer_token, self.aws)) > 1:
            raise ValueError("give one of username and password, api_key, bearer_token, aws")
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        given = [name for name in ("ca_file", "cert_file", "key_file", "fingerprint") if getattr(self, name)]
        if given and not any(place.scheme == "https" for place in self.nodes):
            raise ValueError(f"{given[0]} is for TLS, and no endpoint begins with https://")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file needs a cert_file")
        return self
