"""A loopback HTTP server that answers by a script, and can misbehave in every way that a real one would not.

::

    async with ScriptedServer([Answer({"a": 1}), RESET, HANG]) as server:
        ...                      # talk to server.url; the last answer repeats
    server.requests[0].headers["authorization"]

A script is one answer, a list of them, or a function from a Request to an answer (plain or ``async``).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self


@dataclass(frozen=True)
class Request:
    """What the server was asked; header names in lower case. ``connection`` counts from 1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True)
class Answer:
    """A well-formed answer. A mapping or list is sent as JSON; ``chunk`` bytes at a time if given, as Go sends."""

    body: bytes | str | Mapping[str, object] | list[object] = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunk: int = 0
    close: bool = False

    def encode(self) -> bytes:
        body = self.body if isinstance(self.body, bytes | str) else json.dumps(self.body)
        content = body.encode() if isinstance(body, str) else body
        headers = {"content-type": "application/json; charset=utf-8"}
        headers |= {"transfer-encoding": "chunked"} if self.chunk else {"content-length": str(len(content))}
        headers |= {"connection": "close"} if self.close else {}
        headers |= {name.lower(): value for name, value in self.headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Scripted\r\n{head}\r\n".encode("latin-1") + self._framed(content)

    def _framed(self, content: bytes) -> bytes:
        if not self.chunk:
            return content
        pieces = [content[start : start + self.chunk] for start in range(0, len(content), self.chunk)]
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, piece by piece, and then: keep the connection, close it, reset it, or say nothing more."""

    pieces: bytes | Iterable[bytes] = b""
    then: Literal["keep", "close", "reset", "hang"] = "close"
    pause: float = 0.0  # seconds between pieces


@dataclass(frozen=True)
class Endless:
    """Pieces for a Raw: the head, and then the same again and again."""

    head: bytes
    again: bytes

    def __iter__(self) -> Iterator[bytes]:
        return itertools.chain([self.head], itertools.repeat(self.again))


@dataclass(frozen=True)
class Tunnel:
    """The answer of a proxy to CONNECT: 200, and from then on bytes go to and fro between the client and ``port``."""

    port: int


CUT = Raw(then="close")
RESET = Raw(then="reset")
HANG = Raw(then="hang")

AnyAnswer = Answer | Raw | Tunnel
Respond = Callable[[Request], AnyAnswer | Awaitable[AnyAnswer]]
Script = AnyAnswer | Sequence[AnyAnswer] | Respond


class ScriptedServer:
    """Serves while entered. With ``path`` on a unix socket, else on a free port of ``host``; with ``tls`` as https.

    A ``greeting`` is sent to whoever connects, before anything is asked; the script comes after it.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        host: str = "127.0.0.1",
        path: Path | None = None,
        tls: ssl.SSLContext | None = None,
        greeting: Raw | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0  # accepted, and with TLS shaken hands
        self.received = 0  # bytes, decrypted
        self.port = 0
        self._respond = _responder(script)
        self._host = host
        self._path = path
        self._tls = tls
        self._greeting = greeting
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        if self._path:
            return f"unix://{self._path}"
        return f"{'https' if self._tls else 'http'}://{self.endpoint}"

    @property
    def endpoint(self) -> str:
        """Host and port, as one writes them."""
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        if self._path:
            self._server = await asyncio.start_unix_server(self._accept, self._path, ssl=self._tls)
        else:
            self._server = await asyncio.start_server(self._accept, self._host, self.port, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self.drop_connections()

    async def drop_connections(self) -> None:
        """Cut whatever is open; new connections are welcome."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something is so; asked again with each connection and each request."""
        while not happened():
            await self._news.wait()

    async def until_left(self) -> None:
        """Wait until every client has closed its connection; what they sent before has then been seen."""
        await asyncio.gather(*self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._tell()
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                goes_on = self._greeting is None or await _send(self._greeting, reader, writer)
                while goes_on:
                    goes_on = await self._exchange(reader, writer, number)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        request = await self._receive(reader, number)
        self.requests.append(request)
        self._tell()
        answer = self._respond(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Tunnel):
            await _tunnel(reader, writer, answer.port)
            return False
        if isinstance(answer, Answer):
            answer = Raw(answer.encode(), "close" if answer.close else "keep")
        return await _send(answer, reader, writer)

    async def _receive(self, reader: asyncio.StreamReader, number: int) -> Request:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            self.received += len(error.partial)
            raise
        self.received += len(head)
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.received += len(body)
        return Request(method, path, headers, body, number)


def _responder(script: Script) -> Respond:
    if callable(script):
        return script
    answers: list[AnyAnswer] = list(script) if isinstance(script, Sequence) else [script]

    def respond(request: Request) -> AnyAnswer:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return respond


async def _send(raw: Raw, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    for piece in [raw.pieces] if isinstance(raw.pieces, bytes) else raw.pieces:
        if writer.is_closing():  # uvloop's transport takes offence
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()
        if raw.pause:
            await asyncio.sleep(raw.pause)
    if raw.then == "reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    elif raw.then == "hang":
        await reader.read()  # until the client leaves
    elif raw.then == "close":
        writer.close()
        await writer.wait_closed()
    return raw.then == "keep"


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, far_writer))
            group.create_task(_pump(far_reader, writer))
    finally:
        far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
