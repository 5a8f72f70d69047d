"""Whose turn it is at a file: one call at a time, whichever recorder of this process makes it.

A call on a disk that hangs cannot be ended. It keeps its turn until it ends by itself, so that recorders that come
after it fail at once, instead of each leaving one more thread behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class Gate:
    """Lets one call pass at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Pass, unless somebody else has not left; never waits."""
        return self._lock.acquire(blocking=False)

    def leave(self) -> None:
        """Let the next one pass; any thread may do so."""
        self._lock.release()


_gates: WeakValueDictionary[str, Gate] = WeakValueDictionary()


def gate_of(path: str) -> Gate:
    """The gate that all recorders of this path share; it lives as long as one of them, or a call of theirs, does."""
    return _gates.setdefault(path, Gate())


class Turn(Generic[T]):
    """A call that has passed the gate: made by a thread, or given up before one came to it. Leaves the gate once."""

    def __init__(self, gate: Gate, work: Callable[[], T]) -> None:
        self._gate = gate
        self._work = work
        self._begun = threading.Lock()

    def __call__(self) -> T | None:
        """In the thread: make the call; nothing if it was given up."""
        if not self._begun.acquire(blocking=False):
            return None
        try:
            return self._work()
        finally:
            self._gate.leave()

    def give_up(self) -> None:
        """Leave the gate, unless a thread has begun; then it does so."""
        if self._begun.acquire(blocking=False):
            self._gate.leave()
