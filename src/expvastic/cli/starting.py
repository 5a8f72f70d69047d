"""A start costs no more than it must."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import types
from collections.abc import Iterator

_METADATA = "importlib.metadata"


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Collect no garbage meanwhile, and never look at what is made meanwhile: it is there for good.

    While modules are imported and a large configuration is read, the collector goes over all that is there again and
    again, and finds nothing: a sixth of the start with a thousand readers.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def leave_out_plugins() -> None:
    """Keep pydantic from looking for plug-ins in the metadata of all packages: it takes 10 ms, and finds none.

    And from importing what reads such metadata, which takes as long: what it needs of that stands in until it has
    imported its part, and would import the whole if it were called.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if _METADATA in sys.modules:
        return
    stand_in = types.ModuleType(_METADATA)
    stand_in.__dict__["entry_points"] = _entry_points
    sys.modules[_METADATA] = stand_in
    try:
        with contextlib.suppress(ImportError):  # another version may have another place for it
            importlib.import_module("pydantic.plugin._loader")
    finally:
        if sys.modules.get(_METADATA) is stand_in:
            del sys.modules[_METADATA]


def _entry_points(**wanted: str) -> object:
    return importlib.import_module(_METADATA).entry_points(**wanted)
