"""Pages by the million through the interpreter; ends with 1 at the first that breaks a promise.

python benchmarks/fuzz_pages.py --pages 1000000 --seed 7
python benchmarks/fuzz_pages.py --pages 200000 --both-ways   # the lean way for known shapes against the general one
"""

from __future__ import annotations

import argparse
import functools
import importlib
import multiprocessing
import random
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 2


def run(seed: int, both_ways: bool, number: int) -> Any:
    """A session's tally, or what was broken: an exception would lose its page on the way from process to process."""
    fuzzing = importlib.import_module("fuzzing")
    session = importlib.import_module("lean").run_lean_session if both_ways else fuzzing.run_session
    try:
        return session(seed, number)
    except fuzzing.Violation as violation:
        return number, violation.what, violation.body.hex()


def fuzz(seed: int, sessions: int, *, both_ways: bool) -> Any:
    """The tally of all sessions; of the first that breaks a promise, number, promise and page."""
    tally = importlib.import_module("fuzzing").Tally()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        results = pool.imap(functools.partial(run, seed, both_ways), range(sessions), chunksize=4)
        for done, result in enumerate(results, 1):
            if isinstance(result, tuple):
                return result
            tally.add(result)
            if sys.stderr.isatty():
                print(f"\r{done / sessions:6.1%}", end="", file=sys.stderr, flush=True)
    return tally


def report(tally: Any, seconds: float) -> None:
    print(f"pages tried: {tally.pages:,} ({tally.mutated:,} of them mutated)")
    print(f"time: {seconds:.0f} s with {PROCESSES} processes")
    print("outcomes:")
    for outcome, count in tally.outcomes.most_common():
        print(f"  {count:>10,}  {outcome}")
    print("values left out:")
    for reason, count in tally.left_out.most_common():
        print(f"  {count:>10,}  {reason}")
    if not tally.mutated_equal:
        return
    share = tally.mutated_equal / max(tally.mutated, 1)
    print(f"mutated pages with a document whose every value equals the reference decoder's: {share:.1%}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None, help="drawn, unless given")
    parser.add_argument("--both-ways", action="store_true", help="compare the lean way with the general one")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    print(f"seed: {seed}", flush=True)
    sessions = -(-arguments.pages // importlib.import_module("fuzzing").SESSION)
    began = time.monotonic()
    result = fuzz(seed, sessions, both_ways=arguments.both_ways)
    if isinstance(result, tuple):
        number, what, page = result
        print(f"BROKEN in session {number}: {what}\npage: {page}")
        return 1
    report(result, time.monotonic() - began)
    return 0


sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]  # also in the processes that are spawned
if __name__ == "__main__":
    sys.exit(main())
