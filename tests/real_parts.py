"""What the real parts of tests share: a cache folder, and a way to say that one cannot be had here."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "expvastic-tests"


class Unavailable(Exception):
    """This machine cannot run the part; the text is one line that says what is missing and how to get it."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other test sessions out of a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
