"""The requests that install a destination's templates, in the order in which one needs the other."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from ..destination import IndexName
from .features import Features
from .mappings import DIMENSIONS, MANAGER, VERSION, build_mappings

# Above the built-in templates for metrics-*-* (100), Fleet's (200), and the 500 below which users are told to stay.
_PRIORITY = 501
# Twice the default: the names of all programs that share the destination add up.
_FIELDS = 2_000
_META = {"managed_by": MANAGER, "version": VERSION}
_DAY = 86_400
_ROLLOVER = {"max_age": "30d", "max_primary_shard_size": "50gb"}

SERIES_PART = "@series-"  # by which a time series' template is told from that of another data stream
_INDEX_PART = "@index-"
COMPONENT, INDEX, POLICY = "_component_template", "_index_template", "_ilm/policy"


class Shape(enum.Enum):
    """What a destination is."""

    PLAIN = "an index"
    STREAM = "a data stream"
    SERIES = "a time series"


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing to be installed under a name; ``kind`` is the path of its like."""

    kind: str
    name: str
    content: Mapping[str, object]

    @property
    def path(self) -> str:
        return f"/{self.kind}/{quote(self.name, safe='@')}"

    @property
    def words(self) -> str:
        """What it is, for people."""
        kind = "ILM policy" if self.kind == POLICY else self.kind.strip("_").replace("_", " ")
        return f"{kind} {self.name}"

    @property
    def takes_create(self) -> bool:
        """Whether the server can be told to refuse what would replace another."""
        return self.kind != POLICY

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(self.content)


def template_name(name: IndexName) -> str:
    """The name under which the template for an index name is installed."""
    return f"{MANAGER}-{name.pattern.replace('*', '_')}"


def priority_of(name: IndexName) -> int:
    """Equal priorities of overlapping patterns are refused: the more a pattern says, the higher it stands."""
    return _PRIORITY + len(name.pattern.replace("*", ""))


def sibling_of(name: IndexName) -> IndexName:
    """The plain data stream beside a time series, for what that does not take. Raises ValueError if it is too long."""
    return IndexName(f"{name.text}-plain")


def build_pieces(
    name: IndexName, shape: Shape, features: Features, retention: float | None = None
) -> tuple[Piece, ...]:
    """What a destination needs, its index template last; ``retention`` in seconds, where the server can see to it."""
    pieces = _build(name, shape, features, retention)
    if shape is Shape.SERIES:
        return (*_build(sibling_of(name), Shape.STREAM, features, retention), *pieces)
    return pieces


def _build(name: IndexName, shape: Shape, features: Features, retention: float | None) -> tuple[Piece, ...]:
    own = template_name(name)
    keeps_itself = features.lifecycle and shape is not Shape.PLAIN
    policy = _policy(own, shape, retention) if retention and features.policies and not keeps_itself else None
    settings = {"settings": build_settings(features, policy, is_series=shape is Shape.SERIES)}
    if keeps_itself:
        settings["lifecycle"] = _lifecycle(retention)
    if features.failure_store and shape is not Shape.PLAIN:
        settings["data_stream_options"] = {"failure_store": {"enabled": False}}
    mappings = {"mappings": build_mappings(features, is_series=shape is Shape.SERIES)}
    template = _head(name, shape)
    if not features.parts:
        return (*([policy] if policy else []), Piece(INDEX, own, template | {"template": settings | mappings}))
    kind = SERIES_PART if shape is Shape.SERIES else "@"
    # Those of a stream have words that an index' template may not have, and one cannot be replaced under the other.
    special = _INDEX_PART if shape is Shape.PLAIN else kind
    parts = [_component(f"{own}{special}settings", settings), _component(f"{own}{kind}mappings", mappings)]
    template["composed_of"] = [*(part.name for part in parts), f"{own}@custom"]
    template["ignore_missing_component_templates"] = [f"{own}@custom"]
    return (*([policy] if policy else []), *parts, Piece(INDEX, own, template))


def _head(name: IndexName, shape: Shape) -> dict[str, object]:
    head: dict[str, object] = {
        "index_patterns": [name.pattern],
        "priority": priority_of(name),
        "_meta": _META,
    }
    return head if shape is Shape.PLAIN else head | {"data_stream": {}}


def build_settings(features: Features, policy: Piece | None = None, *, is_series: bool = False) -> dict[str, object]:
    """The settings of a destination's indices."""
    settings: dict[str, object] = {"index.codec": "best_compression", "index.mapping.total_fields.limit": _FIELDS}
    if features.beyond_limit:
        # A refusal for the limit names no field, so that salvage would have to take out all of them.
        settings["index.mapping.total_fields.ignore_dynamic_beyond_limit"] = True
    if policy:
        settings["index.lifecycle.name"] = policy.name
    if is_series:
        settings |= {"index.mode": "time_series", "index.routing_path": [*DIMENSIONS, "labels.*"]}
        if features.stored_source:
            # Made up again from columns, a number would have only the digits of its type.
            settings["index.mapping.source.mode"] = "stored"
    return settings


def _lifecycle(retention: float | None) -> dict[str, object]:
    """Without a retention the server still begins a new index now and then, and keeps them all."""
    return {"enabled": True} if retention is None else {"enabled": True, "data_retention": _spell(retention)}


def _policy(name: str, shape: Shape, retention: float | None) -> Piece:
    """A policy that deletes what is old: a stream's indices by when they were left, all others by when they began."""
    age = _spell(retention or 0.0)
    phases: dict[str, object] = {"delete": {"min_age": age, "actions": {"delete": {}}}}
    if shape is not Shape.PLAIN:
        span = age if (retention or 0.0) < 30 * _DAY else _ROLLOVER["max_age"]
        phases["hot"] = {"min_age": "0ms", "actions": {"rollover": {**_ROLLOVER, "max_age": span}}}
    return Piece(POLICY, name, {"policy": {"_meta": _META, "phases": phases}})


def _component(name: str, template: Mapping[str, object]) -> Piece:
    return Piece(COMPONENT, name, {"template": template, "_meta": _META})


def _spell(seconds: float) -> str:
    """A time as Elasticsearch spells it, in the largest unit that is whole."""
    units: Iterator[tuple[int, str]] = iter([(_DAY, "d"), (3_600, "h"), (60, "m")])
    whole = max(1, round(seconds))
    return next((f"{whole // length}{unit}" for length, unit in units if whole % length == 0), f"{whole}s")
