"""Requests signed for Amazon OpenSearch, by AWS's Signature Version 4.

Theory of operation: the service computes the signature anew from what it receives, so what is signed must be what is
sent. A query has many spellings, of which the service takes one: it is brought into that one before it is signed and
sent. A path is taken as it is sent. The body is hashed as it is sent, compressed or not.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import threading
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

from pydantic import Field, model_validator

from ...settings import SettingsModel

_LIBRARY = "botocore"
_UNRESERVED = "-_.~"


class AwsSettings(SettingsModel):
    """How requests to Amazon OpenSearch are signed: with the credentials that AWS's own programs would find."""

    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """Where the domain or collection is, such as `eu-central-1`."""
    service: Literal["es", "aoss"] = "es"
    """`es` for a domain, `aoss` for a serverless collection (of type search; another one takes no ids)."""
    profile: str | None = None
    """The profile of AWS's configuration files whose credentials are used; unless given, the environment, the files,
    and the machine's or container's role are asked in turn."""

    @model_validator(mode="after")
    def _check_library(self) -> AwsSettings:
        if importlib.util.find_spec(_LIBRARY) is None:
            raise ValueError(f"needs the library {_LIBRARY}, which is not there; install expvastic[aws]")
        return self


class NoCredentials(Exception):
    """There are no credentials to sign with; the text says why."""


class Signer:
    """Signs requests, with credentials that are renewed before they expire.

    May block, for credentials may have to be fetched: call it in a thread; several may.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._credentials: Any = None

    def sign(self, method: str, url: str, host: str, body: bytes) -> Mapping[str, str]:
        """The headers that a request needs besides its own; ``url`` and ``host`` are as they are sent.

        Raises NoCredentials.
        """
        auth = importlib.import_module(f"{_LIBRARY}.auth")
        request = importlib.import_module(f"{_LIBRARY}.awsrequest").AWSRequest(method=method, url=url, data=body)
        request.headers["Host"] = host
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()  # a collection wants it signed
        auth.SigV4Auth(self._find_credentials(), self._settings.service, self._settings.region).add_auth(request)
        return {name.lower(): value for name, value in request.headers.items() if name.lower() != "host"}

    def _find_credentials(self) -> Any:
        """The credentials of now."""
        problems = importlib.import_module(f"{_LIBRARY}.exceptions")
        try:
            with self._lock:
                if self._credentials is None:
                    session = importlib.import_module(f"{_LIBRARY}.session").Session(profile=self._settings.profile)
                    self._credentials = session.get_credentials()
                frozen = self._credentials.get_frozen_credentials() if self._credentials else None
        except (problems.BotoCoreError, OSError) as error:
            raise NoCredentials(f"aws: no credentials to sign with: {' '.join(str(error).split())[:300]}") from error
        if frozen is None:
            raise NoCredentials("aws: no credentials were found to sign with; set profile, or give the machine a role")
        return frozen


def spell_query(target: str) -> str:
    """A path with its query, the query in the one spelling in which a signature is computed from it."""
    path, mark, query = target.partition("?")
    if not mark:
        return path
    pairs = [part.partition("=") for part in query.split("&") if part]
    spelled = sorted((_spell(name), _spell(value)) for name, _, value in pairs)
    return f"{path}?{'&'.join(f'{name}={value}' for name, value in spelled)}"


def _spell(text: str) -> str:
    return quote(unquote(text), safe=_UNRESERVED)
