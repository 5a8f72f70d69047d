"""A disk that is full, slow or hangs, and patience with it."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from file_lines import write

from expvastic.datatypes import Container
from expvastic.errors import RecordError
from expvastic.recorder import Verdict
from expvastic.recorders.file import FileRecorder, FileSettings


class Disk:
    """Writes as ``os.write`` does until told otherwise."""

    def __init__(self) -> None:
        self.room = sys.maxsize
        self.error = errno.ENOSPC
        self.pace = sys.maxsize
        self.reached = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self.reached.set()
        self.may_go_on.wait()
        if not self.room:
            raise OSError(self.error, os.strerror(self.error))
        written = os.write(descriptor, data[: min(self.room, self.pace)])
        self.room -= written
        return written

    def recorder(self, path: Path, **settings: Any) -> FileRecorder:
        return FileRecorder(FileSettings(path=str(path), **settings), write=self.write)


async def write_patiently(path: Path, batch: list[Container]) -> list[Verdict]:
    with anyio.fail_after(5):
        while True:
            with contextlib.suppress(RecordError):
                return await write(path, batch)


async def cancel_in_mid_write(recorder: FileRecorder, disk: Disk, batch: list[Container]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recorder.record, batch)
        await anyio.to_thread.run_sync(disk.reached.wait)
        tasks.cancel_scope.cancel()


async def patiently(recorder: FileRecorder, batch: list[Container]) -> list[Verdict]:
    with anyio.fail_after(5):
        while True:
            with contextlib.suppress(RecordError):
                return list(await recorder.record(batch))
