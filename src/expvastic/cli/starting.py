"""A start costs no more than it must."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator


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
    """Keep pydantic from looking for plug-ins in the metadata of all packages: it takes 10 ms, and finds none."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
