"""A cluster that keeps what it is sent, for a ScriptedServer; and that can be told to answer otherwise."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchRecorder, ElasticsearchSettings
from scripted_http import Answer, AnyAnswer, Request, ScriptedServer

Fault = AnyAnswer | Callable[[Request], AnyAnswer]
ROOTS: dict[str, dict[str, Any]] = {
    "elasticsearch": {"version": {"number": "9.5.3"}, "tagline": "You Know, for Search"},
    "opensearch": {"version": {"number": "3.8.0", "distribution": "opensearch"}},
}


class FakeCluster:
    """Answers as Elasticsearch does, as far as the recorder asks.

    ``faults`` holds answers to be given instead, in turn, by the request's method and path without query; an answer
    may also be a function of the request.
    """

    def __init__(self, product: str = "elasticsearch") -> None:
        self.root = ROOTS[product]
        self.documents: list[tuple[str, str, dict[str, Any]]] = []  # index, id, document
        self.templates: dict[str, dict[str, Any]] = {}
        self.indices: set[str] = set()
        self.aliases: set[str] = set()
        self.streams: set[str] = set()
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[str] = []

    def __call__(self, request: Request) -> AnyAnswer:
        path, _, query = re.sub(r"^http://[^/]+", "", request.path).partition("?")  # a proxy is asked for whole URLs
        self.asked.append(f"{request.method} {request.path}")
        if faults := self.faults.get(f"{request.method} {path}"):
            fault = faults.pop(0)
            return fault(request) if callable(fault) else fault
        if request.method == "POST" and path == "/_bulk":
            return self._bulk(request)
        if path.startswith("/_resolve/index/"):
            return self._resolve(path.rpartition("/")[2])
        if path.startswith("/_index_template/"):
            return self._template(request, path.rpartition("/")[2], query)
        return Answer(self.root)

    @property
    def ids(self) -> list[str]:
        return [known for _, known, _ in self.documents]

    def _bulk(self, request: Request) -> Answer:
        lines = body_of(request).split(b"\n")
        assert lines.pop() == b"", "a bulk ends with a line end"
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            target = json.loads(action)["create"]
            is_new = (target["_index"], target["_id"]) not in {(index, known) for index, known, _ in self.documents}
            if is_new:
                self.documents.append((target["_index"], target["_id"], json.loads(document)))
            items.append(item(201 if is_new else 409, "version_conflict_engine_exception", index=target["_index"]))
        return Answer({"errors": False, "items": items})

    def _resolve(self, name: str) -> Answer:
        found: dict[str, object] = {"indices": [], "aliases": [], "data_streams": []}
        if name in self.indices:
            found["indices"] = [{"name": name, "attributes": ["open"]}]
        if name in self.aliases:
            found["aliases"] = [{"name": name, "indices": ["somewhere"]}]
        if name in self.streams:
            found["data_streams"] = [{"name": name, "backing_indices": [f".ds-{name}"]}]
        is_found = name in self.indices | self.aliases | self.streams
        return Answer(found) if is_found else error(404, "index_not_found_exception")

    def _template(self, request: Request, name: str, query: str) -> Answer:
        if request.method == "GET":
            found = [{"name": name, "index_template": self.templates[name]}] if name in self.templates else []
            return Answer({"index_templates": found}) if found else error(404, "resource_not_found_exception")
        if query == "create=true" and name in self.templates:
            return error(400, "illegal_argument_exception", f"index template [{name}] already exists")
        self.templates[name] = json.loads(request.body)
        return Answer({"acknowledged": True})


class CuttingServer(ScriptedServer):
    """Resets the connection when it has seen the head of a request whose body is above ``limit`` bytes.

    So often as ``cuts`` says; forever if it is not given.
    """

    def __init__(self, script: Callable[[Request], AnyAnswer], limit: int, cuts: float = math.inf) -> None:
        super().__init__(script)
        self.limit = limit
        self.cuts = cuts

    async def _receive(self, reader: asyncio.StreamReader, number: int) -> Request:
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if self.cuts and int(found[1] if found else 0) > self.limit:
            self.cuts -= 1
            raise ConnectionError
        return await super()._receive(_Replayed(head, reader), number)


class _Replayed(asyncio.StreamReader):
    """A reader whose head was read already."""

    def __init__(self, head: bytes, rest: asyncio.StreamReader) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    async def readuntil(self, separator: bytes = b"\n") -> bytes:  # type: ignore[override]
        return self._head

    async def readexactly(self, n: int) -> bytes:
        return await self._rest.readexactly(n)


def body_of(request: Request) -> bytes:
    """A request's body, inflated."""
    is_compressed = request.headers.get("content-encoding") == "gzip"
    return gzip.decompress(request.body) if is_compressed else request.body


def item(status: int, kind: str = "", reason: str = "", index: str = "i", **more: object) -> dict[str, Any]:
    """One document's part of a bulk's answer."""
    outcome: dict[str, Any] = {"_index": index, "status": status, **more}
    if status >= 300:
        outcome["error"] = {"type": kind, "reason": reason, **outcome.pop("error", {})}
    return {"create": outcome}


def error(status: int, kind: str, reason: str = "for a reason", **headers: str) -> Answer:
    """The answer to a request that failed as a whole."""
    body = {"error": {"type": kind, "reason": reason, "root_cause": []}, "status": status}
    return Answer(body, status=status, headers=headers)


def make_recorder(*endpoints: str, **settings: Any) -> ElasticsearchRecorder:
    """A recorder with such settings, as the configuration gives them."""
    return ElasticsearchRecorder(ElasticsearchSettings.model_validate({"endpoint": list(endpoints), **settings}))


def sizes(server: ScriptedServer) -> list[int]:
    """How many documents each bulk held."""
    return [body_of(request).count(b"\n") // 2 for request in server.requests if request.method == "POST"]


async def record_patiently(recorder: ElasticsearchRecorder, batch: list[Container], tries: int) -> list[Outcome]:
    """As a delivery would: what failed as a whole is tried again."""
    for _ in range(tries - 1):
        with suppress(RecordError):
            return [verdict.outcome for verdict in await recorder.record(batch)]
    return [verdict.outcome for verdict in await recorder.record(batch)]
