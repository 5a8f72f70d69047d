"""A cluster that keeps what it is sent, for a ScriptedServer; and that can be told to answer otherwise."""

from __future__ import annotations

import asyncio
import fnmatch
import gzip
import json
import math
import re
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any
from urllib.parse import unquote

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
        self.components: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.indices: set[str] = set()
        self.aliases: set[str] = set()
        self.streams: set[str] = set()
        self.holders: dict[str, list[str]] = {}  # of streams and aliases that have rolled over
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
            return self._resolve([unquote(name) for name in path.rpartition("/")[2].split(",")])
        if path.endswith("/_mget"):
            return self._mget(request, path.split("/")[1])
        if path.startswith("/_index_template/_simulate_index/"):
            return self._simulate(path.rpartition("/")[2])
        if path == "/_index_template":
            return Answer({"index_templates": [{"name": n, "index_template": t} for n, t in self.templates.items()]})
        if path.startswith("/_ilm/policy/"):
            return self._policy(request, path.rpartition("/")[2])
        if path.startswith(("/_index_template/", "/_component_template/")):
            return self._template(request, path, query)
        return Answer(self.root)

    @property
    def ids(self) -> list[str]:
        return [known for _, known, _ in self.documents]

    def roll_over(self, name: str) -> str:
        """Give a data stream, or an alias, a new index to be written to."""
        holders = self.holders.setdefault(name, [])
        holders.append(f".ds-{name}-{len(holders) + 1:06}" if name in self.streams else f"{name}-{len(holders) + 1:06}")
        return holders[-1]

    def _bulk(self, request: Request) -> Answer:
        lines = body_of(request).split(b"\n")
        assert lines.pop() == b"", "a bulk ends with a line end"
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            target = json.loads(action)["create"]
            index = self.holders.get(target["_index"], [target["_index"]])[-1]
            own = target.get("_id", f"given-{len(self.documents)}")
            is_new = (index, own) not in {(holder, known) for holder, known, _ in self.documents}
            if is_new:
                self.documents.append((index, own, json.loads(document)))
            items.append(item(201 if is_new else 409, "version_conflict_engine_exception", index=index))
        return Answer({"errors": False, "items": items})

    def _resolve(self, names: list[str]) -> Answer:
        found: dict[str, list[dict[str, object]]] = {"indices": [], "aliases": [], "data_streams": []}
        holders = {holder for stream in self.holders.values() for holder in stream}
        if "*" in names[0]:
            return self._resolve_pattern(names[0])
        for name in names:
            if name in self.indices | holders:
                found["indices"].append({"name": name, "attributes": ["open"]})
            if name in self.aliases:
                found["aliases"].append({"name": name, "indices": self.holders.get(name, ["somewhere"])})
            if name in self.streams:
                backing = self.holders.get(name, [f".ds-{name}"])
                found["data_streams"].append({"name": name, "backing_indices": backing})
        return Answer({**found}) if any(found.values()) else error(404, "index_not_found_exception")

    def _resolve_pattern(self, pattern: str) -> Answer:
        """What a pattern stands for; nothing is an answer, too. Whatever was written to is a stream, unless said."""
        written = {index for index, _, _ in self.documents} - self.indices - self.aliases
        kinds = {"indices": self.indices, "aliases": self.aliases, "data_streams": self.streams | written}
        return Answer(
            {kind: [{"name": n} for n in sorted(fnmatch.filter(names, pattern))] for kind, names in kinds.items()}
        )

    def _mget(self, request: Request, index: str) -> Answer:
        there = {known for holder, known, _ in self.documents if holder == index}
        return Answer({"docs": [{"found": known in there} for known in json.loads(request.body)["ids"]]})

    def _template(self, request: Request, path: str, query: str) -> Answer:
        _, kind, name = path.split("/")
        kept = self.templates if kind == "_index_template" else self.components
        if request.method == "GET":
            kind = kind.removeprefix("_")
            found = [{"name": name, kind: kept[name]}] if name in kept else []
            return Answer({f"{kind}s": found}) if found else error(404, "resource_not_found_exception")
        if query == "create=true" and name in kept:
            return error(400, "illegal_argument_exception", f"{kind} [{name}] already exists")
        kept[name] = json.loads(request.body)
        return Answer({"acknowledged": True})

    def _simulate(self, name: str) -> Answer:
        """What an index of that name would be made by: the highest of the templates that match it."""
        matching = [
            known
            for known, template in self.templates.items()
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in template.get("index_patterns", []))
        ]
        ranked = sorted(matching, key=lambda known: self.templates[known].get("priority", 0))
        below = [{"name": known, "index_patterns": ["…"]} for known in ranked[:-1]]
        return Answer({"template": {"mappings": {}}, "overlapping": below})

    def _policy(self, request: Request, name: str) -> Answer:
        if request.method == "PUT":
            self.policies[name] = json.loads(request.body)
            return Answer({"acknowledged": True})
        found = {name: {"version": 1, **self.policies[name]}} if name in self.policies else {}
        return Answer({**found}) if found else error(404, "resource_not_found_exception")


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
    return [body_of(request).count(b"\n") // 2 for request in server.requests if request.path.startswith("/_bulk")]


async def record_patiently(recorder: ElasticsearchRecorder, batch: list[Container], tries: int) -> list[Outcome]:
    """As a delivery would: what failed as a whole is tried again, and so is what an answer says to try again."""
    outcomes = dict.fromkeys((container.id for container in batch), Outcome.AGAIN)
    for left in range(tries - 1, -1, -1):
        waiting = [container for container in batch if outcomes[container.id] is Outcome.AGAIN]
        with suppress(RecordError) if left else nullcontext():
            verdicts = await recorder.record(waiting)
            outcomes |= {known.id: verdict.outcome for known, verdict in zip(waiting, verdicts, strict=True)}
    return [outcomes[container.id] for container in batch]
