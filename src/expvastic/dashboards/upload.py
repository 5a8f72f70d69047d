"""Gives dashboards to a Kibana, and tells what became of each object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..clients.endpoint import Endpoint
from ..clients.tls import Tls, client_context, unused_context
from ..errors import ExpvasticError
from .kibana import MINIMUM

if TYPE_CHECKING:
    import ssl

    import httpx

_TIMEOUT = 30.0  # seconds
_NAME = "dashboard.ndjson"  # Kibana looks at the ending, and at nothing else


@dataclass(frozen=True, slots=True)
class Kibana:
    """Where a Kibana is, and how we say who we are: with a user's password, with an API key, or not at all."""

    endpoint: Endpoint
    space: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    ca_file: str | None = None

    @property
    def address(self) -> str:
        return self.endpoint.address.rstrip("/")

    def path(self, api: str) -> str:
        """The URL of an API, in the space."""
        space = f"/s/{quote(self.space, safe='')}" if self.space else ""
        return self.endpoint.url.rstrip("/") + space + api


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object; ``refusal`` is empty for one that was taken."""

    name: str
    refusal: str = ""


def upload(kibana: Kibana, lines: str, names: Sequence[str]) -> list[Outcome]:
    """Import objects (NDJSON), in the place of those that are there under their ids (``type:id``).

    Raises ExpvasticError with one line if that is no Kibana that can take them, or if it refused them as a whole.
    """
    import httpx

    context = _context(kibana)
    try:
        with httpx.Client(verify=context, timeout=_TIMEOUT, headers=_headers(kibana), trust_env=False) as client:
            _judge_status(kibana, client.get(kibana.path("/api/status")))
            files = {"file": (_NAME, lines.encode(), "application/ndjson")}
            answer = client.post(kibana.path("/api/saved_objects/_import?overwrite=true"), files=files)
    except httpx.TimeoutException:
        raise _trouble(kibana, f"no answer within {_TIMEOUT:g} s") from None
    except (httpx.HTTPError, ValueError) as error:
        raise _trouble(kibana, _reason(error)) from error
    return _outcomes(kibana, answer, names)


def _context(kibana: Kibana) -> ssl.SSLContext:
    if kibana.endpoint.scheme == "http":
        return unused_context()
    try:
        return client_context(Tls(ca_file=kibana.ca_file))
    except ValueError as error:
        raise ExpvasticError(f"dashboard import: {error}") from error


def _headers(kibana: Kibana) -> dict[str, str]:
    import base64

    headers = {"kbn-xsrf": "expvastic"}
    if kibana.api_key:
        headers["Authorization"] = f"ApiKey {kibana.api_key}"
    elif kibana.username:
        basic = base64.b64encode(f"{kibana.username}:{kibana.password}".encode()).decode()
        headers["Authorization"] = f"Basic {basic}"
    return headers


def _judge_status(kibana: Kibana, answer: httpx.Response) -> None:
    """Raise unless that is a Kibana which is new enough, ready, and lets us in."""
    told = _json(answer)
    if "osd-name" in answer.headers:
        advice = "use export --target opensearch, and import the file there"
        raise _trouble(kibana, f"is OpenSearch Dashboards, not Kibana; {advice}")
    if "x-elastic-product" in answer.headers:
        raise _trouble(kibana, "is Elasticsearch, not Kibana; Kibana's own port is 5601, unless told otherwise")
    if answer.is_redirect:
        _judge_redirect(kibana, answer.headers.get("location", ""))
    is_kibana = "kbn-name" in answer.headers
    if answer.status_code in (401, 403) and (is_kibana or told or "www-authenticate" in answer.headers):
        raise _login(kibana, answer.status_code)
    if answer.status_code == 404 and is_kibana and kibana.space:
        raise _trouble(kibana, f"has no space {kibana.space!r}, or does not show it to you")
    version = told.get("version")
    number = version.get("number", "") if isinstance(version, Mapping) else ""
    if not is_kibana and (not number or "status" not in told):
        raise _trouble(kibana, f"is not Kibana: {_said(answer)}; give Kibana's address, as http://localhost:5601")
    if answer.status_code == 503:
        raise _trouble(kibana, "is not ready yet; try again in a minute")
    _judge_version(kibana, str(number))


def _judge_version(kibana: Kibana, number: str) -> None:
    found = re.match(r"(\d+)\.(\d+)", number)
    if found and (int(found[1]), int(found[2])) < MINIMUM:
        raise _trouble(kibana, f"is version {number}; these dashboards need {'.'.join(map(str, MINIMUM))} or newer")


def _judge_redirect(kibana: Kibana, location: str) -> None:
    if "login" in location:
        raise _login(kibana, 401)
    raise _trouble(kibana, f"sends us on to {location or 'nowhere'}; give that address")


def _outcomes(kibana: Kibana, answer: httpx.Response, names: Sequence[str]) -> list[Outcome]:
    told = _json(answer)
    if answer.status_code in (401, 403):
        raise _login(kibana, answer.status_code)
    if answer.status_code == 404:
        where = f"space {kibana.space!r}" if kibana.space else "way to import"
        raise _trouble(kibana, f"has no {where}, or does not show it to you")
    if answer.status_code != 200 or not isinstance(told.get("success"), bool):
        raise _trouble(kibana, f"refused the import: {told.get('message') or _said(answer)}")
    errors = _mappings(told.get("errors"))
    refused = {f"{error.get('type')}:{error.get('id')}": _refusal(error) for error in errors}
    if not told["success"] and not refused:
        raise _trouble(kibana, "refused the import, and does not say why")
    return [Outcome(name, refused.get(name, "")) for name in dict.fromkeys([*names, *refused])]


def _refusal(error: Mapping[str, Any]) -> str:
    """Why an object was refused, with what is missing."""
    told = error.get("error")
    if not isinstance(told, Mapping):
        return "no reason given"
    missing = [f"{each.get('type')}:{each.get('id')}" for each in _mappings(told.get("references"))]
    words = [str(told.get("type") or "unknown").replace("_", " "), str(told.get("message") or ""), *missing]
    return " ".join(filter(None, words))


def _mappings(found: object) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _login(kibana: Kibana, status: int) -> ExpvasticError:
    if status == 403:
        right = "the Kibana privilege Saved Objects Management: All in that space"
        return _trouble(kibana, f"does not let you do that; it takes {right}")
    if kibana.username or kibana.api_key:
        return _trouble(kibana, "refuses these credentials; check the user and password, or the API key")
    return _trouble(kibana, "needs a login; give --username and --password-file, or --api-key-file")


def _trouble(kibana: Kibana, what: str) -> ExpvasticError:
    return ExpvasticError(f"dashboard import: {kibana.address} {' '.join(what.split())}")


def _reason(error: Exception) -> str:
    import ssl

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return f"cannot be trusted ({error}); give the authority of its certificate by --ca-file"
    return f"cannot be reached ({error or type(error).__name__})"


def _said(answer: httpx.Response) -> str:
    kind = answer.headers.get("content-type", "").partition(";")[0] or "nothing"
    return f"it answered {answer.status_code} with {kind}"


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        told = answer.json()
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, Mapping) else {}
