"""From a Reading to Containers: what a page means, for one reader."""

from __future__ import annotations

from .settings import SettingsModel


class InterpreterSettings(SettingsModel):
    """How a reader's pages become documents."""

    type_name: str = ""
    """The service's name in the documents (`service.name`); the reader's own name unless given."""
    prefix: str | None = None
    """Put before every name of a page. Unless given `expvar` for `expvar` and `self`, `json` for `http`. With an empty
    prefix names stand at the top level, and those that ECS reserves are moved below `expvar.`"""
    tags: dict[str, str] = {}
    """Fixed labels for every document, as `labels.NAME`."""
    cmdline: bool = False
    """Ship the target's command line, which may hold secrets."""
    map_file: str | None = None
    """A map file with units for memory and GC values."""
