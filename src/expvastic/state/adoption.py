"""One recorder's data becomes another one's.

Theory of operation: the buffer changes hands by one renaming, so that whatever moment the process ends at, it is either
the old one's or the new one's, whole. The mark comes after: without it the next start asks again, or has no reason to.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .marks import BUFFER, MARK, Mark, write_mark
from .writing import UNFINISHED, sync_folder

_QUARANTINE = "quarantine"


def move_data(source: Path, target: Path, mark: Mark) -> None:
    """Move buffer and quarantine from folder to folder, and mark them; a buffer in the target goes.

    A quarantine in the target stays, and then that of the source stays where it is, too. Raises OSError.
    """
    _replace(source / BUFFER, target / BUFFER)
    write_mark(target, mark)
    if not (target / _QUARANTINE).exists() and (source / _QUARANTINE).exists():
        (source / _QUARANTINE).rename(target / _QUARANTINE)
        sync_folder(target)
    if {path.name for path in source.iterdir()} <= {MARK}:
        (source / MARK).unlink(missing_ok=True)
        source.rmdir()
    else:
        sync_folder(source)


def _replace(source: Path, target: Path) -> None:
    """Put a folder in the place of another one."""
    source.stat()  # before anything is done, it must be there
    before = target.with_name(target.name + UNFINISHED)
    if before.exists():
        shutil.rmtree(before)
    if target.exists():
        target.rename(before)
    source.rename(target)
    sync_folder(target.parent)
    if before.exists():
        shutil.rmtree(before)
