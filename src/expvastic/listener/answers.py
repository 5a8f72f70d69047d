"""What is answered to a request: its method and target, and a snapshot, make a status and a body."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..telemetry import Snapshot
from ..views import prometheus
from ..views.expvar import expvar
from ..views.health import healthz, readyz

_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


class Answer(msgspec.Struct, frozen=True):
    """A status, and a body with its type."""

    status: int
    content_type: str
    body: str


def answer(method: bytes, target: bytes, snapshot: Callable[[], Snapshot]) -> Answer:
    """The answer to any request; the Host header has no part in it."""
    if method not in (b"GET", b"HEAD"):
        return Answer(405, _TEXT, "read-only: GET and HEAD\n")
    page = _PAGES.get(target.partition(b"?")[0])
    if page is None:
        return Answer(404, _TEXT, f"no such page; there are:\n{_LIST}")
    return page(snapshot())


def _index(_: Snapshot) -> Answer:
    return Answer(200, _TEXT, _LIST)


def _healthz(snapshot: Snapshot) -> Answer:
    is_alive, body = healthz(snapshot)
    return Answer(200 if is_alive else 503, _JSON, body)


def _readyz(snapshot: Snapshot) -> Answer:
    is_ready, body = readyz(snapshot)
    return Answer(200 if is_ready else 503, _JSON, body)


def _metrics(snapshot: Snapshot) -> Answer:
    return Answer(200, prometheus.CONTENT_TYPE, prometheus.prometheus(snapshot))


def _vars(snapshot: Snapshot) -> Answer:
    return Answer(200, _JSON, expvar(snapshot))


_PAGES: dict[bytes, Callable[[Snapshot], Answer]] = {
    b"/": _index,
    b"/healthz": _healthz,
    b"/readyz": _readyz,
    b"/metrics": _metrics,
    b"/debug/vars": _vars,
}
_LIST = "".join(f"{path.decode()}\n" for path in _PAGES if path != b"/")
