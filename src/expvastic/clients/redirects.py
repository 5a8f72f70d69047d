"""Where a redirect leads, and whether it may be followed: decided without any I/O."""

from __future__ import annotations

import urllib.parse

import msgspec

from ..errors import ReadError
from .endpoint import Endpoint, parse_endpoint
from .target import TargetSettings

MAX_REDIRECTS = 5

_REDIRECTS = (301, 302, 303, 307, 308)
_SAME_METHOD = (307, 308)


class Hop(msgspec.Struct, frozen=True):
    """One request of a poll.

    At home is the target's own origin, as long as no redirect has led away from it: there alone go configured headers,
    credentials, a body, and our certificate.
    """

    endpoint: Endpoint
    method: str
    is_home: bool


def is_redirect(status: int, location: str) -> bool:
    """Whether an answer sends us on."""
    return status in _REDIRECTS and bool(location)


def next_hop(settings: TargetSettings, hop: Hop, status: int, location: str) -> Hop:
    """The request after a redirect. Raises ReadError with reason ``redirect`` where it may not be followed."""
    target, follow = settings.target, settings.follow_redirects
    there = _parse_location(target, hop, location)
    is_there_home = there.origin == target.origin
    if follow is False or not (follow is True or is_there_home or there.host == target.host):
        raise _wrong(target, f"redirects to {there}; make that the endpoint if it is right")
    is_home = hop.is_home and is_there_home
    method = hop.method if status in _SAME_METHOD else "GET"
    if method == "POST" and not is_home:
        raise _wrong(target, f"redirects a POST to {there}; its body is sent to no other server")
    return Hop(there, method, is_home)


def too_many(settings: TargetSettings) -> ReadError:
    """The complaint about one redirect more than are followed."""
    return _wrong(settings.target, f"more than {MAX_REDIRECTS} redirects")


def _parse_location(target: Endpoint, hop: Hop, location: str) -> Endpoint:
    try:
        url = urllib.parse.urljoin(hop.endpoint.url, location)
        if url.lower().startswith(("http://", "https://")):
            return parse_endpoint(url)
    except ValueError as error:
        raise _wrong(target, "redirects to an address that cannot be") from error
    raise _wrong(target, "redirects to something that is neither http nor https")


def _wrong(target: Endpoint, what: str) -> ReadError:
    return ReadError("redirect", f"{target.address}: {what}")
