"""A cluster that answers, hangs, breaks off, refuses and lies in random order, and remembers every document it took.

It writes a document once, by id, as ``create`` does, and what it says of it afterwards is chance. What it holds against
a document is not: a text in ``expvar.poison`` is refused by name, a document that is ``hopeless`` always, a request
above ``LARGEST`` bytes too.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from recorders.fake_cluster import ROOTS, body_of, error, item
from scripted_http import HANG, RESET, Answer, AnyAnswer, Raw, Request, ScriptedServer

LARGEST = 100_000  # bytes of a request
POISON = "expvar.poison"
WELL = 0.45  # of all bulks are answered as they should be
HTML = "<html><body><h1>Bad gateway</h1></body></html>"
PARSING = "document_parsing_exception"

Pairs = list[tuple[str, dict[str, Any]]]  # id and document


class ChaosSink:
    """The script of a ChaosServer."""

    def __init__(self, seed: int, hopeless: Callable[[str], bool]) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.is_deaf = False  # nothing that comes is taken in
        self.settled: set[str] = set()  # ids that nobody should send again, as far as the test has noted them
        self.needless: list[str] = []  # those that came all the same
        self.acts: Counter[str] = Counter()
        self._rng = random.Random(seed)
        self._hopeless = hopeless
        self._acts = [
            *(self.hangs, self.resets, self.truncates, self.says_too_large, self.is_busy, self.is_away),
            *(self.is_a_proxy, self.is_a_silent_proxy, self.miscounts, self.half_fails, self.half_fails),
        ]

    def __call__(self, request: Request) -> AnyAnswer:
        if request.method == "POST" and request.path.startswith("/_bulk"):
            return self._bulk(request)
        if request.path.startswith("/_resolve"):
            return Answer({"indices": [], "aliases": [], "data_streams": []})
        return Answer(ROOTS["elasticsearch"])

    def cuts(self) -> bool:
        """Whether the connection is cut in the middle of the next request."""
        is_cut = self._rng.random() < 0.03
        self.acts["cuts"] += is_cut
        return is_cut

    def _bulk(self, request: Request) -> AnyAnswer:
        if self.is_deaf:
            return RESET
        body = body_of(request)
        pairs = list(_pairs(body))
        self.needless += [known for known, _ in pairs if known in self.settled]
        if len(body) > LARGEST:
            self.acts["is_too_large"] += 1
            return Answer(b"", status=413)
        act = self._does_well if self._rng.random() < WELL else self._rng.choice(self._acts)
        self.acts[act.__name__.strip("_")] += 1
        return act(pairs)

    def _does_well(self, pairs: Pairs) -> AnyAnswer:
        return _told([self._write(*pair) for pair in pairs])

    def hangs(self, pairs: Pairs) -> AnyAnswer:
        self._write_some(pairs)
        return HANG

    def resets(self, pairs: Pairs) -> AnyAnswer:
        self._write_some(pairs)
        return RESET

    def truncates(self, pairs: Pairs) -> AnyAnswer:
        whole = Answer({"errors": False, "items": self._write_some(pairs)}).encode()
        return Raw(whole[: self._rng.randrange(1, len(whole))])

    def says_too_large(self, pairs: Pairs) -> AnyAnswer:
        return Answer(b"", status=413) if len(pairs) > 1 else self._does_well(pairs)

    def is_busy(self, pairs: Pairs) -> AnyAnswer:
        headers = {"retry-after": "0"} if self._rng.random() < 0.5 else {}
        return error(429, "es_rejected_execution_exception", **headers)

    def is_away(self, pairs: Pairs) -> AnyAnswer:
        return error(503, "unavailable_shards_exception")

    def is_a_proxy(self, pairs: Pairs) -> AnyAnswer:
        self._write_some(pairs)
        return Answer(HTML, status=self._rng.choice([502, 504]), headers={"content-type": "text/html"})

    def is_a_silent_proxy(self, pairs: Pairs) -> AnyAnswer:
        self._write_some(pairs)
        return Answer(HTML, headers={"content-type": "text/html"})

    def miscounts(self, pairs: Pairs) -> AnyAnswer:
        items = [self._write(*pair) for pair in pairs]
        return Answer({"errors": False, "items": items[1:] if self._rng.random() < 0.5 else [*items, items[0]]})

    def half_fails(self, pairs: Pairs) -> AnyAnswer:
        failures = ((429, "es_rejected_execution_exception"), (503, "unavailable_shards_exception"))
        items = [
            item(*self._rng.choice(failures)) if self._rng.random() < 0.5 else self._write(*pair) for pair in pairs
        ]
        return _told(items)

    def _write_some(self, pairs: Pairs) -> list[dict[str, Any]]:
        """All, none, or a beginning; the items for it."""
        count = self._rng.choice([0, len(pairs), self._rng.randrange(len(pairs) + 1)])
        return [self._write(*pair) for pair in pairs[:count]]

    def _write(self, known: str, document: dict[str, Any]) -> dict[str, Any]:
        if known in self.documents:
            return item(409, "version_conflict_engine_exception")
        if self._hopeless(known):
            return item(400, PARSING, "failed to parse: this document is hopeless")
        if isinstance(document.get(POISON), str):
            return item(400, PARSING, f"[1:9] failed to parse field [{POISON}] of type [double] in document")
        self.documents[known] = document
        return item(201)


class ChaosServer(ScriptedServer):
    """Cuts the connection in the middle of a bulk now and then."""

    def __init__(self, sink: ChaosSink) -> None:
        super().__init__(sink)
        self._sink = sink

    async def _receive(self, reader: asyncio.StreamReader, number: int) -> Request:
        self.requests.clear()
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(found[1]) if (found := re.search(rb"content-length: (\d+)", head, re.IGNORECASE)) else 0
        if head.startswith(b"POST /_bulk") and self._sink.cuts():
            await reader.readexactly(length // 2)
            raise ConnectionError
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Request(method, path, headers, await reader.readexactly(length), number)


def _pairs(body: bytes) -> Iterable[tuple[str, dict[str, Any]]]:
    lines = body.splitlines()
    for action, document in zip(lines[::2], lines[1::2], strict=True):
        yield json.loads(action)["create"]["_id"], json.loads(document)


def _told(items: list[dict[str, Any]]) -> Answer:
    return Answer({"errors": any(each["create"]["status"] > 201 for each in items), "items": items})
