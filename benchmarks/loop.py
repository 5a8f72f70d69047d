"""What a delivered poll costs, beside a Go program that does the same work in the same run.

python benchmarks/loop.py --targets 1000 --interval 1 --page 10k --seconds 20

One table of ``all.py``, with numbers of one's own, and with several source trees beside each other: builds the Go
parts, then runs the Go loop and expvastic in turn, each with targets and sink of its own. Only the ratio in the last
column travels from machine to machine, and that only from an idle one: the load that is printed is what else was going
on. With several rounds each number is a median.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from measuring import contestants, go_parts, rounds, tables
from measuring.processes import allow_many_files
from measuring.sections import PACED, Section
from measuring.window import Contestant, Scene

ROOT = Path(__file__).resolve().parent.parent


def chosen(options: argparse.Namespace) -> list[Contestant]:
    """Go, and each source tree with each kind of buffer that is asked for."""
    kinds = {"memory": (False,), "disk": (True,), "both": (False, True)}[options.buffer]
    ours = [
        contestants.ours(source, disk=disk, name=f"{name}, disk" if disk else name)
        for name, source in options.source
        for disk in kinds
    ]
    return [contestants.go(), *([contestants.go(tuned=True)] if options.tuned else []), *ours]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two polls of a target; 0: at once")
    parser.add_argument("--page", choices=("10k", "28k"), default="10k")
    parser.add_argument("--seconds", type=float, default=20.0, help="that are looked at")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds after the first acknowledgement")
    parser.add_argument("--rounds", type=int, default=1, help="the table shows medians")
    parser.add_argument("--cores", default="1", help="of what is measured, as taskset takes them")
    parser.add_argument("--helper-cores", default="0", help="of targets and sink")
    parser.add_argument("--gzip", action="store_true", help="compress bulks")
    parser.add_argument("--buffer", choices=("memory", "disk", "both"), default="memory")
    parser.add_argument("--tuned", action="store_true", help="the tuned Go as well")
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


def main() -> int:
    options = parse()
    load = os.getloadavg()[0]
    allow_many_files()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        go_parts.build(Path(folder))
        scene = Scene(
            Path(folder),
            options.targets,
            options.interval,
            options.page,
            options.seconds,
            options.warm_up,
            options.cores,
            options.helper_cores,
            options.gzip,
        )
        section = Section("loop", "loop", scene, chosen(options), PACED)
        costs, complaints = rounds.run([section], options.rounds)
    rounds.tell("")
    print(f"{options.targets} targets every {options.interval:g} s, {options.page}, {options.seconds:g} s, ", end="")
    print(f"Python {platform.python_version()}, {go_parts.version()}, {platform.machine()}, load before {load:.1f}")
    print(tables.of_costs(costs["loop"], PACED, contestants.GO))
    for complaint in complaints:
        print(f"NOT IN ORDER: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
