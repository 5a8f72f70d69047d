"""The ``console`` recorder: one readable line per container on a terminal, JSON lines otherwise."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Self

import anyio
import anyio.to_thread
import msgspec

from ...datatypes import Container
from ...errors import RecorderLost, RecordError
from ...recorder import DUPLICATE, RECORDED, Recorder, Verdict
from ...settings import SettingsModel
from .outlet import Outlet, Stream
from .pretty import harmless_json, pretty_line

__all__ = ["ConsoleRecorder", "ConsoleSettings"]

_WIDTH_ELSEWHERE = 160  # of a readable line that does not go to a terminal
_UNANSWERED_KEPT = 10_000


class ConsoleSettings(SettingsModel):
    """How a container looks on standard output."""

    format: Literal["pretty", "json", "auto"] = "auto"
    """`pretty` is one readable line with as many values as fit, `json` the whole document with `_id` as its first
    member, as in a file; `auto` is `pretty` on a terminal."""


class ConsoleRecorder(Recorder[ConsoleSettings]):
    """Writes to standard output as it is when entered, or to ``stream``.

    Lines that a cancelled call wrote are not written again by this recorder.
    """

    settings_type = ConsoleSettings

    def __init__(self, settings: ConsoleSettings, *, stream: Stream | None = None) -> None:
        super().__init__(settings)
        self._stream = stream
        self._outlet: Outlet | None = None
        self._at_work = threading.Lock()
        self._unanswered: set[str] = set()  # ids written by calls that were cancelled, and so not answered

    @property
    def destination(self) -> str:
        """Its name."""
        return "standard output"

    async def __aenter__(self) -> Self:
        stream = self._stream or sys.stdout
        if stream is None:  # of a process that was started without
            raise RecordError("there is no standard output; start expvastic with one, or use a file")
        try:
            self._outlet = Outlet(stream)
        except BrokenPipeError as error:
            raise _lost() from error
        except (OSError, ValueError) as error:
            raise RecordError(
                f"standard output is not open: {error}; start expvastic with one, or use a file"
            ) from error
        return self

    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        """Write the batch. If this is cancelled the thread stops by itself, soon."""
        if not batch:
            return []
        stop = threading.Event()
        try:
            verdicts = await anyio.to_thread.run_sync(
                partial(self._write, batch, stop), abandon_on_cancel=True, limiter=anyio.CapacityLimiter(math.inf)
            )
        finally:
            stop.set()
        self._unanswered.difference_update(container.id for container in batch)
        return verdicts

    def _write(self, batch: Sequence[Container], stop: threading.Event) -> list[Verdict]:
        """In a thread, and after the one before, which may be on its way out."""
        with self._at_work:
            known = self._unanswered.intersection(container.id for container in batch)
            fresh = [container for container in batch if container.id not in known]
            self._write_lines(fresh, stop)
            return [DUPLICATE if container.id in known else RECORDED for container in batch]

    def _write_lines(self, containers: Sequence[Container], stop: threading.Event) -> None:
        try:
            outlet = self._open_outlet()
            done, error = outlet.write(list(map(self._make_line(outlet.width), containers)), stop)
        except ValueError as closed:
            raise RecorderLost(f"standard output was closed: {closed}") from closed
        except OSError as failed:
            done, error = 0, failed
        self._note(containers[:done])
        if isinstance(error, BrokenPipeError):
            raise _lost() from error
        if error or done < len(containers):
            raise RecordError(f"cannot write to standard output: {error or 'it takes no more'}") from error

    def _open_outlet(self) -> Outlet:
        if self._outlet is None:
            raise ValueError("it was not entered")
        return self._outlet

    def _note(self, written: Sequence[Container]) -> None:
        if len(self._unanswered) > _UNANSWERED_KEPT:  # of containers that were shed meanwhile
            self._unanswered.clear()
        self._unanswered.update(container.id for container in written)

    def _make_line(self, width: int | None) -> Callable[[Container], bytes]:
        """What makes a line of a container; ``width`` is that of the terminal, if it is one."""
        if self.settings.format == "pretty" or (self.settings.format == "auto" and width is not None):
            return partial(_pretty, width=width or _WIDTH_ELSEWHERE)
        return _json if width is None else _json_for_terminal


def _pretty(container: Container, width: int) -> bytes:
    return pretty_line(container, width).encode() + b"\n"


def _json(container: Container) -> bytes:
    return b'{"_id":%b,%b\n' % (msgspec.json.encode(container.id), container.document[1:])


def _json_for_terminal(container: Container) -> bytes:
    return harmless_json(_json(container)[:-1]) + b"\n"


def _lost() -> RecorderLost:
    return RecorderLost("nobody reads standard output any more")
