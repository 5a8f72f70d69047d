"""What a reader can be told about the meaning of its pages, apart from its own type's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from ..settings import Words
from .flatten import Limits
from .names import is_reserved
from .shaping import ShapingSettings


def _usable_prefix(prefix: str | None) -> str | None:
    if prefix and is_reserved(prefix):
        raise ValueError(f"{prefix!r} has a meaning of its own in documents; take another, such as 'expvar' or 'app'")
    return prefix


class InterpreterSettings(ShapingSettings):
    """How a reader's pages become documents."""

    type_name: str = ""
    """The service's name in the documents (`service.name`); the reader's own name unless given."""
    prefix: Annotated[str | None, AfterValidator(_usable_prefix)] = None
    """Put before every name of a page. Unless given `expvar` for `expvar` and `self`, `json` for `http`. With an empty
    prefix names stand at the top level, and those that ECS reserves are moved below `expvar.`"""
    tags: dict[str, str] = {}  # noqa: RUF012  # pydantic copies defaults
    """Fixed labels for every document, as `labels.NAME`."""
    cmdline: bool = False
    """Ship the target's command line, with what looks like a secret masked."""
    limits: Limits = Limits.unsaid()
    """How much of a page is shipped."""
    go_runtime: bool | None = None
    """Whether `memstats` are those of Go's runtime: then garbage collections are shipped once each, and restarts of
    the target are seen. Unless given true for `expvar`, false for others."""
    gc_events: bool = False
    """Also ship one document per garbage collection, at the time of its end."""
    gc_history: bool = False
    """With the first page of a target also ship the collections that it still remembers, up to 256."""
    by_size: bool = False
    """Also ship the objects that were allocated and freed since the last poll, per class of size (`BySize`)."""
    rates: Words = ()
    """Names of counters, dotted or their last part alone, whose growth per second is shipped beside them as
    `NAME_per_second`; the one word `counters` means all that Go's runtime has."""
    map_file: str | None = None
    """A file that says what names mean, with the keys of `mapping`; it goes before `mapping`, name by name."""
