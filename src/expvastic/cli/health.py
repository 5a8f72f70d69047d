"""``health``: whether a running expvastic answers, for container health checks without a shell."""

from __future__ import annotations

import argparse
import http.client
import urllib.error
import urllib.request

from ..errors import ExpvasticError
from .flags import say

_LIMIT = 3.0  # seconds


def main(options: argparse.Namespace) -> int:
    """0 if it answers 200. Raises ExpvasticError otherwise."""
    url = options.url
    if not url.startswith("http://"):
        raise ExpvasticError(f"health: {url!r} does not begin with http://")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_LIMIT) as answer:
            say(f"{url}: {answer.status}")
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise ExpvasticError(f"health: {url}: {error}") from error
    return 0
