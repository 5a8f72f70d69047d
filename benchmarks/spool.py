"""The buffer on disk against a queue in SQLite, in one run; both do the same work on the same records.

python benchmarks/spool.py --records 200000

SQLite: WAL, synchronous=NORMAL, one transaction for each put of 100; reading back takes 500 rows and deletes them. The
buffer: ``sync: interval``, one put of 100, reading back takes 500 records and settles them. Both hand out ids, times,
readers and documents; the buffer keeps its ledger besides.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from expvastic.buffer import BatchSettings, BufferSettings  # noqa: E402
from expvastic.buffers.disk import DiskBuffer  # noqa: E402
from expvastic.datatypes import Container, Poll  # noqa: E402
from expvastic.outcomes.ledger import Ledger  # noqa: E402

PUT = 100
BATCH = BatchSettings(count=500, bytes=15_000_000)
SIZE = 1000  # bytes of a document
SYNC_EVERY = 0.2


class Result(NamedTuple):
    append: float  # records/s
    read: float
    memory: float  # MiB above the empty process, at most


class Syncer:
    """Syncs in another thread, as the delivery does."""

    def __init__(self, buffer: DiskBuffer) -> None:
        self._buffer = buffer
        self._next = 0.0
        self._job: threading.Thread | None = None
        self._error: OSError | None = None

    def step(self) -> None:
        if self._job is not None:
            if self._job.is_alive():
                return
            self.finish()
        if time.monotonic() >= self._next and (job := self._buffer.begin_sync()):
            self._next = time.monotonic() + SYNC_EVERY
            self._job = threading.Thread(target=self._run, args=(job,))
            self._job.start()

    def finish(self) -> None:
        if self._job is not None:
            self._job.join()
            self._job = None
            self._buffer.end_sync(self._error)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except OSError as error:
            self._error = error


def polls(records: int) -> Iterator[Poll]:
    """Puts of records that differ in id, time and the beginning of the document."""
    now = time.time_ns() // 1000
    filling = '","expvar.text":"' + "x" * (SIZE - 60) + '"}'
    for first in range(0, records, PUT):
        containers = []
        for number in range(first, min(first + PUT, records)):
            document = f'{{"@timestamp":"2026-11-21T03:31:00.{number:012d}'.encode() + filling.encode()
            containers.append(Container(f"01k-{number:012d}", now + number, "app", document, kinds=b"\3"))
        yield Poll("app", first // PUT, containers, b"")


def open_buffer(folder: Path, records: int) -> DiskBuffer:
    settings = BufferSettings(type="disk", max_bytes=max(2**30, records * 2 * SIZE))
    buffer = DiskBuffer(settings, Ledger(), folder)
    buffer.open(time.monotonic())
    return buffer


def progress(what: str, done: int, records: int) -> None:
    if sys.stderr.isatty() and done % 50_000 < max(PUT, BATCH.count):
        end = "" if done < records else "\r\033[K"
        print(f"\r{what}: {done / records:6.1%}", end=end, file=sys.stderr, flush=True)


def memory() -> float:
    """MiB that this process has in memory."""
    try:
        text = Path("/proc/self/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def timed_puts(records: int, put: Callable[[Poll], None], what: str) -> tuple[float, float]:
    """Records per second, without the time that making them takes; memory at most."""
    spent, most = 0.0, 0.0
    for done, poll in enumerate(polls(records), 1):
        began = time.perf_counter()
        put(poll)
        spent += time.perf_counter() - began
        if done % 100 == 0:
            most = max(most, memory())
            progress(what, done * PUT, records)
    return records / spent, most


def append_to_buffer(folder: Path, records: int) -> tuple[float, float]:
    buffer = open_buffer(folder, records)
    syncer = Syncer(buffer)

    def put(poll: Poll) -> None:
        buffer.put(poll, time.monotonic())
        syncer.step()

    rate, most = timed_puts(records, put, "buffer, append")
    syncer.finish()
    buffer.close(time.monotonic())
    assert buffer.waiting == records, buffer.errors
    return rate, most


def read_buffer(folder: Path, records: int) -> tuple[float, float]:
    buffer = open_buffer(folder, records)
    syncer = Syncer(buffer)
    most, done = 0.0, 0
    began = time.perf_counter()
    while batch := buffer.take(BATCH, time.monotonic()):
        done += len(batch)
        buffer.settle(batch)
        syncer.step()
        if done % 50_000 == 0:
            most = max(most, memory())
            progress("buffer, read", done, records)
    spent = time.perf_counter() - began
    syncer.finish()
    buffer.close(time.monotonic())
    assert done == records, buffer.errors
    return records / spent, most


def open_queue(path: Path) -> sqlite3.Connection:
    queue = sqlite3.connect(path, isolation_level=None)
    queue.execute("PRAGMA journal_mode=WAL")
    queue.execute("PRAGMA synchronous=NORMAL")
    queue.execute(
        "CREATE TABLE IF NOT EXISTS queue (number INTEGER PRIMARY KEY, id TEXT, time INTEGER, reader TEXT,"
        " kinds BLOB, document BLOB)"
    )
    return queue


def append_to_queue(path: Path, records: int) -> tuple[float, float]:
    queue = open_queue(path)

    def put(poll: Poll) -> None:
        rows = [(one.id, one.time, one.reader, one.kinds, one.document) for one in poll.containers]
        queue.execute("BEGIN")
        queue.executemany("INSERT INTO queue (id, time, reader, kinds, document) VALUES (?, ?, ?, ?, ?)", rows)
        queue.execute("COMMIT")

    result = timed_puts(records, put, "SQLite, append")
    queue.close()
    return result


def read_queue(path: Path, records: int) -> tuple[float, float]:
    queue = open_queue(path)
    most, done = 0.0, 0
    began = time.perf_counter()
    while rows := queue.execute("SELECT * FROM queue ORDER BY number LIMIT ?", (BATCH.count,)).fetchall():
        batch = [Container(row[1], row[2], row[3], row[5], kinds=row[4]) for row in rows]
        done += len(batch)
        queue.execute("BEGIN")
        queue.execute("DELETE FROM queue WHERE number <= ?", (rows[-1][0],))
        queue.execute("COMMIT")
        if done % 50_000 == 0:
            most = max(most, memory())
            progress("SQLite, read", done, records)
    spent = time.perf_counter() - began
    queue.close()
    assert done == records
    return records / spent, most


def timed_reopening(folder: Path, records: int) -> float:
    """Seconds until a batch is at hand."""
    began = time.perf_counter()
    buffer = open_buffer(folder, records)
    batch = buffer.take(BATCH, time.monotonic())
    spent = time.perf_counter() - began
    assert batch
    assert buffer.waiting + buffer.out == records, (buffer.waiting, buffer.out, buffer.errors)
    buffer.give_back(batch, 0.0)
    buffer.close(time.monotonic())
    return spent


def fill_and_die(folder: Path, records: int) -> None:
    """What the child does."""
    buffer = open_buffer(folder, records)
    syncer = Syncer(buffer)
    for poll in polls(records):
        buffer.put(poll, time.monotonic())
        syncer.step()
    os.kill(os.getpid(), signal.SIGKILL)


def timed_after_kill(folder: Path, records: int) -> float:
    child = subprocess.run([sys.executable, __file__, "--die-in", folder, "--records", str(records)], check=False)
    assert child.returncode == -signal.SIGKILL, child.returncode
    return timed_reopening(folder, records)


def run(phase: str, path: Path, records: int) -> tuple[float, float]:
    """One phase in a process of its own, so that each has the memory to itself."""
    command = [sys.executable, __file__, "--phase", phase, "--records", str(records), "--folder", path]
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    rate, most = child.stdout.split()
    return float(rate), float(most)


def compare(folder: Path, records: int, rounds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {"append": [], "read": [], "sqlite-append": [], "sqlite-read": []}
    for number in range(rounds):
        for phase, results in found.items():
            name = "queue.db" if phase.startswith("sqlite") else "buffer"
            results.append(run(phase, folder / f"{number}-{name}", records))
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    rates = {phase: statistics.median(rate for rate, _ in results) for phase, results in found.items()}
    most = {phase: max(most for _, most in results) for phase, results in found.items()}
    print(f"{records:,} records of {SIZE + 50:,} bytes, median of {rounds}; records per second\n")
    print(f"{'':24}{'buffer':>12}{'SQLite':>12}{'ratio':>8}")
    for what, phase in (("append, 100 at once", "append"), ("take and settle 500", "read")):
        ours, theirs = rates[phase], rates[f"sqlite-{phase}"]
        print(f"{what:24}{ours:>12,.0f}{theirs:>12,.0f}{ours / theirs:>7.2f}x")
    empty = float(run("empty", folder, records)[1])
    for what, phase in (("memory, append (MiB)", "append"), ("memory, read (MiB)", "read")):
        print(f"{what:24}{most[phase]:>12.1f}{most[f'sqlite-{phase}']:>12.1f}   (empty process: {empty:.1f})")


def reopen(folder: Path, records: int) -> None:
    after_kill = timed_after_kill(folder / "killed", records)
    after_close = timed_reopening(folder / "killed", records)
    size = sum(path.stat().st_size for path in (folder / "killed").iterdir())
    print(f"\n{size:,} bytes stored; from opening to the first batch at hand:")
    print(f"{'after kill -9':24}{after_kill:>12.3f} s\n{'after close':24}{after_close:>12.3f} s")


PHASES: dict[str, Callable[[Path, int], tuple[float, float]]] = {
    "append": append_to_buffer,
    "read": read_buffer,
    "sqlite-append": append_to_queue,
    "sqlite-read": read_queue,
    "empty": lambda _folder, _records: (0.0, memory()),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; a temporary folder, unless given")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    parser.add_argument("--die-in", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.die_in:
        fill_and_die(arguments.die_in, arguments.records)
    if arguments.phase:
        gc.freeze()
        print(*PHASES[arguments.phase](arguments.folder, arguments.records))
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="spool-") as folder:
        compare(Path(folder), arguments.records, arguments.rounds)
        reopen(Path(folder), arguments.records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
