"""kill -9 at random moments, under load, again and again: what was served is recorded, and once.

python benchmarks/kill.py --rounds 100 --node es9

Ten programs are polled 200 times a second, into a real node (or any cluster by --url, which is then left as it was)
and into a file. expvastic is killed 0.2 to 3 s after it has started, or while it does, and started again at once. In
the end the programs stop, what waits is delivered, and every page and every garbage collection is looked for by name.
Ends with 1 if anything is lost beyond the polls that were under way, or is there twice.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src"), str(Path(__file__).resolve().parent)]

from parts import status  # noqa: E402
from parts.identity import End, Findings, compare  # noqa: E402
from parts.outages import Outages  # noqa: E402
from parts.sinks import File, Index, Sink  # noqa: E402
from parts.targets import Targets  # noqa: E402

from node_jars import PRODUCTS, find_parts  # noqa: E402
from program import Program, spell  # noqa: E402
from real_nodes import Node  # noqa: E402
from real_parts import Unavailable  # noqa: E402

SOONEST, LATEST = 0.2, 3.0  # seconds from a start to the kill
STARTING = 0.2  # of all kills come at any time of the start itself
DRAINING = 120.0  # seconds that the last start may take for what is waiting
SEGMENT = 128 * 2**10  # bytes; small, so that a kill may meet the change from one file to the next
IN_MEMORY = 0.05  # seconds; a page is read, and safe, at most so long after it arrived
Sinks = dict[str, Sink]
OUR_OWN = ("duplicates", "conflicts", "retried")


@dataclass(slots=True)
class Run:
    """One run's wishes, and what came of it."""

    rounds: int
    seed: int
    targets: int
    interval: float
    sync: str
    folder: Path
    sinks: Sinks
    ends: list[End] = field(default_factory=list)
    numbers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # at the end, by recorder
    violations: list[str] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        return self.folder / "status.sock"

    @property
    def limit(self) -> int:
        """Pages that one kill may cost: the polls under way, and those of 50 ms."""
        return self.targets + round(self.targets / self.interval * IN_MEMORY)

    def configuration(self, targets: Targets) -> str:
        policy = {
            "batch": {"wait": "100ms"},
            "retry": {"initial": "100ms", "max": "1s"},
            "timeout": "10s",
            "buffer": {"sync": self.sync, "segment_bytes": SEGMENT},
        }
        readers = targets.readers(f"{self.interval * 1000:g}ms")
        return spell(
            {
                "settings": {"state_dir": str(self.folder / "state"), "listen": f"unix:{self.socket}", "grace": "30s"},
                "readers": readers,
                "recorders": {name: {**sink.settings(), **policy} for name, sink in self.sinks.items()},
                "routes": {"all": {"readers": list(readers), "recorders": list(self.sinks)}},
            }
        )


def kill_again_and_again(run: Run, program: Program, rng: random.Random) -> None:
    for done in range(1, run.rounds + 1):
        with program:
            wait_for_the_moment(program, rng)
            program.signal(signal.SIGKILL)
            moment = time.time_ns()
            if (code := program.ended()) != 128 + signal.SIGKILL:
                run.violations.append(f"ended by itself with {code} in round {done}")
        run.ends.append(End(moment, run.limit))
        if sys.stderr.isatty():
            print(f"\rkilled {done} of {run.rounds}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)


def wait_for_the_moment(program: Program, rng: random.Random) -> None:
    starts = len(program.said("started"))
    if rng.random() < STARTING:
        time.sleep(rng.uniform(0, SOONEST + 1))
    else:
        program.wait_until(lambda: len(program.said("started")) > starts, "its start")
        time.sleep(rng.uniform(SOONEST, LATEST))


def start_for_the_last_time(run: Run, program: Program, targets: Targets) -> None:
    """Run on; then let all that waits be delivered, and end in order."""
    with program:
        program.wait_until(lambda: bool(status.recorders(run.socket)), "an answer at its socket")
        time.sleep(1)
        targets.stop()
        run.ends.append(End(time.time_ns(), 0))
        until = time.monotonic() + DRAINING
        while not status.is_drained(numbers := status.recorders(run.socket)) and time.monotonic() < until:
            time.sleep(0.1)
        run.numbers = numbers
        if not status.is_drained(numbers):
            run.violations.append(f"not all was delivered {DRAINING:g} s after the last start")
        if (code := program.stop()) != 0:
            run.violations.append(f"ended with {code} at last, not with 0")


def kill(run: Run, outages: contextlib.AbstractContextManager[object]) -> Findings:
    """The whole run, and what was found."""
    rng = random.Random(run.seed)
    with Targets(run.folder, run.targets, run.seed) as targets:
        program = Program(run.folder, run.configuration(targets))
        with outages:
            kill_again_and_again(run, program, rng)
        start_for_the_last_time(run, program, targets)
        recorded = {name: sink.documents() for name, sink in run.sinks.items()}
        findings = compare(targets.served(), recorded, run.ends)
    findings.violations += run.violations
    findings.complain("the ledger does not add up", status.imbalances(run.numbers))
    for name, numbers in run.numbers.items():
        told, found = numbers["recorded"], len(recorded[name])
        findings.complain(f"{name}: recorded", [f"{told} by the ledger, {found} really"] if told != found else [])
        lost = {word: numbers[word] for word in ("refused", "shed", "conflicts") if numbers[word]}
        findings.complain(f"{name}: counted", lost.items())
    findings.complain("restarts seen of targets that never restarted", program.said("target restarted"))
    findings.complain("not a line of the log", (line["raw"] for line in program.lines if "raw" in line))
    return findings


def report(run: Run, findings: Findings, seconds: float) -> None:
    kills = findings.missing[: run.rounds]
    print(f"{findings.pages:,} pages served, {findings.pages - sum(findings.missing):,} recorded, in {seconds:.0f} s")
    print(f"{findings.pauses // len(run.sinks):,} garbage collections shipped to each recorder")
    for name, numbers in run.numbers.items():
        told = ", ".join(f"{word} {numbers[word]:,}" for word in ("offered", "recorded", *OUR_OWN))
        print(f"{name}: {told}")
    counted, mean = Counter(kills), sum(kills) / len(kills)
    print(f"pages that a kill cost, of {run.limit} that it may: at most {max(kills)}, {mean:.2f} on average")
    for missing in sorted(counted):
        print(f"  {missing:>3} pages: {counted[missing]:>4} kills {'#' * counted[missing]}")
    if findings.ages:
        print(f"the oldest of them was served {max(findings.ages) * 1000:.1f} ms before its kill")
    for violation in findings.violations:
        print(f"BROKEN: {violation}")


@contextlib.contextmanager
def destinations(arguments: argparse.Namespace, folder: Path, seed: int) -> Iterator[tuple[Sinks, Node | None]]:
    """The two sinks, and the node if there is one of our own."""
    sinks: Sinks = {"samples": File(folder / "samples.ndjson")}
    if arguments.url:
        index = Index(arguments.url.rstrip("/"), f"metrics-expvastic-kill{seed}")
        yield {"es": index, **sinks}, None
        if not arguments.keep:
            index.remove()
    elif arguments.node == "none":
        yield {"others": File(folder / "others.ndjson"), **sinks}, None
    else:
        find_parts(PRODUCTS[arguments.node], download=arguments.download)
        node = Node(arguments.node)
        try:
            node.start()
            yield {"es": Index(node.url, "metrics-expvastic-kill"), **sinks}, node
        finally:
            node.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="how many kills")
    parser.add_argument("--node", default="es9", choices=[*PRODUCTS, "none"], help="none: two files and no node")
    parser.add_argument("--download", action="store_true", help="let Maven fetch the node's jars")
    parser.add_argument("--url", help="a cluster that is running already, instead of a node")
    parser.add_argument("--sync", default="interval", choices=["always", "interval", "never"])
    parser.add_argument("--outage", action="store_true", help="stop and start the node meanwhile, at random")
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--interval", type=float, default=0.05, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=None, help="drawn, unless given")
    parser.add_argument("--keep", action="store_true", help="keep the folder with state, log and files, and the index")
    arguments = parser.parse_args()
    if arguments.outage and (arguments.url or arguments.node == "none"):
        parser.error("--outage needs a --node")
    return arguments


def main() -> int:
    arguments = parse()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"seed: {seed}", flush=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    folder = Path(tempfile.mkdtemp(prefix="expvastic-kill-"))
    began = time.monotonic()
    try:
        with destinations(arguments, folder, seed) as (sinks, node):
            wishes = (arguments.rounds, seed, arguments.targets, arguments.interval, arguments.sync)
            run = Run(*wishes, folder, sinks)
            outages = Outages(node, random.Random(seed + 1)) if arguments.outage and node else contextlib.nullcontext()
            findings = kill(run, outages)
            report(run, findings, time.monotonic() - began)
    except Unavailable as missing:
        print(missing)
        return 1
    finally:
        if arguments.keep:
            print(f"all is in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())
