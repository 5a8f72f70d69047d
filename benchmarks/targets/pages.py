"""Programs that publish expvar pages, as many as are asked for, in one process; the standard library alone.

The address is the first line of standard output, the k-th program's page is ``/k/debug/vars``, and the end of standard
input is the end of this. Every page carries a number of its own, ``serial``, and memory statistics as Go's runtime
tells them, with a ring of 256 pauses that moves on by a random number of collections from page to page.

``--log FILE`` gets one line of JSON for every page that was made: program, serial, nanoseconds since the epoch,
``NumGC``, the pause ends that no line before had, and whether its last byte was handed to the kernel.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from typing import Any, TextIO

RING = 256
COLLECTIONS = (0, 0, 0, 1, 1, 2, 3)  # between two pages
BURST = 40  # collections, now and then
BURSTS = 0.01  # of all pages


class Program:
    """One target: what its next page says."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.number = number
        self.serial = 0
        self.collections = 0
        self._rng = rng
        self._ends = [0] * RING
        self._durations = [0] * RING
        self._last_end = 0
        self._unlogged: list[int] = []
        self._allocated = 2**20

    def make(self) -> tuple[bytes, dict[str, Any]]:
        """The next page, and its line of the log."""
        self.serial += 1
        now = time.time_ns()
        count = BURST if self._rng.random() < BURSTS else self._rng.choice(COLLECTIONS)
        for _ in range(count):
            self._collect(now)
        self._allocated += self._rng.randrange(100_000)
        page = {
            "cmdline": ["/usr/bin/program", str(self.number)],
            "memstats": self._memstats(),
            "program": self.number,
            "serial": self.serial,
            "requests": {"total": self.serial * 7, "failed": self.serial // 9, "share": 1 / self.serial},
        }
        pauses, self._unlogged = self._unlogged, []
        line = {"program": self.number, "serial": self.serial, "time": now, "collections": self.collections}
        return json.dumps(page).encode(), {**line, "pauses": pauses}

    def _collect(self, now: int) -> None:
        self._last_end = max(now, self._last_end + 1)
        place = self.collections % RING
        self._ends[place], self._durations[place] = self._last_end, self._rng.randrange(10_000, 2_000_000)
        self._unlogged.append(self._last_end)
        self.collections += 1

    def _memstats(self) -> dict[str, Any]:
        return {
            "Alloc": self._rng.randrange(2**20, 2**24),
            "TotalAlloc": self._allocated,
            "Sys": 2**25,
            "Mallocs": self._allocated // 64,
            "Frees": self._allocated // 96,
            "HeapAlloc": self._rng.randrange(2**20, 2**24),
            "HeapObjects": self._rng.randrange(2**16),
            "NextGC": 2**23,
            "LastGC": self._last_end,
            "PauseTotalNs": self.collections * 2_000_000,
            "PauseNs": self._durations,
            "PauseEnd": self._ends,
            "NumGC": self.collections,
            "NumForcedGC": 0,
            "GCCPUFraction": self._rng.random() / 100,
            "EnableGC": True,
            "DebugGC": False,
        }


class Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def __init__(self, programs: list[Program], log: TextIO) -> None:
        self._programs = programs
        self._log = log
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answer(int(head.split(b"/", 2)[1]))

    def _answer(self, number: int) -> None:
        page, line = self._programs[number].make()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(page)}\r\n\r\n"
        self._transport.write(head.encode() + page)
        line["served"] = not self._transport.is_closing() and not self._transport.get_write_buffer_size()
        self._log.write(json.dumps(line) + "\n")


async def serve(count: int, seed: int, log: TextIO) -> None:
    programs = [Program(number, random.Random(f"{seed} {number}")) for number in range(count)]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(programs, log), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"{host}:{port}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10, help="how many programs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", required=True, metavar="FILE")
    arguments = parser.parse_args()
    with open(arguments.log, "w", encoding="utf-8") as log:  # noqa: PTH123  # the quicker import
        asyncio.run(serve(arguments.count, arguments.seed, log))


if __name__ == "__main__":
    main()
