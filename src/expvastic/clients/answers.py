"""What the head of an answer says: that a page follows, or why none does."""

from __future__ import annotations

from ..errors import ReadError
from .body import Body
from .redirects import Hop
from .target import TargetSettings

_HTML = ("text/html", "application/xhtml+xml")
_HINTS = {
    401: "; check username, password or bearer_token",
    403: "; check username, password or bearer_token",
    404: "; check the path",
}


def begin_body(where: str, limit: int, content_type: str, encoding: str, length: str) -> Body:
    """What takes in the body of a page, given three headers. Raises ReadError if what follows is none."""
    if content_type.partition(";")[0].strip().lower() in _HTML:
        raise ReadError("content_type", f"{where}: answered with an HTML page; check the path")
    body = Body(encoding, limit, where)
    if int(length or 0) > limit:
        raise body.too_large()
    return body


def bad_status(settings: TargetSettings, where: str, status: int, hop: Hop | None = None) -> ReadError:
    """The complaint about a status that is not 2xx, behind a redirect if there is a ``hop``."""
    if status == 407 and settings.proxy is not None:
        return ReadError("proxy", f"{where}: the proxy wants credentials; write them into proxy")
    hint = _HINTS.get(status, "")
    if hop is not None and not hop.is_home:
        hint = f" behind a redirect to {hop.endpoint}, where no credentials are sent; make that the endpoint"
    return ReadError("status", f"{where}: answered {status}{hint}")
