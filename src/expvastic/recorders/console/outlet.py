"""Standard output, written to by a thread that can be told to stop.

A pipe whose reader pauses, or a terminal on which somebody pressed Ctrl-S, blocks a plain write for as long as it
likes, and the process could not end. So the thread asks before each piece whether there is room, and looks up between.

Several processes may have one standard output. A line may go out in pieces, so whoever writes has it locked until a
line ends. The lock is the system's own on what is written to, and goes with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import select
import stat
import threading
from collections.abc import Sequence
from typing import Protocol

_LOOK_UP = 0.1  # seconds
_TURN = 0.01  # seconds between looks whether it is this one's turn
_LOCKED = (1, 0)  # bytes, and from where on


class Stream(Protocol):
    """As much of a text stream as is needed here."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...

    def fileno(self) -> int: ...


class Outlet:
    """Writes lines to a stream, past its buffer where it has a descriptor.

    All methods may raise OSError, or ValueError if the stream is closed.
    """

    def __init__(self, stream: Stream) -> None:
        stream.write("")  # complains if it is closed
        stream.flush()
        self._stream = stream
        self._descriptor: int | None = None
        with contextlib.suppress(io.UnsupportedOperation):
            self._descriptor = stream.fileno()
        self._is_shared = self._descriptor is not None and _may_be_shared(self._descriptor)
        self._is_locked = False
        self._rest = b""  # of a line that was begun

    @property
    def width(self) -> int | None:
        """The width of the terminal that it is; None if it is none."""
        if self._descriptor is None or not os.isatty(self._descriptor):
            return None
        return os.get_terminal_size(self._descriptor).columns

    def write(self, lines: Sequence[bytes], stop: threading.Event) -> tuple[int, OSError | None]:
        """Write until all is written or ``stop`` is set; returns how many lines were, and the error that ended it.

        A line that was only begun counts: the rest of it goes out before anything else.
        """
        if not self._lock(stop):
            return 0, None
        try:
            return self._write(lines, stop)
        finally:
            if not self._rest:
                self._unlock()

    def _write(self, lines: Sequence[bytes], stop: threading.Event) -> tuple[int, OSError | None]:
        done, error = self._push(self._rest, stop)
        self._rest = self._rest[done:]
        if self._rest or error:
            return 0, error
        data = b"".join(lines)
        written, error = self._push(data, stop)
        end = data.find(b"\n", written - 1) + 1 if written else 0
        self._rest = data[written:end]
        return data.count(b"\n", 0, end), error

    def _lock(self, stop: threading.Event) -> bool:
        """Keep other processes from writing; false if ``stop`` was set before that could be had."""
        while self._is_shared and not self._is_locked:
            try:
                fcntl.lockf(self._descriptor or 0, fcntl.LOCK_EX | fcntl.LOCK_NB, *_LOCKED)
                self._is_locked = True
            except (BlockingIOError, PermissionError):  # another one's turn
                if stop.wait(_TURN):
                    return False
            except OSError:  # not to be had on this system
                self._is_shared = False
        return True

    def _unlock(self) -> None:
        if self._is_locked:
            self._is_locked = False
            fcntl.lockf(self._descriptor or 0, fcntl.LOCK_UN, *_LOCKED)

    def _push(self, data: bytes, stop: threading.Event) -> tuple[int, OSError | None]:
        """Write bytes, in pieces that end with a line where they can."""
        if self._descriptor is None:
            return self._push_text(data, stop), None
        written = 0
        try:
            while written < len(data) and not stop.is_set():
                if select.select([], [self._descriptor], [], _LOOK_UP)[1]:
                    reach = written + select.PIPE_BUF
                    end = data.rfind(b"\n", written, reach) + 1 or reach
                    with contextlib.suppress(BlockingIOError):
                        written += os.write(self._descriptor, data[written:end])
        except OSError as error:
            return written, error
        return written, None

    def _push_text(self, data: bytes, stop: threading.Event) -> int:
        if stop.is_set():
            return 0
        self._stream.write(data.decode())
        self._stream.flush()
        return len(data)


def _may_be_shared(descriptor: int) -> bool:
    """Whether other processes of the same command may write to it; /dev/null, say, is everybody's."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
