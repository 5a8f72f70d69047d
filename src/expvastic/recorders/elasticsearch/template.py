"""The index template that goes with a name, and whether one that is installed will do."""

from __future__ import annotations

import enum

import msgspec

from .answers import decode
from .destination import IndexName

MANAGER = "expvastic"
VERSION = 2  # raised with every change of what follows; an installed template is only ever replaced by a newer one

# Above the built-in templates for metrics-*-* (100), Fleet's (200), and the 500 below which users are told to stay.
_PRIORITY = 501
# Twice the default: the names of all programs that share the destination add up.
_FIELDS = 2_000
_KEYWORD_LENGTH = 1_024

_KEYWORDS = (
    *("service.name", "service.address", "host.name", "agent.id", "agent.name", "agent.type", "agent.version"),
    *("event.dataset", "event.action", "expvar_refused"),
)


class Need(enum.Enum):
    """What is to be done about a template."""

    CREATE = "create"
    UPDATE = "update"
    NOTHING = "nothing"


class _Template(msgspec.Struct):
    meta: dict[str, object] | None = msgspec.field(default=None, name="_meta")
    data_stream: dict[str, object] | None = None


class _Named(msgspec.Struct):
    index_template: _Template


class _Installed(msgspec.Struct):
    index_templates: list[_Named] = []


def template_name(name: IndexName) -> str:
    """The name under which the template for an index name is installed."""
    return f"{MANAGER}-{name.pattern.replace('*', '_')}"


def build_template(name: IndexName, *, stream: bool) -> bytes:
    """The template: every number a double unless known, so that 1 and 1.5 agree; strings keywords; nothing guessed."""
    template: dict[str, object] = {
        "index_patterns": [name.pattern],
        # Equal priorities of overlapping patterns are refused: the more a pattern says, the higher it stands.
        "priority": _PRIORITY + len(name.pattern.replace("*", "")),
        "_meta": {"managed_by": MANAGER, "version": VERSION},
        "template": {"settings": {"index.mapping.total_fields.limit": _FIELDS}, "mappings": _mappings()},
    }
    if stream:
        template["data_stream"] = {}
    return msgspec.json.encode(template)


def judge_installed(body: bytes, *, stream: bool) -> Need:
    """What to do, given the answer that tells what is installed under our name.

    What somebody else installed is theirs, and what a newer version of ours installed is better. Raises ValueError if
    the answer is not one.
    """
    installed = decode(body, _Installed).index_templates
    if not installed:
        return Need.CREATE
    template = installed[0].index_template
    meta = template.meta or {}
    version = meta.get("version")
    if meta.get("managed_by") != MANAGER or not isinstance(version, int) or version > VERSION:
        return Need.NOTHING
    is_as_wanted = version == VERSION and (template.data_stream is not None) == stream
    return Need.NOTHING if is_as_wanted else Need.UPDATE


def _mappings() -> dict[str, object]:
    keyword = {"type": "keyword", "ignore_above": _KEYWORD_LENGTH}
    return {
        "date_detection": False,
        "numeric_detection": False,
        "dynamic_templates": [
            {"integers": {"match_mapping_type": "long", "mapping": {"type": "double"}}},
            {"floats": {"match_mapping_type": "double", "mapping": {"type": "double"}}},
            {"strings": {"match_mapping_type": "string", "mapping": keyword}},
            {"booleans": {"match_mapping_type": "boolean", "mapping": {"type": "boolean"}}},
        ],
        "properties": {
            "@timestamp": {"type": "date"},
            "event.duration": {"type": "long"},
            **dict.fromkeys(_KEYWORDS, keyword),
        },
    }
