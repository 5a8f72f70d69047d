"""Tidying rotated files in the background: one thread per active file, which nobody waits for.

Compressing takes as long as a file is large, and is nothing that a batch should pay for. The threads are daemons, so
that they hold up no exit; what is then left half done is finished after the next opening.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from .archive import Archive

THREAD_NAME = "expvastic-tidying"

_guard = threading.Lock()
_wanted: dict[Path, Archive | None] = {}  # by active file, while its thread is at work: the next round, if there is one


def tidy_soon(active: Path, archive: Archive) -> None:
    """Have the rotated files tidied, once more if that is being done already; returns at once."""
    with _guard:
        is_at_work = active in _wanted
        _wanted[active] = archive
    if not is_at_work:
        try:
            threading.Thread(target=_work, args=(active,), name=THREAD_NAME, daemon=True).start()
        except RuntimeError:  # no more threads can be had; made good after the next rotation
            _forget(active)


def _work(active: Path) -> None:
    try:
        while archive := _next(active):
            with contextlib.suppress(OSError):  # made good after the next rotation
                archive.tidy()
    except BaseException:
        _forget(active)
        raise


def _next(active: Path) -> Archive | None:
    """The next round; if none is wanted, the thread is at work no more."""
    with _guard:
        archive = _wanted[active]
        if archive is None:
            del _wanted[active]
        else:
            _wanted[active] = None
        return archive


def _forget(active: Path) -> None:
    with _guard:
        _wanted.pop(active, None)
