"""What a delivered poll costs, beside a Go program that does the same work in the same run.

python benchmarks/loop.py --targets 1000 --interval 1 --page 10k --seconds 20

Builds the Go parts, then runs the Go loop and expvastic in turn, each with targets and sink of its own, and prints
one line for each. Only the ratio in the last column travels from machine to machine, and that only from an idle one:
the load that is printed is what else was going on. With several rounds each number is a median.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from measuring import go_parts
from measuring.own_part import expvastic
from measuring.processes import Process, allow_many_files, await_file

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Cost:
    """What was seen in one window. Times in seconds unless said otherwise."""

    cpu_per_poll: float  # microseconds
    cores: float  # busy on average
    reads: float  # pages per second
    polls: float  # delivered per second
    missed: float  # per cent of the schedule
    lag_p50: float  # milliseconds from the page's last byte to the acknowledgement
    lag_p99: float
    memory: float  # megabytes resident at the end
    document: float  # bytes shipped for each, before compression: the work must be the same
    first_poll: float = 0.0  # milliseconds from the start of the process to the first page
    first_ack: float = 0.0  # to the first acknowledgement


def measure(parts: Path, options: argparse.Namespace, make: Callable[[], Process]) -> Cost:
    """Run what ``make`` makes against fresh targets and a fresh sink, and look at it for a while."""
    with (
        go_parts.targets(parts, options.helper_cores, options.targets, options.page) as targets,
        go_parts.sink(parts, options.helper_cores) as sink,
    ):
        await_file(parts / "targets.log", 60, targets)
        go_parts.await_answer(go_parts.TARGETS_CONTROL, "/count", targets)
        go_parts.await_answer(go_parts.SINK, "/stats", sink)
        with make() as polling:
            started = time.monotonic()
            first_poll = until(lambda: go_parts.ask(go_parts.TARGETS_CONTROL, "/count"), polling) - started
            first_ack = until(lambda: go_parts.ask(go_parts.SINK, "/stats")["documents"], polling) - started
            time.sleep(options.warm_up)
            polling.check()
            return replace(watch(polling, options), first_poll=first_poll * 1e3, first_ack=first_ack * 1e3)


def until(happened: Callable[[], object], polling: Process) -> float:
    """When something had happened, to a few milliseconds; infinity if it did not within 20 seconds."""
    deadline = time.monotonic() + 20
    while not happened():
        polling.check()
        if time.monotonic() > deadline:
            return math.inf
        time.sleep(0.005)
    return time.monotonic()


def watch(polling: Process, options: argparse.Namespace) -> Cost:
    """The window itself."""
    go_parts.ask(go_parts.SINK, "/reset")
    began, cpu = time.monotonic(), polling.cpu
    polled = go_parts.ask(go_parts.TARGETS_CONTROL, "/count")
    time.sleep(options.seconds)
    polling.check()
    polled = go_parts.ask(go_parts.TARGETS_CONTROL, "/count") - polled
    seen = go_parts.ask(go_parts.SINK, "/stats")
    cpu, took = polling.cpu - cpu, time.monotonic() - began
    scheduled = options.targets * took / options.interval
    if not seen["documents"]:
        print(f"nothing was delivered:\n{polling.output}")
    return Cost(
        cpu_per_poll=cpu / seen["documents"] * 1e6 if seen["documents"] else math.inf,
        cores=cpu / took,
        reads=polled / took,
        polls=seen["documents"] / took,
        missed=max(0.0, 100 * (1 - polled / scheduled)),
        lag_p50=seen.get("lag_p50", math.nan),
        lag_p99=seen.get("lag_p99", math.nan),
        memory=polling.memory,
        document=seen["inflated"] / max(1, seen["documents"]),
    )


def median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)))


def run(parts: Path, options: argparse.Namespace) -> dict[str, Cost]:
    """The rows of the table, each the median of its rounds; rounds go through all rows in turn."""
    compress, cores = options.gzip, options.cores
    count, interval = options.targets, options.interval
    rows: dict[str, Callable[[], Process]] = {
        "go": lambda: go_parts.loop(parts, cores, count, interval, compress=compress),
    }
    for name, source in options.source:
        rows[name] = lambda source=source: expvastic(parts, source, cores, count, interval, compress=compress)
    seen: dict[str, list[Cost]] = {name: [] for name in rows}
    for number in range(options.rounds):
        for name, make in rows.items():
            print(f"round {number + 1} of {options.rounds}: {name}", flush=True)
            seen[name].append(measure(parts, options, make))
    return {name: median(costs) for name, costs in seen.items()}


COLUMNS: dict[str, Callable[[Cost], str]] = {
    "µs CPU/poll": lambda cost: f"{cost.cpu_per_poll:.0f}",
    "cores": lambda cost: f"{cost.cores:.3f}",
    "read/s": lambda cost: f"{cost.reads:.0f}",
    "delivered/s": lambda cost: f"{cost.polls:.0f}",
    "missed %": lambda cost: f"{cost.missed:.1f}",
    "lag p50 ms": lambda cost: f"{cost.lag_p50:.0f}",
    "p99 ms": lambda cost: f"{cost.lag_p99:.0f}",
    "RSS MB": lambda cost: f"{cost.memory:.0f}",
    "bytes/doc": lambda cost: f"{cost.document:.0f}",
    "1st poll ms": lambda cost: f"{cost.first_poll:.0f}",
    "1st ack ms": lambda cost: f"{cost.first_ack:.0f}",
}


def table(rows: dict[str, Cost]) -> str:
    baseline = rows["go"].cpu_per_poll
    lines = [["", *COLUMNS, "ratio"]]
    for name, cost in rows.items():
        lines.append([name, *(spell(cost) for spell in COLUMNS.values()), f"{cost.cpu_per_poll / baseline:.2f}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    spelled = ["| " + " | ".join(f"{cell:>{w}}" for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([spelled[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *spelled[1:]])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two polls of a target")
    parser.add_argument("--page", choices=("10k", "28k"), default="10k")
    parser.add_argument("--seconds", type=float, default=20.0, help="that are looked at")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds after the first acknowledgement")
    parser.add_argument("--rounds", type=int, default=1, help="the table shows medians")
    parser.add_argument("--cores", default="1", help="of what is measured, as taskset takes them")
    parser.add_argument("--helper-cores", default="0", help="of targets and sink")
    parser.add_argument("--gzip", action="store_true", help="compress bulks")
    parser.add_argument(
        "--source",
        action="append",
        type=named_source,
        help="NAME=FOLDER, a source tree of expvastic; may be repeated; this one unless given",
    )
    options = parser.parse_args()
    options.source = options.source or [("expvastic", ROOT / "src")]
    return options


def named_source(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder).resolve()


def main() -> None:
    options = parse()
    load = os.getloadavg()[0]
    allow_many_files()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        go_parts.build(Path(folder))
        rows = run(Path(folder), options)
        pages = (Path(folder) / "targets.log").read_text().strip()
    print(f"\n{options.targets} targets every {options.interval:g} s, {pages}, {options.seconds:g} s, ", end="")
    print(f"Python {platform.python_version()}, {go_parts.version()}, {platform.machine()}, load before {load:.1f}")
    print(table(rows))


if __name__ == "__main__":
    main()
