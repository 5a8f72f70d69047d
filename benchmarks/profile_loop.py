"""Where the CPU time of a poll goes, part by part, while one core is as busy as it can be.

python benchmarks/profile_loop.py --page 10k --seconds 20

Needs py-spy (``pip install py-spy``) and the right to look into other processes. Targets are polled faster than one
core can, so that no sample is of idleness. The share is of all samples; microseconds are that share of the CPU time per
poll that was measured just before the profiler looked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import contestants, go_parts, report, shares
from measuring.processes import Process, allow_many_files
from measuring.tables import markdown
from measuring.window import Scene, firsts, stage

RATE = 250  # samples per second


def profile(options: argparse.Namespace, folder: Path) -> tuple[float, list[str]]:
    """Microseconds of CPU per poll, and the samples."""
    scene = Scene(
        folder,
        options.targets,
        0.0,
        options.page,
        cores=options.cores,
        helper_cores=options.helper_cores,
    )
    contestant = contestants.ours(disk=options.disk)
    with stage(scene) as around, contestant.make(scene, folder) as program:
        firsts(around, program)
        time.sleep(options.warm_up)
        documents, cpu = around.documents, program.cpu
        time.sleep(options.warm_up)
        spent = (program.cpu - cpu) / max(1, around.documents - documents) * 1e6
        samples = sample(program, options, folder / "samples")
    return spent, samples


def sample(program: Process, options: argparse.Namespace, file: Path) -> list[str]:
    """What py-spy sees of a program."""
    command = [options.py_spy, "record", "--native", "-p", program.pid, "-d", options.seconds, "-r", RATE]
    command += ["--format", "raw", "-o", file]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode or not file.exists():
        raise SystemExit(f"py-spy could not look into the process: {done.stderr.strip()}")
    return file.read_text(encoding="utf-8").splitlines()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--page", choices=("10k", "28k"), default="10k")
    parser.add_argument("--disk", action="store_true", help="with a buffer on disk")
    parser.add_argument("--seconds", type=int, default=20, help="that are looked at")
    parser.add_argument("--warm-up", type=float, default=4.0, help="seconds after the first acknowledgement")
    parser.add_argument("--cores", default="1", help="of expvastic, as taskset takes them")
    parser.add_argument("--helper-cores", default="0", help="of targets, sink and profiler")
    parser.add_argument("--py-spy", default=shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy")))
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the samples, for a flame graph")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into a page of Markdown as well")
    return parser.parse_args()


def main() -> int:
    options = parse()
    if not Path(options.py_spy).exists():
        raise SystemExit("no py-spy here; install it (pip install py-spy), or give its path by --py-spy")
    allow_many_files()
    os.sched_setaffinity(0, {int(core) for core in options.helper_cores.split(",")})
    with tempfile.TemporaryDirectory(prefix="profile-") as name:
        go_parts.build(Path(name))
        spent, samples = profile(options, Path(name))
    if options.keep:
        options.keep.write_text("\n".join(samples) + "\n", encoding="utf-8")
    text = f"{report.about()}\n\n{table(options, spent, samples)}\n"
    print(text)
    if options.write:
        report.write(options.write, "profile", text)
    return 0


def table(options: argparse.Namespace, spent: float, samples: list[str]) -> str:
    """A row for each part that was seen."""
    counts = shares.by_part(samples)
    total = counts.total()
    rows = [(part, counts[part] / total) for part in shares.PARTS if counts[part]]
    lines = [[part, f"{100 * share:.1f} %", f"{spent * share:.1f}"] for part, share in rows]
    head = f"page of {options.page[:2]} KB, {'disk' if options.disk else 'memory'} buffer, {total:,} samples"
    return markdown([[head, "share", "µs per poll"], *lines, ["all", "100 %", f"{spent:.1f}"]])


if __name__ == "__main__":
    sys.exit(main())
