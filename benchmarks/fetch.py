"""What fetching a page costs by itself, the lean way and over httpx: CPU per fetch, nothing interpreted.

python benchmarks/fetch.py --targets 32 --page 10k --seconds 5
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from measuring import go_parts  # noqa: E402
from measuring.processes import allow_many_files, await_file  # noqa: E402

from expvastic.clients.fetch import Fetcher  # noqa: E402
from expvastic.clients.lean import LeanFetcher  # noqa: E402
from expvastic.clients.target import TargetSettings  # noqa: E402

Make = Callable[[TargetSettings], Fetcher | LeanFetcher]


async def fetch_all(make: Make, options: argparse.Namespace) -> tuple[int, float]:
    """Fetch every target as fast as it answers; how often, and seconds of CPU."""
    deadline = time.monotonic() + options.seconds
    fetched = 0

    async def fetch(port: int) -> None:
        nonlocal fetched
        fetcher = make(TargetSettings.model_validate({"endpoint": f"127.0.0.1:{port}/debug/vars"}))
        while time.monotonic() < deadline:
            await fetcher.fetch()
            fetched += 1
        await fetcher.aclose()

    before = _cpu()
    async with asyncio.TaskGroup() as tasks:
        for number in range(options.targets):
            tasks.create_task(fetch(go_parts.FIRST_TARGET + number))
    return fetched, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=32)
    parser.add_argument("--page", choices=("10k", "28k"), default="10k")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--cores", default="1")
    parser.add_argument("--helper-cores", default="0")
    options = parser.parse_args()
    allow_many_files()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    ways: list[tuple[str, Make, bool]] = [("lean", LeanFetcher, False), ("httpx", Fetcher, False)]
    if importlib.util.find_spec("uvloop"):
        ways.insert(1, ("lean on uvloop", LeanFetcher, True))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        go_parts.build(folder)
        with go_parts.targets(folder, options.helper_cores, options.targets, options.page) as targets:
            await_file(folder / "targets.log", 60, targets)
            for way, make, use_uvloop in ways:
                fetched, cpu = anyio.run(fetch_all, make, options, backend_options={"use_uvloop": use_uvloop})
                print(f"{way:>15}: {cpu / fetched * 1e6:6.1f} µs of CPU, {fetched / options.seconds:8.0f} per second")


if __name__ == "__main__":
    main()
