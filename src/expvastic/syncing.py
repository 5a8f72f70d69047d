"""Brings what a buffer wrote to the disk itself: soon after the first of it, in another thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from .buffer import Buffer

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class Syncing:
    """Syncs one buffer at most once per ``interval`` (seconds), and not at all while nothing is written."""

    def __init__(self, buffer: Buffer, interval: float, log: FilteringBoundLogger) -> None:
        self._buffer = buffer
        self._interval = interval
        self._log = log
        self._is_failing = False
        self._is_told = not buffer.is_durable
        """Whether who waits for something written knows of it, or there is nobody."""
        self._written = anyio.Event()

    def tell_written(self) -> None:
        """Something was written."""
        if not self._is_told:
            self._is_told = True
            self._written.set()

    async def run(self) -> None:
        """Sync until cancelled."""
        while self._buffer.is_durable:
            await self._written.wait()
            self._written = anyio.Event()
            self._is_told = False
            await anyio.sleep(self._interval)
            await self._sync()

    async def _sync(self) -> None:
        job = self._buffer.begin_sync()
        if job is None:
            return
        failure: OSError | None = None
        try:
            await anyio.to_thread.run_sync(job)
        except OSError as error:
            failure = error
        except RuntimeError as error:  # there is no thread to be had
            failure = OSError(str(error))
        self._buffer.end_sync(failure)
        self._tell(failure)

    def _tell(self, failure: OSError | None) -> None:
        if failure and not self._is_failing:
            self._log.error("buffer not synced", error=f"{failure}; see to the disk that holds state_dir")
            self.tell_written()  # what the disk may have lost is written anew
        elif self._is_failing and not failure:
            self._log.warning("buffer synced again")
        self._is_failing = failure is not None
