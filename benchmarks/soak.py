"""expvastic under load for a while: whether it grows, slows down, or loses anything.

python benchmarks/soak.py --minutes 20 --polls 2000

The command with a buffer on disk, against Go targets and the sink; a line each minute. At the end the targets serve
what is asked for and go, the program drains and is stopped, and the books are compared: pages served and read,
documents recorded and at the sink. ``--trouble`` lets the sink answer 429 and 503, and the targets be away, for some
seconds each. Ends with 1 if anything was lost, or was there twice.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measuring import go_parts, report, soaking
from measuring.contestants import SOURCE
from measuring.own_part import Books, expvastic
from measuring.processes import Process, allow_many_files
from measuring.soaking import Sample, Targets

PATIENCE = 60.0  # seconds to drain
AWAY = 5.0  # seconds that targets are away
TROUBLES = (429, 503)


class Soak:
    """One run."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._socket = folder / "status.sock"
        self._interval = options.targets / options.polls
        self.samples: list[Sample] = []
        self.told: list[str] = []
        self.troubles = 0

    def tell(self, line: str) -> None:
        """Print a line, and keep it."""
        print(line, flush=True)
        self.told.append(line)

    def program(self) -> Process:
        return expvastic(
            self._folder,
            SOURCE,
            self._options.cores,
            self._options.targets,
            self._interval,
            compress=False,
            state=self._folder / "state",
            socket=self._socket,
        )

    def targets(self) -> Targets:
        pages = int(self._options.minutes * 60 / self._interval * 1.1) + 100
        options = self._options
        return Targets(self._folder, options.helper_cores, options.targets, options.page, pages)

    def run(self) -> list[str]:
        """What is wrong at the end."""
        with self.targets() as targets, go_parts.sink(self._folder, self._options.helper_cores) as sink:
            go_parts.await_answer(go_parts.SINK, "/stats", sink)
            with self.program() as program:
                soaking.await_books(self._socket, program)
                for sample in self._samples(program, targets):
                    self.samples.append(sample)
                    self.tell(soaking.line(sample))
                served = targets.stop()
                books = self._drained(program)
                code = program.stop()
            known = go_parts.ask(go_parts.SINK, "/stats")["known"]
        self.tell(f"served {served:,} pages, read {books.read:,}; recorded {books.recorded:,}, at the sink {known:,}")
        duplicates = sum(sample.duplicates for sample in self.samples)
        return [*soaking.findings(served, books, known, duplicates, code)]

    def _samples(self, program: Process, targets: Targets) -> Iterator[Sample]:
        began, count = time.monotonic(), round(self._options.minutes * 60 / self._options.every)
        self.tell(soaking.HEAD)
        before = soaking.Before.of(program, self._socket)
        for number in range(1, count + 1):
            if self._options.trouble and number % 2 == 0:
                self._make_trouble(targets)
            time.sleep(max(0.0, began + number * self._options.every - time.monotonic()))
            program.check()
            now = soaking.Before.of(program, self._socket)
            yield soaking.sample((time.monotonic() - began) / 60, program, before, now)
            before = now

    def _make_trouble(self, targets: Targets) -> None:
        status = TROUBLES[self.troubles % len(TROUBLES)]
        go_parts.ask(go_parts.SINK, f"/trouble?status={status}&seconds={AWAY}")
        self.troubles += 1
        targets.stop()
        time.sleep(min(AWAY, self._options.every / 4))
        targets.start()

    def _drained(self, program: Process) -> Books:
        deadline = time.monotonic() + PATIENCE
        while (books := Books.of(self._socket)).waiting and time.monotonic() < deadline:
            program.check()
            time.sleep(0.1)
        return books


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--polls", type=float, default=2000, help="per second")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--page", choices=("10k", "28k"), default="10k")
    parser.add_argument("--every", type=float, default=60, help="seconds between two lines")
    parser.add_argument("--trouble", action="store_true", help="for targets and sink, at every second line")
    parser.add_argument("--cores", default="1", help="of expvastic, as taskset takes them")
    parser.add_argument("--helper-cores", default="0", help="of targets and sink")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into a page of Markdown as well")
    return parser.parse_args()


def main() -> int:
    options = parse()
    allow_many_files()
    os.sched_setaffinity(0, {int(core) for core in options.helper_cores.split(",")})
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        go_parts.build(Path(name))
        soak = Soak(options, Path(name))
        wrong = soak.run()
    soak.tell(soaking.drift(soak.samples))
    for each in wrong:
        soak.tell(f"BROKEN: {each}")
    if options.write:
        report.write(options.write, "soak", "\n".join([report.about(), "", "```text", *soak.told, "```", ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
