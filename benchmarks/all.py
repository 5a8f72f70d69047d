"""What polling and shipping cost, beside Go programs that do the same in the same run: every table there is.

python benchmarks/all.py --rounds 3 --write docs/performance.md

Builds the targets, the sink and the contestants, runs them in turn, and prints the tables. Takes about six minutes for
a round, and some more for what is measured once. ``--quick`` is a smoke test: its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from measuring import contestants, go_parts, others, report, rounds, starts
from measuring.musts import Measured
from measuring.processes import allow_many_files
from measuring.sections import PARTS, QUICK, Section, Sizes, sections
from measuring.window import Contestant, Scene


def measure(options: argparse.Namespace, parts: Path) -> tuple[Measured, list[Section], list[str]]:
    """Everything that is asked for, and what was not in order."""
    sizes: Sizes = options.sizes
    scene = Scene(
        parts,
        cores=options.cores,
        helper_cores=options.helper_cores,
        compress=options.gzip,
        uvloop=options.uvloop,
    )
    peers = [*contestants.given_peers(options.telegraf, options.otelcol)]
    chosen = [
        section
        for section in sections(sizes, scene, extras=[*_extras(options, parts)], peers=peers)
        if section.key.partition("-")[0] in options.parts
    ]
    costs, complaints = rounds.run(chosen, options.rounds)
    seen = Measured(costs)
    if "start" in options.parts:
        rounds.tell("starts")
        who = (contestants.go(), contestants.ours())
        paced = replace(scene, interval=sizes.interval)
        seen.starts = starts.of_counts(paced, who, (1, sizes.targets), sizes.starts)
    if "others" in options.parts:
        rounds.tell("other benchmarks")
        seen.nan = others.page_with_nan(2 if options.quick else 40)
        seen.shipping = others.shipping(0.5 if options.quick else 4.0)
    rounds.tell("")
    return seen, chosen, complaints


def _extras(options: argparse.Namespace, parts: Path) -> list[Contestant]:
    found = [] if options.no_tuned else [contestants.go(tuned=True)]
    if not options.no_floor and go_parts.build_floor(parts):
        found.append(contestants.floor())
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="the tables show medians")
    parser.add_argument("--quick", action="store_true", help="a smoke test, with very few targets")
    parser.add_argument("--parts", type=_parts, default=PARTS, help=f"of {','.join(PARTS)}; all unless given")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into a page of Markdown as well")
    parser.add_argument("--cores", default="1", help="of what is measured, as taskset takes them")
    parser.add_argument("--helper-cores", default="0", help="of targets and sink")
    parser.add_argument("--gzip", action="store_true", help="compress bulks")
    parser.add_argument("--uvloop", action="store_true", help="let expvastic have it; by default it is not installed")
    parser.add_argument("--no-tuned", action="store_true", help="without the tuned Go")
    parser.add_argument("--no-floor", action="store_true", help="without the loop in C")
    parser.add_argument("--telegraf", type=_program, metavar="PATH", help="a binary to run beside")
    parser.add_argument("--otelcol", type=_program, metavar="PATH", help="a binary of the Collector (contrib)")
    options = parser.parse_args()
    options.sizes = QUICK if options.quick else Sizes()
    return options


def _program(text: str) -> Path:
    if not os.access(path := Path(text).absolute(), os.X_OK):
        raise argparse.ArgumentTypeError(f"{text} is no program")
    return path


def _parts(text: str) -> tuple[str, ...]:
    words = tuple(text.split(","))
    if unknown := set(words) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return words


def main() -> int:
    options = parse()
    allow_many_files()
    os.sched_setaffinity(0, {int(core) for core in options.helper_cores.split(",")})
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        go_parts.build(Path(folder))
        seen, chosen, complaints = measure(options, Path(folder))
    text = report.report(seen, chosen, options.sizes)
    print(text)
    if options.write:
        report.write(options.write, "tables", text)
    for complaint in complaints:
        print(f"NOT IN ORDER: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
