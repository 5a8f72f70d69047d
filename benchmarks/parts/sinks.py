"""Where the documents of a run go, and reading them back whole."""

from __future__ import annotations

import abc
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .identity import Document

PAGE = 5_000  # documents of one answer


class Sink(abc.ABC):
    """One recorder's destination."""

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """The recorder's, without those that all have."""

    @abc.abstractmethod
    def documents(self) -> Sequence[Document]:
        """Everything in it."""


class File(Sink):
    """What a ``file`` recorder writes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def settings(self) -> dict[str, Any]:
        return {"type": "file", "path": str(self._path)}

    def documents(self) -> Sequence[Document]:
        if not self._path.exists():
            return []
        with self._path.open(encoding="utf-8") as lines:
            return [Document.of(source["_id"], source) for source in map(json.loads, lines)]


class Index(Sink):
    """A data stream of a cluster."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name

    def settings(self) -> dict[str, Any]:
        return {"type": "elasticsearch", "endpoint": self._url, "index_name": self._name}

    def documents(self) -> Sequence[Document]:
        self._call("POST", f"/{self._name}/_refresh")
        return [Document.of(hit["_id"], hit["_source"]) for hit in self._hits()]

    def remove(self) -> None:
        """Take the stream and all that is in it away."""
        for path in (f"/_data_stream/{self._name}", f"/_index_template/expvastic-{self._name}"):
            try:
                self._call("DELETE", path)
            except urllib.error.HTTPError:
                return

    def _hits(self) -> Iterator[dict[str, Any]]:
        answer = self._call("POST", f"/{self._name}/_search?scroll=1m", {"size": PAGE, "sort": ["_doc"]})
        while hits := answer["hits"]["hits"]:
            yield from hits
            answer = self._call("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": answer["_scroll_id"]})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, method=method, headers=headers, data=data)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
