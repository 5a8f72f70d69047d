"""A worker's own end: it is told what to do, reports when asked, and ends when nobody is left who could ask."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable

import anyio

from .. import logs
from ..config import Config
from ..errors import ExpvasticError
from ..telemetry import Snapshot
from .messages import ASK, HEAD, STOP, Ending, Report, decode_config, encode_report, length_of

_LAST_WORDS = 1.0  # seconds until they must be taken
_BLOCK = 4096


class Supervised:
    """This process as a worker; ``descriptor`` is its end of the pair."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._unsent = b""  # of what a report that was cut short would have said

    def close(self) -> None:
        """Be gone for the supervisor."""
        self._socket.close()

    def take_config(self) -> Config:
        """Wait for the configuration. Raises ExpvasticError if the supervisor is gone, or another version."""
        return decode_config(self._exactly(length_of(self._exactly(HEAD))))

    def end_without_supervisor(self, limit: float) -> None:
        """See to it that this process ends when its supervisor is gone for so long, whatever it is stuck in."""
        threading.Thread(target=self._outlive, args=(limit,), name="supervisor", daemon=True).start()

    def _outlive(self, limit: float) -> None:
        poll = select.poll()
        poll.register(self._socket, 0)  # for nothing but the end
        poll.poll()
        time.sleep(limit)
        os._exit(1)

    async def serve(self, snapshot: Callable[[], Snapshot], stop: Callable[[], None]) -> None:
        """Report at once, and whenever asked; ``stop`` is called as soon as that is asked for, or nobody asks."""
        self._socket.setblocking(False)
        await self._send(encode_report(Report(snapshot())))
        while asked := await self._receive():
            if STOP in asked:
                stop()
            if ASK in asked:
                await self._send(encode_report(Report(snapshot())))
        logs.logger().warning("stopping: the supervising process is gone")
        stop()

    def tell_end(self, snapshot: Snapshot, ending: Ending) -> None:
        """Say how it ended; nothing is said after that."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(_LAST_WORDS)
            self._socket.sendall(self._unsent + encode_report(Report(snapshot, ending)))

    async def _receive(self) -> bytes:
        """What was asked; nothing if the supervisor is gone."""
        while True:
            await anyio.wait_readable(self._socket)
            try:
                return self._socket.recv(_BLOCK)
            except BlockingIOError:
                continue
            except OSError:
                return b""

    async def _send(self, frame: bytes) -> None:
        """Send a frame. If this is cancelled the rest of it goes out before anything else."""
        self._unsent += frame
        while self._unsent:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            except OSError:  # gone, which is noticed where it is listened
                self._unsent = b""

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            try:
                piece = self._socket.recv(count - len(found))
            except OSError:
                piece = b""
            if not piece:
                raise ExpvasticError("the supervising process is gone")
            found += piece
        return bytes(found)
