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


def import_pydantic() -> None:
    """Import what pydantic begins with, and only that.

    It is kept from looking for plug-ins in the metadata of all packages, which takes 10 ms and finds none; and from
    importing what reads such metadata, which takes as long: what it needs of that stands in until it has imported its
    part, and would import the whole if it were called.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if _METADATA in sys.modules:
        return
    stand_in = types.ModuleType(_METADATA)
    stand_in.__dict__["entry_points"] = _entry_points
    sys.modules[_METADATA] = stand_in
    try:
        with contextlib.suppress(ImportError):  # another version may have another place for it
            with _plain_typed_dicts():
                importlib.import_module("pydantic_core.core_schema")
            importlib.import_module("pydantic.plugin._loader")
    finally:
        if sys.modules.get(_METADATA) is stand_in:
            del sys.modules[_METADATA]


def _entry_points(**wanted: str) -> object:
    return importlib.import_module(_METADATA).entry_points(**wanted)


class _PlainDict(dict[str, object]):
    """What a typed dict is while a program runs, without what it can tell of itself."""

    def __init_subclass__(cls, *, total: bool = True) -> None:
        super().__init_subclass__()


@contextlib.contextmanager
def _plain_typed_dicts() -> Iterator[None]:
    """Let typed dicts be made quickly meanwhile.

    The core of pydantic describes its schemas with eighty of them, for type checkers alone: 5 ms.
    """
    typing = importlib.import_module("typing" if sys.version_info >= (3, 12) else "typing_extensions")
    slow = typing.TypedDict
    setattr(typing, "TypedDict", _PlainDict)  # noqa: B010  # a type checker would mind
    try:
        yield
    finally:
        setattr(typing, "TypedDict", slow)  # noqa: B010
