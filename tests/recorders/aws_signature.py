"""AWS's Signature Version 4 as its documentation describes it, computed from what a server receives."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<key>[^/]+)/(?P<scope>\S+), SignedHeaders=(?P<signed>\S+), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


def canonical_request(method: str, target: str, headers: Mapping[str, str], signed: str, body_hash: str) -> str:
    """Task 1: the request in its one spelling. ``target`` is a path with its query as they came."""
    path, _, query = target.partition("?")
    pairs = [part.partition("=") for part in query.split("&") if part]
    # Both are decoded and spelled anew: what came in another spelling than AWS's own gets another signature.
    spelled = sorted((_spell(unquote(name)), _spell(unquote(value))) for name, _, value in pairs)
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in signed.split(";")]
    return "\n".join(
        [
            method,
            "/".join(map(_spell, path.split("/"))),
            "&".join(f"{name}={value}" for name, value in spelled),
            "".join(lines),
            signed,
            body_hash,
        ]
    )


def signature(request: str, secret: str, time: str, scope: str) -> str:
    """Tasks 2 and 3: the string to sign, the key derived from the secret, and the signature."""
    words = "\n".join([ALGORITHM, time, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, words.encode(), "sha256").hexdigest()


def parse_authorization(text: str) -> dict[str, str]:
    found = _AUTHORIZATION.fullmatch(text)
    assert found, text
    return found.groupdict()


def _spell(text: str) -> str:
    return quote(text, safe="-_.~")
