"""The types of readers and recorders that a configuration may name, and what is said of a type or key that is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from ..reader import Reader
from ..recorder import Recorder
from ..settings import SettingsModel
from .complaints import listed
from .shapes import shape_of


class Catalogue(msgspec.Struct, frozen=True):
    """Classes of readers and recorders by type."""

    readers: Mapping[str, type[Reader[Any]]]
    recorders: Mapping[str, type[Recorder[Any]]]


def installed() -> Catalogue:
    """Return the types that come with expvastic."""
    from ..readers import READERS
    from ..recorders import RECORDERS

    return Catalogue(READERS, RECORDERS)


def settings_of(plugin: type[Reader[Any] | Recorder[Any]]) -> type[SettingsModel]:
    """Return a plug-in's settings class."""
    return cast("type[SettingsModel]", plugin.settings_type)


def elsewhere(kind: str, classes: Mapping[str, type[Any]]) -> Callable[[str], str]:
    """Return what says of an unknown key of a reader or recorder that other types have it; nothing if none has."""

    def explain(written: str) -> str:
        owners = [name for name, plugin in classes.items() if shape_of(settings_of(plugin)).key_of(written)]
        have = "has" if len(owners) == 1 else "have"
        return f"no key of the type {kind}; {listed(owners, 'and')} {have} it" if owners else ""

    return explain
