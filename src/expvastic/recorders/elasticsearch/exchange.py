"""What goes over a connection to a node: a request with its body, and a whole answer; and how far a body came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ...errors import ReadError

LARGEST_ANSWER = 32 * 2**20  # bytes, inflated
PIECE = 128 * 1024  # bytes; each may cost a turn of the event loop, and a larger one tells less of how far a body came


class NothingSent(ReadError):
    """The request failed before anything of its body had been sent."""


class BodyCut(ReadError):
    """The connection broke before all of the request's body had been sent."""


class Request(NamedTuple):
    """A request as it is to be written; ``target`` is its path and query."""

    method: str
    target: bytes
    headers: Mapping[str, str]
    body: bytes


class Heard(NamedTuple):
    """An answer of any status; ``retry_after`` as the server spells it, empty if it has no such wish."""

    status: int
    retry_after: str
    body: bytes


class Progress:
    """How far the body of one request came: under way while the system itself has not taken all of it."""

    def __init__(self) -> None:
        self.has_begun = False
        self.is_under_way = False

    def explain(self, failure: ReadError) -> ReadError:
        """The failure of a request, as one that says how far its body came."""
        if not self.has_begun:
            return NothingSent(failure.reason, str(failure))
        return BodyCut(failure.reason, str(failure)) if self.is_under_way else failure


class Line(Protocol):
    """A connection to a node, for one request at a time."""

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent, as far as is known."""

    async def exchange(self, request: Request, progress: Progress) -> Heard:
        """Send a request and hear the answer. Raises ReadError; after any error the line is to be closed."""

    async def aclose(self) -> None:
        """Close it, even when cancelled."""
