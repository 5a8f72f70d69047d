"""A sink that is away and comes back: how the backlog drains, second by second.

python benchmarks/outage.py --seconds 600 --rate 100 --csv curve.csv

Programs are polled ``--rate`` times a second, with a state directory; the sink refuses connections for ``--seconds``.
When it is back it carries out ``--lanes`` bulks at once, ``--capacity`` documents a second in all, and answers 429 to
what comes besides. Ends with 1 if anything was lost, or was there twice.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src"), str(Path(__file__).resolve().parent)]

from parts import status  # noqa: E402
from parts.identity import End, Findings, compare  # noqa: E402
from parts.limited_sink import LimitedSink  # noqa: E402
from parts.targets import Targets  # noqa: E402

from program import Program, spell  # noqa: E402

TARGETS = 10
WARM_UP = 2.0  # seconds before the outage
FRESH = 5.0  # seconds; fresher data than this is fresh
USUAL = 2.0  # seconds of polls that wait when nothing is amiss
PATIENCE = 3.0  # the drain may take so many times the outage, and a minute


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the drain."""

    since: float  # the sink came back
    documents: int
    rejected: int  # bulks, with 429
    at_once: int  # bulks at most, the rejected ones among them
    waiting: int
    age: float  # of the freshest document in the sink


class Curve:
    """The drain, as it is measured and shown."""

    def __init__(self, sink: LimitedSink, socket: Path, rate: float, limit: float) -> None:
        self.seconds: list[Second] = []
        self._sink = sink
        self._socket = socket
        self._usual = rate * USUAL
        self._limit = limit

    def follow(self) -> Iterator[Second]:
        """Each second, until nothing waits but what is usual, or for too long."""
        began, counts = time.monotonic(), self._sink.counts
        documents, rejected = counts.documents, counts.rejected
        while not self.is_drained and len(self.seconds) < self._limit:
            counts.most_at_once = 0
            time.sleep(max(0.0, began + len(self.seconds) + 1 - time.monotonic()))
            waiting = sum(of_one["waiting"] + of_one["out"] for of_one in status.recorders(self._socket).values())
            self.seconds.append(
                Second(
                    since=round(time.monotonic() - began, 1),
                    documents=counts.documents - documents,
                    rejected=counts.rejected - rejected,
                    at_once=counts.most_at_once,
                    waiting=waiting,
                    age=round(time.time() - counts.freshest, 1),
                )
            )
            documents, rejected = counts.documents, counts.rejected
            yield self.seconds[-1]

    @property
    def is_drained(self) -> bool:
        return bool(self.seconds) and self.seconds[-1].waiting <= self._usual and self.fresh_after is not None

    @property
    def fresh_after(self) -> float | None:
        """Seconds until the freshest document was fresh."""
        return next((second.since for second in self.seconds if second.age < FRESH), None)


def configuration(arguments: argparse.Namespace, targets: Targets, sink: LimitedSink, folder: Path) -> str:
    es = {
        "type": "elasticsearch",
        "endpoint": sink.url,
        "manage_template": False,
        "retry": {"initial": "1s", "max": arguments.longest_pause},
        "batch": {"count": arguments.batch},
    }
    settings = {"state_dir": str(folder / "state"), "listen": f"unix:{folder / 'status.sock'}", "grace": "30s"}
    readers = targets.readers(f"{TARGETS / arguments.rate * 1000:g}ms")
    routes = {"all": {"readers": list(readers), "recorders": ["es"]}}
    return spell({"settings": settings, "readers": readers, "recorders": {"es": es}, "routes": routes})


def show(second: Second) -> None:
    print(
        f"{second.since:>7.1f} {second.documents:>9,} {second.rejected:>5} {second.at_once:>8}"
        f" {second.waiting:>9,} {second.age:>8.1f}",
        flush=True,
    )


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[Curve, Findings]:
    with LimitedSink(arguments.capacity, arguments.lanes) as sink, Targets(folder, TARGETS, 1) as targets:
        socket = folder / "status.sock"
        program = Program(folder, configuration(arguments, targets, sink, folder))
        with program:
            program.wait_until(lambda: bool(sink.documents), "a document in the sink")
            time.sleep(WARM_UP)
            sink.take_down()
            wait(arguments.seconds)
            sink.put_up()
            curve = Curve(sink, socket, arguments.rate, arguments.seconds * PATIENCE + 60)
            print("seconds documents   429  at once   waiting  age of the freshest")
            for second in curve.follow():
                show(second)
            numbers = status.recorders(socket)
            targets.stop()
            code = program.stop()
        findings = compare(targets.served(), {"es": [*sink.documents.values()]}, [End(time.time_ns(), 0)])
    findings.complain("the ledger does not add up", status.imbalances(numbers))
    lost = {word: numbers["es"][word] for word in ("refused", "shed", "conflicts") if numbers["es"][word]}
    findings.complain("counted", lost.items())
    if code != 0:
        findings.violations.append(f"ended with {code}, not with 0")
    if not curve.is_drained:
        findings.violations.append("not drained in time")
    return curve, findings


def wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if sys.stderr.isatty():
            print(f"\rthe sink is away for {left:.0f} s more ", end="", file=sys.stderr, flush=True)
        time.sleep(min(1.0, left))
    if sys.stderr.isatty():
        print(file=sys.stderr)


def report(arguments: argparse.Namespace, curve: Curve, findings: Findings) -> None:
    fresh, last = curve.fresh_after, curve.seconds[-1]
    print(f"outage: {arguments.seconds:g} s at {arguments.rate:g} polls/s")
    print(f"fresh data less than {FRESH:g} s old after: {'never' if fresh is None else f'{fresh:.0f} s'}")
    print(f"drained after: {last.since:.0f} s" if curve.is_drained else f"not drained after {last.since:.0f} s")
    rates = [second.documents for second in curve.seconds]
    print(f"documents/s: {sum(rates) / len(rates):,.0f} on average, {max(rates):,} at most")
    print(f"429s: {sum(second.rejected for second in curve.seconds):,}")
    print(f"{findings.pages:,} pages served, {findings.pages - sum(findings.missing):,} recorded")
    for violation in findings.violations:
        print(f"BROKEN: {violation}")


def write_csv(path: str, curve: Curve) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([field.name for field in fields(Second)])
        table.writerows(map(astuple, curve.seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="how long the sink is away")
    parser.add_argument("--rate", type=float, default=100, help="polls per second")
    parser.add_argument("--capacity", type=float, default=2_000, help="documents per second that the sink carries out")
    parser.add_argument("--lanes", type=int, default=2, help="bulks that it carries out at once")
    parser.add_argument("--batch", type=int, default=500, help="batch.count")
    parser.add_argument("--longest-pause", default="30s", help="retry.max")
    parser.add_argument("--csv", metavar="FILE", help="write the curve to a file")
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    folder = Path(tempfile.mkdtemp(prefix="expvastic-outage-"))
    try:
        curve, findings = measure(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(arguments, curve, findings)
    if arguments.csv:
        write_csv(arguments.csv, curve)
    return 1 if findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())
