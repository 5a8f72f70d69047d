"""Processes of ours: started, waited for, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio

from ..errors import ExpvasticError


class Children:
    """The processes that this one started. While it is entered, it takes leave of any child that ends.

    That includes those that were others' children, whom the first process of a container gets when their parents end.
    Constructing raises ExpvasticError if none can be started.
    """

    def __init__(self) -> None:
        self._python = _python()
        self._running: dict[int, Child] = {}

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._take_leave)
        self._take_leave()  # of those that had ended before
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)

    def start(self, module: str, *arguments: str, end: socket.socket) -> Child:
        """Run a module in a session of its own, so that signals for this process's group leave it alone.

        It gets ``end``, whose number is the last argument. Raises OSError.
        """
        command = [*self._python, "-m", module, *arguments, str(end.fileno())]
        process = subprocess.Popen(  # noqa: S603  # ourselves
            command, stdin=subprocess.DEVNULL, pass_fds=(end.fileno(),), start_new_session=True
        )
        child = self._running[process.pid] = Child(process)
        return child

    def _take_leave(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if child := self._running.pop(pid, None):
                child.end(os.waitstatus_to_exitcode(status))


class Child:
    """One process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._ended = anyio.Event()

    async def wait(self) -> int:
        """Wait for its end; its exit code, negative for the signal that ended it."""
        await self._ended.wait()
        assert self._process.returncode is not None
        return self._process.returncode

    def end(self, code: int) -> None:
        """It has ended."""
        self._process.returncode = code
        self._ended.set()

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if not self._ended.is_set():
            os.kill(self.pid, signal.SIGKILL)  # its number is nobody else's until leave is taken of it


def _python() -> Sequence[str]:
    """This Python; it looks for modules in the working directory only if this process does, being started so."""
    if not sys.executable:
        raise ExpvasticError("settings.workers: this Python does not tell where it is; set workers to 1")
    is_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    return [sys.executable] if is_module and not sys.flags.safe_path else [sys.executable, "-P"]
