"""What one page costs from its bytes to its container: the general way, and the short way for known shapes.

python benchmarks/page.py

Every row is measured in turn, round after round, in one process; told is the quickest round of each, in microseconds
of processor time per page, and its ratio to the general way for the same page.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from expvastic.datatypes import Page, Reading  # noqa: E402
from expvastic.document import Identity  # noqa: E402
from expvastic.interpreter import Interpreter  # noqa: E402
from expvastic.pages.settings import InterpreterSettings  # noqa: E402

SAMPLES = ROOT / "tests" / "pages" / "samples"
START = 1_795_262_400_000_000_000
PAGES = 100  # of a round, a millisecond apart, as those of many targets are


def with_nan(body: bytes) -> bytes:
    """The page as Go prints it when one number is none."""
    return body.replace(b'"goroutines": 1', b'"goroutines": NaN', 1)


def with_nan_in_list(body: bytes) -> bytes:
    """The page with an array that no strict decoder takes."""
    return body.replace(b'"goroutines": 1', b'"goroutines": [1,NaN]', 1)


def collected(body: bytes) -> Iterator[bytes]:
    """The page with one more garbage collection each time."""
    head, middle, durations, tail = _around(body)
    rings = [durations, [*durations]]
    for number in itertools.count(300):
        for ring in rings:
            ring[(number - 1) % 256] = b"%d" % (number * 1_000)
        yield head % number + b",".join(rings[0]) + middle + b",".join(rings[1]) + tail


def collected_twice(body: bytes) -> Iterator[bytes]:
    """The page with two more each time."""
    return itertools.islice(collected(body), 0, None, 2)


def _around(body: bytes) -> tuple[bytes, bytes, list[bytes], bytes]:
    before, _, rest = body.partition(b'"PauseNs":[')
    durations, _, rest = rest.partition(b'],"PauseEnd":[')
    _, _, rest = rest.partition(b"]")
    number = rest.index(b'"NumGC":')
    comma = rest.index(b",", number)
    rest = rest[:number] + rest[comma + 1 :]
    head = before.replace(b"%", b"%%").replace(b'"Alloc":', b'"NumGC":%d,"Alloc":', 1) + b'"PauseNs":['
    return head, b'],"PauseEnd":[', durations.split(b","), b"]" + rest


@dataclass
class Row:
    """One way for one kind of page."""

    name: str
    lean: bool
    bodies: list[bytes]
    best: float = field(default=float("inf"))

    def prepare(self) -> Callable[[], None]:
        interpreter = Interpreter(
            InterpreterSettings(),
            Identity("0123456789abcdef", "host-1", "9.9"),
            reader="app",
            target="http://localhost:1234/debug/vars",
            prefix="expvar",
            interval=1.0,
            go_runtime=True,
            lean=self.lean,
        )
        readings = (
            Reading(START + step * 10**6, 1_000, (Page(body, "expvar"),))
            for step, body in enumerate(itertools.cycle(self.bodies))
        )

        def run() -> None:
            some = list(itertools.islice(readings, PAGES))
            began = time.process_time()
            for reading in some:
                interpreter.interpret(reading)
            self.best = min(self.best, (time.process_time() - began) / PAGES * 1e6)

        return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    rows: list[Row] = []
    for path in sorted(SAMPLES.glob("go-expvar-*.json")):
        body = path.read_bytes()
        kinds = {
            "nothing collected": [body],
            "one collection a page": list(itertools.islice(collected(body), 400)),
            "two collections a page": list(itertools.islice(collected_twice(body), 400)),
            "one NaN": [with_nan(body)],
            "one NaN, in a list": [with_nan_in_list(body)],
        }
        rows += [Row(f"{path.stem}, {kind}", lean, kinds[kind]) for kind in kinds for lean in (False, True)]
    runs = [row.prepare() for row in rows]
    for _ in range(rounds):
        for run in runs:
            run()
    print(f"{'µs per page':40}{'general':>10}{'lean':>10}{'ratio':>8}{'to clean':>10}")
    for general, lean in zip(rows[::2], rows[1::2], strict=True):
        clean = next(row for row in rows if row.lean and row.name.split(",")[0] == lean.name.split(",")[0])
        ratio, to_clean = lean.best / general.best, lean.best / clean.best
        print(f"{lean.name:40}{general.best:>10.1f}{lean.best:>10.1f}{ratio:>8.2f}{to_clean:>10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
