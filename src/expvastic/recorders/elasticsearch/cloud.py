"""Elastic Cloud's name for a deployment, and the address that is hidden in it."""

from __future__ import annotations

import base64
import re

from ...clients.endpoint import Endpoint, parse_endpoint

_RULE = "is damaged; copy it whole from the deployment's page, as NAME:BASE64"
_PART = r"([A-Za-z0-9._-]+)(?::(\d{1,5}))?"
_PORT = "443"


def parse_cloud_id(text: str) -> Endpoint:
    """Where the deployment's Elasticsearch listens. Raises ValueError, saying the rule.

    Behind the name stands, in base64, ``host[:port]$elasticsearch[:port]$kibana``; the last is not looked at.
    """
    encoded = text.strip().rpartition(":")[2].rstrip("=")
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("ascii")
    except ValueError as error:
        raise ValueError(_RULE) from error
    parts = [re.fullmatch(_PART, part) for part in decoded.split("$")[:2]]
    if len(parts) < 2 or parts[0] is None or parts[1] is None:
        raise ValueError(_RULE)
    domain, deployment = parts[0], parts[1]
    port = deployment[2] or domain[2] or _PORT
    try:
        return parse_endpoint(f"https://{deployment[1]}.{domain[1]}:{port}")
    except ValueError as error:
        raise ValueError(_RULE) from error
