"""The state directory: what outlives the process, and whose it is.

::

    instance                     the format, and the agent id that is in every document
    lock                         held by the one process that works with the directory
    readers/NAME.0 .1            the last poll of a reader, where no buffer keeps it
    recorders/NAME/recorder      whose data is in the buffer, and where it was meant to go
    recorders/NAME/buffer/       what waits
    recorders/NAME/quarantine/   what was refused
    shards/K/                    another such directory for each of several processes over one configuration
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ..datatypes import Poll
from .adoption import move_data
from .folder import PATIENCE, find_shards, is_locked, is_made, make_shards, open_folder, read_agent_id, shard_folder
from .marks import Holds, Mark, find_marks, find_orphans, read_mark, why_moved, why_renamed, write_mark
from .names import file_name
from .polls import LastPoll
from .writing import make_folder, told_of

__all__ = ["PATIENCE", "Mark", "Peek", "State", "find_shards", "is_made", "make_shards", "peek", "shard_folder"]

_READERS = "readers"
_RECORDERS = "recorders"


class State:
    """A state directory that this process works with, until it is closed.

    All methods block. They raise StateError, one line for the user, unless it is said otherwise.
    """

    def __init__(self, path: Path, agent_id: str, lock: int) -> None:
        self.path = path
        self.agent_id = agent_id
        self._lock = lock
        self._last_polls: dict[str, LastPoll] = {}

    @classmethod
    def open(cls, path: Path, *, patience: float = PATIENCE) -> Self:
        """Take a state directory, or make one of an empty or missing folder whose parent is there.

        A folder that is no state directory is not touched. ``patience`` is how many seconds are given to somebody who
        only looks, before the directory counts as used by another process.
        """
        with told_of(path):
            path = path.absolute()
        lock, agent_id = open_folder(path, patience)
        return cls(path, agent_id, lock)

    def close(self) -> None:
        """Let another process have it. May be repeated."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def recorder_folder(self, name: str) -> Path:
        """The folder of a recorder, which is made if need be."""
        folder = self._folder_of(name)
        with told_of(self.path):
            make_folder(folder.parent)
            make_folder(folder)
        return folder

    def mark(self, name: str) -> Mark | None:
        """Whose data is in a recorder's buffer; None if it never had any."""
        with told_of(self.path):
            return read_mark(self._folder_of(name), name)

    def set_mark(self, mark: Mark) -> None:
        """Say whose data a recorder's buffer holds from now on."""
        folder = self.recorder_folder(mark.name)
        with told_of(self.path):
            if read_mark(folder, mark.name) != mark:
                write_mark(folder, mark)

    def marks(self) -> list[Mark]:
        """The marks of all recorders that ever had a folder, without type and destination where they are unknown."""
        with told_of(self.path):
            return list(find_marks(self.path / _RECORDERS))

    def held_because(self, name: str, destination: str, waiting: int, configured: Collection[str], holds: Holds) -> str:
        """Why a recorder must wait until the user has settled whose its data is; empty if there is no reason.

        ``waiting`` containers are in its buffer. ``holds`` says whether the buffer in a folder holds data. Nothing is
        written: who lets the recorder go sets its mark.
        """
        mark = self.mark(name)
        if mark is not None:
            is_moved = mark.destination != destination and waiting > 0
            return why_moved(mark, destination, waiting) if is_moved else ""
        with told_of(self.path):
            found = find_marks(self.path / _RECORDERS).items()
            alike = [(old, folder) for old, folder in found if old.destination == destination]
            renamed = find_orphans(alike, configured, holds)
        return why_renamed(renamed[0], name) if renamed else ""

    def orphans(self, configured: Collection[str], holds: Holds) -> list[Mark]:
        """The recorders that are not configured any more, and whose buffers hold data."""
        with told_of(self.path):
            return find_orphans(find_marks(self.path / _RECORDERS).items(), configured, holds)

    def adopt(self, old: str, mark: Mark) -> None:
        """Give a recorder the buffer of another one, with the quarantine if it has none of its own, and its mark.

        Its own buffer goes, which must hold no data. What is left of the other one is found again under its name.
        """
        target = self.recorder_folder(mark.name)
        with told_of(self.path):
            move_data(self._folder_of(old), target, mark)

    def keep(self, poll: Poll, *, synced: bool) -> None:
        """Keep a reader's last poll; a process that is killed meanwhile leaves the one before.

        ``synced`` says that it must be on the disk itself when this returns. Raises OSError.
        """
        self._last(poll.reader).write(poll, synced=synced)

    def last_poll(self, reader: str) -> Poll | None:
        """The last poll of a reader that was kept; None if there is none."""
        with told_of(self.path):
            return self._last(reader).read()

    def _last(self, reader: str) -> LastPoll:
        if reader not in self._last_polls:
            folder = self.path / _READERS
            make_folder(folder)
            self._last_polls[reader] = LastPoll(reader, folder / file_name(reader))
        return self._last_polls[reader]

    def _folder_of(self, recorder: str) -> Path:
        return self.path / _RECORDERS / file_name(recorder)


@dataclass(frozen=True, slots=True)
class Peek:
    """A state directory as it was a moment ago, beside the process that works with it; ``marks`` have their folders."""

    path: Path
    agent_id: str
    is_running: bool
    marks: Mapping[Mark, Path]

    def folder_of(self, recorder: str) -> Path:
        """The folder of a recorder, which need not be there."""
        return self.path / _RECORDERS / file_name(recorder)


def peek(path: Path) -> Peek:
    """Look at a state directory without a lock and without writing. Raises StateError if it is none."""
    with told_of(path):
        path = path.absolute()
        agent_id = read_agent_id(path)
        return Peek(path, agent_id, is_locked(path), find_marks(path / _RECORDERS))
