"""Standard output, written to by a thread that can be told to stop.

A pipe whose reader pauses, or a terminal on which somebody pressed Ctrl-S, blocks a plain write for as long as it
likes, and the process could not end. So the thread asks before each piece whether there is room, and looks up between.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import threading
from collections.abc import Sequence
from typing import Protocol

_LOOK_UP = 0.1  # seconds


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
        done, error = self._push(self._rest, stop)
        self._rest = self._rest[done:]
        if self._rest or error:
            return 0, error
        data = b"".join(lines)
        written, error = self._push(data, stop)
        end = data.find(b"\n", written - 1) + 1 if written else 0
        self._rest = data[written:end]
        return data.count(b"\n", 0, end), error

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
