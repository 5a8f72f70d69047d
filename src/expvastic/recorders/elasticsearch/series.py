"""Sends batches to a time series, and what that does not take to the plain data stream beside it.

Theory of operation: a time series makes the ids itself, of its dimensions and the millisecond. Our id goes along as a
field, so that a 409 can be looked into: the document that is there is this one, sent before, or another of the same
series and millisecond. Such a one goes to the plain sibling, under our id; and so does what the server itself calls
outside of its time range, be it late from an outage or ahead by a wrong clock. Events of garbage collections, of which
many may end in one millisecond, go there straight away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import msgspec

from ...datatypes import Container
from ...errors import RecorderLost, RecordError
from ...recorder import Outcome, Verdict
from .answers import Answer, decode, explain, tidy
from .bulks import Bulk
from .destination import IndexName
from .search import find_recorded
from .sending import Sender
from .settings import ElasticsearchSettings
from .template import EVENT_ID, sibling_of
from .verdicts import Item, judge_items
from .whereabouts import whereabouts_of

if TYPE_CHECKING:
    from .client import Cluster

_OUTSIDE = "outside of its time range"
_TAKEN = "its place is taken"
_WINDOW = re.compile(r"outside of ranges of currently writable indices|time series index @timestamp value \[")
_GC = re.compile(rb'"event\.dataset":"[^"]*\.gc"')
_NAMED = re.compile(r"\[([^]]+)\]\[")
_METADATA = 4_096  # bytes, at the beginning of every document
_CHUNK = 1_000  # ids in one question


class SeriesSender:
    """As Sender, for a time series."""

    def __init__(
        self, settings: ElasticsearchSettings, index: IndexName, clock: Callable[[], float] = anyio.current_time
    ) -> None:
        self._name = index.text
        self._sibling = sibling_of(index)
        self._whereabouts = whereabouts_of(settings)
        self._plain = Sender(settings, self._sibling, clock)
        self._series = Sender(
            settings, index, clock, build=lambda batch: Bulk.for_series(batch, index.text), judge=_judge
        )

    async def send(self, cluster: Cluster, batch: Sequence[Container]) -> list[Verdict]:
        """The verdicts on a batch. Raises RecordError if not even the first bulk was answered, or if all is lost."""
        apart = [_is_gc(container.document) for container in batch]
        regular = [container for container, is_apart in zip(batch, apart, strict=True) if not is_apart]
        sent = iter(await self._send_regular(cluster, regular) if regular else [])
        verdicts: list[Verdict | None] = [None if is_apart else next(sent) for is_apart in apart]
        left = [place for place, verdict in enumerate(verdicts) if verdict is None or verdict.reason == _OUTSIDE]
        if left:
            answers = await self._send_apart(cluster, [batch[place] for place in left], is_first=not regular)
            for place, verdict in zip(left, answers, strict=True):
                verdicts[place] = verdict
        return [verdict for verdict in verdicts if verdict]

    async def find(self, cluster: Cluster, batch: Sequence[Container]) -> list[bool]:
        """Which of these are recorded though the next try might not notice it.

        The series may call them outside of its time range by now, and the sibling may have rolled over.
        """
        ids = [container.id for container in batch]
        in_series = await self._find_in_series(cluster, ids)
        in_sibling = await find_recorded(cluster, self._whereabouts, ids, [self._sibling.text] * len(ids))
        return [any(pair) for pair in zip(in_series, in_sibling, strict=True)]

    async def _find_in_series(self, cluster: Cluster, ids: Sequence[str]) -> list[bool]:
        found: set[str] = set()
        target = f"/{quote(self._name, safe='')}"
        answer = await cluster.request("POST", f"{target}/_refresh?ignore_unavailable=true")
        if answer.status == 403:  # then only what lies in the time range is noticed, by its place
            return [False] * len(ids)
        if answer.status not in (200, 404):
            raise explain(answer, f"refreshing {self._name} before looking into it")
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            question = {"size": len(chunk), "_source": [EVENT_ID], "query": {"terms": {EVENT_ID: chunk}}}
            found.update(await _search(cluster, target, question))
        return [known in found for known in ids]

    async def _send_regular(self, cluster: Cluster, batch: Sequence[Container]) -> list[Verdict]:
        """Verdicts on what goes to the series; those with the reason _OUTSIDE are for the sibling."""
        verdicts = await self._series.send(cluster, batch)
        places = [place for place, verdict in enumerate(verdicts) if verdict.reason == _TAKEN]
        for place, verdict in zip(
            places,
            await _look_into(cluster, [(batch[place].id, verdicts[place]) for place in places]),
            strict=True,
        ):
            verdicts[place] = verdict
        return verdicts

    async def _send_apart(self, cluster: Cluster, batch: Sequence[Container], *, is_first: bool) -> list[Verdict]:
        """Verdicts of the sibling; if it does not answer, what the series said of others stands all the same."""
        try:
            return await self._plain.send(cluster, batch)
        except RecorderLost as error:
            error.in_doubt |= not is_first
            raise
        except RecordError as error:
            if is_first:
                raise
            verdict = Verdict(Outcome.AGAIN, "bulk failed", tidy(str(error)), in_doubt=error.in_doubt)
            return [verdict] * len(batch)


def _is_gc(document: bytes) -> bool:
    return _GC.search(document, 0, _METADATA) is not None


def _judge(items: Sequence[Item], destinations: Sequence[str]) -> list[Verdict]:
    """As of any bulk, but that two answers are not the last word."""
    verdicts = judge_items(items, destinations)
    for place, (item, destination) in enumerate(zip(items, destinations, strict=True)):
        words = (
            " ".join(cause.reason or "" for cause in (item.error, item.error.caused_by) if cause) if item.error else ""
        )
        if item.status == 409:
            where = f"{item.index}/{item.id or _named_id(words)}"
            verdicts[place] = Verdict(Outcome.DUPLICATE, _TAKEN, detail=where, destination=destination)
        elif item.status == 400 and _WINDOW.search(words):
            verdicts[place] = Verdict(Outcome.REFUSED, _OUTSIDE, detail=tidy(words), destination=destination)
    return verdicts


def _named_id(words: str) -> str:
    """The id that a conflict's words begin with, for servers that do not give it apart."""
    found = _NAMED.match(words)
    return found[1] if found else ""


async def _look_into(cluster: Cluster, taken: Sequence[tuple[str, Verdict]]) -> list[Verdict]:
    """For each document whose place is taken: whether by itself, or by another, so that it is for the sibling."""
    by_index: dict[str, list[str]] = {}
    for _, verdict in taken:
        index, _, known = verdict.detail.partition("/")
        by_index.setdefault(index, []).append(known)
    holders: dict[str, str] = {}
    try:
        for index, ids in by_index.items():
            holders |= await _ask_holders(cluster, index, ids)
    except RecordError as error:
        again = Verdict(Outcome.AGAIN, "cannot be looked up", tidy(str(error)), in_doubt=True)
        return [again] * len(taken)
    return [_settle(own, holders.get(verdict.detail, ""), verdict) for own, verdict in taken]


def _settle(own: str, holder: str, verdict: Verdict) -> Verdict:
    if holder == own:
        return Verdict(Outcome.DUPLICATE, destination=verdict.destination)
    return Verdict(Outcome.REFUSED, _OUTSIDE, destination=verdict.destination)


async def _ask_holders(cluster: Cluster, index: str, ids: Sequence[str]) -> dict[str, str]:
    """Our id of each document in an index, by the index and the series' id for it."""
    path = f"/{quote(index, safe='')}/_mget?_source={EVENT_ID}&filter_path=docs._id,docs._source"
    answer = await cluster.request("POST", path, body=msgspec.json.encode({"ids": ids}))
    found = _read(answer, f"looking into {index}").get("docs") or []
    return {f"{index}/{document.get('_id')}": _own_id(document) for document in found}


async def _search(cluster: Cluster, target: str, question: dict[str, object]) -> list[str]:
    path = f"{target}/_search?ignore_unavailable=true&filter_path=hits.hits._source"
    answer = await cluster.request("POST", path, body=msgspec.json.encode(question))
    if answer.status in (403, 404):
        return []
    hits = _read(answer, "looking for documents in the series").get("hits") or {}
    return [_own_id(document) for document in hits.get("hits") or []]


def _own_id(document: dict[str, Any]) -> str:
    """Our id in a document, whose name is written with or without a dot after the server made it up again."""
    source = document.get("_source") or {}
    return str(source.get(EVENT_ID) or (source.get("event") or {}).get("id") or "")


def _read(answer: Answer, action: str) -> dict[str, Any]:
    if answer.status != 200:
        raise explain(answer, action)
    try:
        return decode(answer.body, dict[str, Any])
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: {action}: no usable answer") from error
