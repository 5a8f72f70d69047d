"""What a soak looks at: a sample now and then, its targets over their lives, and the books at the end."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from . import go_parts
from .own_part import Books
from .processes import Process, await_file

SETTLED = 3  # samples before what is compared with the end
HEAD = "minute    RSS MB  µs CPU/poll  lag p50 ms  p99 ms  files  waiting      recorded   failed   missed"


@dataclass(frozen=True)
class Sample:
    """What was seen between two moments, and at the second."""

    minute: float
    memory: float  # megabytes
    cpu_per_poll: float  # microseconds for each page that was read
    lag_p50: float  # milliseconds
    lag_p99: float
    files: int
    duplicates: int
    books: Books


@dataclass(frozen=True)
class Before:
    """What the next sample is told from."""

    cpu: float
    books: Books

    @classmethod
    def of(cls, program: Process, socket: Path) -> Self:
        return cls(program.cpu, Books.of(socket))


def sample(minute: float, program: Process, before: Before, now: Before) -> Sample:
    """A sample; the sink counts anew from here."""
    arrived = go_parts.ask(go_parts.SINK, "/stats")
    go_parts.ask(go_parts.SINK, "/reset")
    return Sample(
        minute=minute,
        memory=program.memory,
        cpu_per_poll=(now.cpu - before.cpu) / max(1, now.books.read - before.books.read) * 1e6,
        lag_p50=arrived.get("lag_p50", 0.0),
        lag_p99=arrived.get("lag_p99", 0.0),
        files=program.open_files,
        duplicates=arrived["duplicates"],
        books=now.books,
    )


def line(seen: Sample) -> str:
    """A line below ``HEAD``."""
    books = seen.books
    return (
        f"{seen.minute:>6.1f} {seen.memory:>9.1f} {seen.cpu_per_poll:>12.0f} {seen.lag_p50:>11.0f} {seen.lag_p99:>7.0f}"
        f" {seen.files:>6} {books.waiting:>8,} {books.recorded:>13,} {books.failed:>8,} {books.missed:>8,}"
    )


def drift(samples: Sequence[Sample]) -> str:
    """How the end differs from when everything had settled."""
    settled = samples[SETTLED - 1 :]
    if len(settled) < 2:
        return f"no drift can be told of {len(samples)} samples; it takes {SETTLED + 1}"
    most = max(1, min(SETTLED, len(settled) // 2))
    words = []
    for name, of in (("RSS", lambda each: each.memory), ("CPU per poll", lambda each: each.cpu_per_poll)):
        first, last = (statistics.median(map(of, part)) for part in (settled[:most], settled[-most:]))
        words.append(f"{name} {first:.1f} → {last:.1f} ({100 * (last / first - 1):+.1f} %)")
    return f"drift from minute {settled[0].minute:.1f} to {settled[-1].minute:.1f}: {', '.join(words)}"


def findings(served: int, books: Books, known: int, duplicates: int, code: int) -> Iterator[str]:
    """What is wrong at the end, when all is drained and stopped."""
    yield from books.imbalances
    if books.read != served:
        yield f"{served} pages were served, and {books.read} read"
    if books.recorded != known:
        yield f"{books.recorded} documents are recorded, and {known} are at the sink"
    if books.lost or books.waiting:
        yield f"{books.lost} documents were refused or shed, and {books.waiting} still wait"
    if duplicates:
        yield f"{duplicates} documents came twice"
    if code:
        yield f"ended with {code}, not with 0"


def await_books(socket: Path, program: Process) -> None:
    """Wait until a program tells its books."""
    for _ in range(600):
        program.check()
        if socket.exists():
            return
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens on {socket}")


class Targets:
    """The polled programs, which may go and come back; pages that were served are counted over all their lives."""

    def __init__(self, folder: Path, cores: str, count: int, page: str, pages: int) -> None:
        self._folder = folder
        self._arguments = (cores, count, page, pages)
        self._served = 0
        self._running: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin a life; returns when they answer."""
        running = go_parts.targets(self._folder, *self._arguments)
        self._running = running.__enter__()
        try:
            await_file(self._folder / "targets.log", 120, running)
            go_parts.await_answer(go_parts.TARGETS_CONTROL, "/count", running)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        """End a life in order; the pages of all lives. May be repeated."""
        running, self._running = self._running, None
        if running:
            running.stop()
            told = re.search(r"^served (\d+)$", running.output, re.MULTILINE)
            self._served += int(told[1]) if told else 0
        return self._served
