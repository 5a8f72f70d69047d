"""A connected socket, by the first of a host's addresses that answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

import anyio

from ..endpoint import Endpoint

_HEAD_START = 0.25  # seconds until the next address is tried as well

_Address = tuple[int, Any]  # the family, and what that family calls an address


async def dial(endpoint: Endpoint) -> socket.socket:
    """A socket that is connected. Raises OSError; of several addresses that fail, the first one's."""
    if endpoint.scheme == "unix":
        return await _connect((socket.AF_UNIX, endpoint.socket_path))
    _, host, port = endpoint.origin
    addresses = await _resolve(host, port)
    return await (_connect(addresses[0]) if len(addresses) == 1 else _race(addresses))


async def _resolve(host: str, port: int) -> Sequence[_Address]:
    """The addresses of a host, its families in turn, the system's favourite first."""
    try:  # an address as it is needs no thread
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    families: dict[int, list[_Address]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, []).append((family, address))
    return [address for address in chain.from_iterable(zip_longest(*families.values())) if address]


async def _connect(address: _Address) -> socket.socket:
    family, place = address
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, place)
    except BaseException:
        made.close()
        raise
    return made


async def _race(addresses: Sequence[_Address]) -> socket.socket:
    """The first of the addresses that answers."""
    winners: list[socket.socket] = []  # two, if they answer at once
    failures: list[OSError] = []
    try:
        await _try_in_turn(addresses, winners, failures)
    except BaseException:
        _close(winners)
        raise
    if not winners:
        raise failures[0]
    _close(winners[1:])
    return winners[0]


async def _try_in_turn(addresses: Sequence[_Address], winners: list[socket.socket], failures: list[OSError]) -> None:
    """Try one address after the other, the next when one has failed or is slow, until one answers."""

    async def attempt(address: _Address, has_ended: anyio.Event) -> None:
        try:
            connected = await _connect(address)
        except OSError as error:
            failures.append(error)
            has_ended.set()
        else:
            winners.append(connected)
            attempts.cancel_scope.cancel()

    async with anyio.create_task_group() as attempts:
        for address in addresses:
            has_ended = anyio.Event()
            attempts.start_soon(attempt, address, has_ended)
            with anyio.move_on_after(_HEAD_START):
                await has_ended.wait()


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
