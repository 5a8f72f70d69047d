"""Listeners for tests, and clients that send what they like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from expvastic.listener import Listener
from expvastic.telemetry import Snapshot
from snapshots import make_snapshot


@asynccontextmanager
async def listening(
    listen: str = "127.0.0.1:0", snapshot: Callable[[], Snapshot] = make_snapshot
) -> AsyncIterator[httpx.AsyncClient]:
    """A listener, and a client of its own for it."""
    async with Listener(listen, snapshot) as listener:
        host = "[::1]" if "::1" in listen else "127.0.0.1"
        async with httpx.AsyncClient(base_url=f"http://{host}:{listener.port}", trust_env=False, timeout=10) as client:
            yield client


async def raw(port: int, *pieces: bytes) -> bytes:
    """What comes back when these bytes are sent, until the other end closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


async def raw_or_reset(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await read_or_reset(reader)
    writer.close()
    return answer


async def read_or_reset(reader: asyncio.StreamReader) -> bytes:
    found = b""
    try:
        async with asyncio.timeout(10):
            while piece := await reader.read(65536):
                found += piece
    except ConnectionResetError:
        pass
    return found
