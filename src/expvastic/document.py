"""The document of a container: where it comes from and what it holds, encoded once."""

from __future__ import annotations

import functools
import itertools
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from .datatypes import NO_LABELS, Page

_encode = msgspec.json.Encoder().encode
_VARIANTS_KEPT = 4_096  # encoded metadata, one per set of labels


class Identity:
    """This process, as every document names it; and the source of ids, each given out once.

    An id sorts by time, and holds the agent id, a number drawn at each start and a counter: two processes with the
    same file and the same clock never give out the same one.
    """

    def __init__(self, agent_id: str, host: str, version: str) -> None:
        self.agent_id = agent_id
        self.host = host
        self.version = version
        self._start = f"{agent_id}-{secrets.token_hex(4)}"
        self._numbers = itertools.count()

    def next_id(self, time: int) -> str:
        """A new id for a container of that time (microseconds)."""
        return f"{time // 1000:011x}-{self._start}-{next(self._numbers):x}"


class DocumentEncoder:
    """Makes one reader's documents. ``service`` is what is polled, ``target`` its address, ``tags`` fixed labels."""

    __slots__ = ("_dataset", "_identity", "_plain", "_service", "_tags", "_target", "_variants")

    def __init__(self, identity: Identity, *, service: str, target: str, tags: Mapping[str, str]) -> None:
        self._identity = identity
        self._service = service
        self._target = target
        self._tags = tags
        self._dataset = ""
        self._plain = b""  # the metadata of a page of that dataset without labels: the one that most readers have
        self._variants: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}

    def encode(self, page: Page, values: Mapping[str, Any], *, time: int, duration: int, action: str = "") -> bytes:
        """A page's values at a time (microseconds), with what it took (nanoseconds) and what happened to the target."""
        return self.wrap(page, _encode(values), time=time, duration=duration, action=action)

    def wrap(self, page: Page, values: bytes, *, time: int, duration: int, action: str = "") -> bytes:
        """The same for values that are already encoded, as an object with at least one member."""
        seconds, micros = divmod(time, 1_000_000)
        head = b'{"@timestamp":"%b%06dZ","event.duration":%d,' % (_second(seconds), micros, duration)
        if action:
            head += b'"event.action":"%b",' % action.encode()
        return head + self._metadata(page) + values[1:]

    def _metadata(self, page: Page) -> bytes:
        """The fields that are the same in every document of a page like this, encoded, with a comma behind."""
        labels = page.labels
        if labels is NO_LABELS and page.dataset == self._dataset:
            return self._plain
        if labels is not NO_LABELS:
            return self._labelled(page.dataset, {**self._tags, **labels})
        self._dataset = page.dataset
        self._plain = _encode(self._fields(page.dataset, self._tags))[1:-1] + b","
        return self._plain

    def _labelled(self, dataset: str, labels: Mapping[str, str]) -> bytes:
        key = (dataset, tuple(labels.items()))
        encoded = self._variants.get(key)
        if encoded is None:
            encoded = _encode(self._fields(dataset, labels))[1:-1] + b","
            if len(self._variants) >= _VARIANTS_KEPT:
                self._variants.clear()
            self._variants[key] = encoded
        return encoded

    def _fields(self, dataset: str, labels: Mapping[str, str]) -> dict[str, str]:
        identity = self._identity
        fields = {"service.name": self._service, "service.address": self._target}
        fields |= {"host.name": identity.host, "agent.id": identity.agent_id, "agent.name": identity.host}
        fields |= {"agent.type": "expvastic", "agent.version": identity.version, "event.dataset": dataset}
        fields |= {f"labels.{name}": value for name, value in labels.items()}
        return {name: value for name, value in fields.items() if value}


@functools.lru_cache(maxsize=16)
def _second(seconds: int) -> bytes:
    """Told anew once per second, not once per document."""
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.".encode()
