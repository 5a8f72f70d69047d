"""How many documents of whom a destination holds, minute by minute."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from ...errors import RecordError
from .answers import Answer, decode, explain

if TYPE_CHECKING:
    from .client import Cluster

_MINUTE = 60_000  # milliseconds
_FIELDS = ("agent.id", "agent.id.keyword")  # by our template; by the one that a cluster makes for itself
_NOT_NEEDED = (403, 404)  # not allowed, which only delays what is found; not there, of which the search tells


class _Bucket(msgspec.Struct):
    key: float
    doc_count: int


class _Histogram(msgspec.Struct):
    buckets: list[_Bucket] = []


class _Aggregations(msgspec.Struct):
    minutes: _Histogram = msgspec.field(default_factory=_Histogram)


class _Shards(msgspec.Struct):
    failed: int = 0


class _Found(msgspec.Struct):
    shards: _Shards = msgspec.field(name="_shards")
    timed_out: bool = False
    aggregations: _Aggregations = msgspec.field(default_factory=_Aggregations)


async def count_by_minute(cluster: Cluster, pattern: str, agent_id: str, since: int, until: int) -> dict[int, int]:
    """Documents of an agent by minute, from ``since`` to before ``until``, in all that a pattern names.

    Raises RecordError if the cluster cannot tell, or only in part.
    """
    target = f"/{quote(pattern, safe='*')}"
    await _refresh(cluster, target)
    for field in _FIELDS:
        counts = await _search(cluster, target, _question(field, agent_id, since, until))
        if counts:
            break
    return counts


async def _refresh(cluster: Cluster, target: str) -> None:
    answer = await cluster.request("POST", f"{target}/_refresh?ignore_unavailable=true")
    if answer.status != 200 and answer.status not in _NOT_NEEDED:
        raise explain(answer, "refreshing before counting documents")


async def _search(cluster: Cluster, target: str, question: bytes) -> dict[int, int]:
    answer = await cluster.request("POST", f"{target}/_search?ignore_unavailable=true", body=question)
    if answer.status == 404:
        return {}
    if answer.status != 200:
        raise explain(answer, "counting documents")
    found = _read(answer)
    return {int(bucket.key) // _MINUTE: bucket.doc_count for bucket in found.aggregations.minutes.buckets}


def _read(answer: Answer) -> _Found:
    try:
        found = decode(answer.body, _Found)
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: counting documents: {error}") from error
    if found.timed_out or found.shards.failed:
        raise RecordError(f"{answer.endpoint}: counting documents: only a part of them could be searched; try again")
    return found


def _question(field: str, agent_id: str, since: int, until: int) -> bytes:
    span = {"gte": since * _MINUTE, "lt": until * _MINUTE, "format": "epoch_millis"}
    histogram = {"field": "@timestamp", "fixed_interval": "1m", "min_doc_count": 1}
    return msgspec.json.encode(
        {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": [{"term": {field: agent_id}}, {"range": {"@timestamp": span}}]}},
            "aggs": {"minutes": {"date_histogram": histogram}},
        }
    )
