"""The types of fields: one rule for what is unknown, exact ones for what Go and we ourselves publish.

An integer of an unknown name is a double, as a fraction is: so 1 and 1.5 agree in every index, nothing is cut off, and
2^64-1 finds room; computed values have a double's 53 bits, the document keeps every digit. What is known to be a whole
number for good is a long and refuses a fraction instead of cutting it off. ``unsigned_long`` is not used: not every
server has it, and it is computed with as a double all the same. Strings are not searched for numbers or dates.
"""

from __future__ import annotations

from ....pages.memstats import FIELDS
from .features import Features

MANAGER = "expvastic"
VERSION = (
    4  # raised with every change of what templates say; one that is installed is only ever replaced by a newer one
)

Field = dict[str, object]

_KEYWORD_LENGTH = 1_024
_WHOLE_UNITS = ("bytes", "ns", "ns since epoch", "count")
_KINDS = ("counter", "gauge", "ring")

DIMENSIONS = ("service.name", "host.name", "service.address", "event.dataset", "agent.id")
EVENT_ID = "event.id"  # our id, where a document cannot have it as its own
_DIMENSION: Field = {"type": "keyword", "time_series_dimension": True}
_KEYWORDS = (*DIMENSIONS, "agent.name", "agent.type", "agent.version", "event.action", "expvar_refused")


def build_mappings(features: Features, *, is_series: bool = False) -> dict[str, object]:
    """The mappings of a destination, as a server with such features takes them; those of a time series if asked."""
    keyword: Field = {"type": "keyword", "ignore_above": _KEYWORD_LENGTH}
    own: dict[str, Field] = dict.fromkeys(_KEYWORDS, keyword)
    if is_series:
        own |= dict.fromkeys(DIMENSIONS, _DIMENSION) | {EVENT_ID: {"type": "keyword"}}
    mappings: dict[str, object] = {
        "_meta": {"managed_by": MANAGER, "version": VERSION},
        "date_detection": False,
        "numeric_detection": False,
        "dynamic_templates": [*(_series_rules() if is_series else []), *_rules(features, keyword, is_series=is_series)],
        "properties": {
            # Said so that somebody may let the whole index ignore what is malformed: 7.17 would refuse it of this one.
            "@timestamp": {"type": "date", "ignore_malformed": False},
            "event.duration": {"type": "long"},
            **own,
        },
    }
    if features.flat_names:
        mappings["subobjects"] = False
    return mappings


def _rules(features: Features, keyword: Field, *, is_series: bool) -> list[object]:
    unindexed: Field = {"index": False} if features.unindexed else {}
    gauge: Field = {"time_series_metric": "gauge"} if is_series else {}
    double = {"type": "double", **unindexed, **gauge}
    return [
        {"known": _whole(whole_numbers(), {**unindexed, **gauge})},
        {"integers": {"match_mapping_type": "long", "mapping": double}},
        {"floats": {"match_mapping_type": "double", "mapping": double}},
        {"strings": {"match_mapping_type": "string", "mapping": keyword}},
        {"booleans": {"match_mapping_type": "boolean", "mapping": {"type": "boolean"}}},
    ]


def _series_rules() -> list[object]:
    """What a time series is told besides: labels tell series apart, and counters only ever grow."""
    labels = {"match_mapping_type": "string", "path_match": "labels.*", "mapping": _DIMENSION}
    counters = _whole(whole_numbers("counter"), {"index": False, "time_series_metric": "counter"})
    return [{"labels": labels}, {"rings": _whole(whole_numbers("ring"), {"index": False})}, {"counters": counters}]


def _whole(names: str, more: Field) -> Field:
    known = {"match_mapping_type": "long", "match_pattern": "regex", "path_match": names}
    return {**known, "mapping": {"type": "long", "coerce": False, **more}}


def whole_numbers(*kinds: str) -> str:
    """A regular expression for the names of Go's whole numbers below any prefix; of all kinds if none is given."""
    wanted = kinds or _KINDS
    names = [name for name, facts in FIELDS.items() if facts.kind in wanted and facts.unit in _WHOLE_UNITS]
    return rf"(.*\.)?memstats\.({'|'.join(names)})"
