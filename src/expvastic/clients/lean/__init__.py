"""The hot poll: GET over a kept connection, at a small part of what a full client costs.

Theory of operation: a fetcher keeps one connection for its target. What arrives on any of them is put by the event
loop into one buffer that all share, parsed before the loop goes on, and judged as it comes by the same rules as over
httpx; what is left of it between polls is a socket, a parser and a few numbers. After a clean exchange the connection
stays open; after anything else, a cancelled poll too, it is closed, and the next poll opens another, which looks the
host up anew. What the lean way cannot do it leaves to httpx: see ``clients.paths``.
"""

from __future__ import annotations

from .fetcher import LeanFetcher

__all__ = ["LeanFetcher"]
