"""What can go wrong, by what is done about it.

::

    ExpvasticError
     ├─ ConfigError          the user's file or flags: every complaint at once, exit code 2
     ├─ StateError           the state directory cannot be used: nothing is started, exit code 1
     ├─ ReadError            a poll failed: counted by its reason, the engine backs off
     │   └─ InvalidPayload   the page came, but is none: the same, and counted apart
     └─ RecordError          nothing of this batch is known to be recorded: keep all, try again
         └─ RecorderLost     and it is pointless to go on with this recorder: drop it now
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class ExpvasticError(Exception):
    """Any failure that expvastic itself raises; its text is one line for the user."""


class Complaint(NamedTuple):
    """One thing that is wrong with a configuration: where, and what to do."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class ConfigError(ExpvasticError):
    """The configuration cannot be used; holds every complaint that was found."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = tuple(complaints)


class StateError(ExpvasticError):
    """The state directory, or a buffer in it, cannot be used; says where and what to do."""


class ReadError(ExpvasticError):
    """A poll failed. ``reason`` is one of a small fixed set of words, fit for counting."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidPayload(ReadError):
    """The target answered, but not with a page that can be interpreted."""


class RecordError(ExpvasticError):
    """A delivery failed as a whole. ``retry_after`` (seconds) is the destination's own wish, if it had one.

    ``in_doubt`` says that the batch may have been recorded all the same, in part or as a whole.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, in_doubt: bool = True) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.in_doubt = in_doubt


class RecorderLost(RecordError):
    """The recorder is of no use as it is (credentials refused, for one): drop it without further tries."""
