"""A cluster of so much power and no more, in a thread of its own; it can be taken down and put up again."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

from scripted_http import Answer, Request, ScriptedServer

from .identity import Document

T = TypeVar("T")
_ROOT = Answer({"version": {"number": "9.0.0"}, "tagline": "You Know, for Search"})
_NOTHING = Answer({"indices": [], "aliases": [], "data_streams": []})
_BUSY = {"error": {"type": "es_rejected_execution_exception", "reason": "rejected execution", "root_cause": []}}
_THERE: dict[str, object] = {
    "create": {"_index": "i", "status": 409, "error": {"type": "version_conflict_engine_exception"}}
}
_WRITTEN: dict[str, object] = {"create": {"_index": "i", "status": 201}}


@dataclass(slots=True)
class Counts:
    """What the sink has seen so far."""

    documents: int = 0
    duplicates: int = 0
    bulks: int = 0  # that were carried out
    rejected: int = 0  # bulks answered 429
    most_at_once: int = 0  # bulks, the rejected ones among them; since somebody last set it to 0
    freshest: float = 0.0  # the latest @timestamp, in seconds since the epoch


class LimitedSink:
    """Carries out ``lanes`` bulks at once, together ``capacity`` documents a second; any further one gets a 429."""

    def __init__(self, capacity: float, lanes: int) -> None:
        self.counts = Counts()
        self.documents: dict[str, Document] = {}
        self._seconds_each = lanes / capacity
        self._lanes = lanes
        self._under_way = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server = ScriptedServer(self._respond)

    def __enter__(self) -> Self:
        self._thread.start()
        self.put_up()
        return self

    def __exit__(self, *_: object) -> None:
        self.take_down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return self._server.url

    def put_up(self) -> None:
        """Answer, on the port of before."""
        self._run(self._server.__aenter__())

    def take_down(self) -> None:
        """Refuse all connections; may be repeated."""
        self._run(self._server.__aexit__(None, None, None))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _respond(self, request: Request) -> Answer:
        self._server.requests.clear()  # or it would remember hours of them
        if request.method == "GET":
            return _NOTHING if request.path.startswith("/_resolve") else _ROOT
        self._under_way += 1
        self.counts.most_at_once = max(self.counts.most_at_once, self._under_way)
        try:
            if self._under_way > self._lanes:
                self.counts.rejected += 1
                return Answer({**_BUSY, "status": 429}, status=429)
            return await self._carry_out(request)
        finally:
            self._under_way -= 1

    async def _carry_out(self, request: Request) -> Answer:
        lines = _body_of(request).splitlines()
        await asyncio.sleep(len(lines) // 2 * self._seconds_each)
        self.counts.bulks += 1
        pairs = zip(lines[::2], lines[1::2], strict=True)
        items = [self._write(json.loads(action)["create"]["_id"], json.loads(source)) for action, source in pairs]
        return Answer({"errors": False, "items": items})

    def _write(self, known: str, source: dict[str, Any]) -> dict[str, object]:
        if known in self.documents:
            self.counts.duplicates += 1
            return _THERE
        self.documents[known] = Document.of(known, source)
        self.counts.documents += 1
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(source["@timestamp"]).timestamp()
            self.counts.freshest = max(self.counts.freshest, moment)
        return _WRITTEN


def _body_of(request: Request) -> bytes:
    return gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
