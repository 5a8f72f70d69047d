"""A dashboard's panels as Elasticsearch's aggregations, and what comes back as the numbers that would be drawn.

What Kibana computes itself is computed here by its rules: a rate is the growth of a counter's maximum from one point
in time to the next; after a fall the new value is all there is. ``top_hits`` stands for ``top_metrics``, which a bare
server does not have.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from expvastic.dashboards.panels import CHARTS, TIME, Clause, DataView, Panel, Series

Point = tuple[datetime, float]
ALL = ""  # the only row, or line, of a panel that is not split


@dataclass(frozen=True)
class Drawn:
    """``lines`` of a chart by (value of the split, id of the series); ``rows`` of the others by value of the split."""

    lines: dict[tuple[str, str], list[Point]] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


def search_body(panel: Panel, view: DataView, *, seconds: int = 1, runtime: bool = True) -> dict[str, Any]:
    """The search of a panel, with points ``seconds`` apart. ``runtime`` is for servers that know such fields."""
    inner: dict[str, Any] = {series.id: _measure(series) for series in panel.series if series.operation != "count"}
    if panel.form in CHARTS:
        times = {"field": TIME, "fixed_interval": f"{seconds}s", "min_doc_count": 0}
        inner = {"time": {"date_histogram": times, "aggs": inner}}
    if panel.split:
        terms = {"field": panel.split.field, "size": panel.split.size}
        inner = {"split": {"terms": terms, "aggs": inner}}
    body: dict[str, Any] = {"size": 0, "query": query(panel.where), "aggs": inner}
    used = {series.field for series in panel.series}
    mappings = {name: {"type": kind} for name, kind in view.optional if name in used}
    return {**body, "runtime_mappings": mappings} if runtime and mappings else body


def query(where: tuple[Clause, ...]) -> dict[str, Any]:
    wanted = [{"term": {each.field: each.value}} for each in where if not each.negated]
    unwanted = [{"term": {each.field: each.value}} for each in where if each.negated]
    return {"bool": {"filter": wanted, "must_not": unwanted}}


def drawn(panel: Panel, answer: Mapping[str, Any], *, seconds: int = 1) -> Drawn:
    """What an answer to ``search_body`` shows."""
    top = answer.get("aggregations", {})
    buckets = top["split"]["buckets"] if panel.split else [{**top, "key": ALL, "doc_count": answer["hits"]["total"]}]
    result = Drawn()
    for bucket in buckets:
        if panel.form not in CHARTS:
            result.rows[bucket["key"]] = {series.id: _value(series, bucket) for series in panel.series}
            continue
        for series in panel.series:
            points = [(_when(each), _value(series, each)) for each in bucket["time"]["buckets"]]
            if series.per_second:
                points = _rates(points, seconds)
            if line := [(time, value) for time, value in points if value is not None]:
                result.lines[bucket["key"], series.id] = line
    return result


def _measure(series: Series) -> dict[str, Any]:
    field_ = {"field": series.field}
    match series.operation:
        case "average":
            return {"avg": field_}
        case "percentile":
            return {"percentiles": {**field_, "percents": [series.percentile]}}
        case "unique_count":
            return {"cardinality": field_}
        case "last_value":
            hits = {"size": 1, "sort": [{TIME: "desc"}], "_source": [series.field]}
            return {"filter": {"exists": field_}, "aggs": {"latest": {"top_hits": hits}}}
    return {series.operation: field_}


def _value(series: Series, bucket: Mapping[str, Any]) -> Any:
    if series.operation == "count":
        count = bucket["doc_count"]
        return count["value"] if isinstance(count, Mapping) else count
    found = bucket[series.id]
    if series.operation == "percentile":
        return found["values"][f"{series.percentile:.1f}"]
    if series.operation == "last_value":
        hits = found["latest"]["hits"]["hits"]
        return hits[0]["_source"][series.field] if hits else None
    return found["value"]


def _when(bucket: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(bucket["key"] / 1000, UTC)


def _rates(points: list[tuple[datetime, Any]], seconds: int) -> list[tuple[datetime, Any]]:
    rates: list[tuple[datetime, Any]] = []
    for (_, before), (time, now) in itertools.pairwise(points):
        known = before is not None and now is not None
        rates.append((time, (now - before if now >= before else now) / seconds if known else None))
    return rates
