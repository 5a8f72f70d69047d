"""What fetching a page costs by itself, the lean way and over httpx: CPU per fetch, nothing interpreted.

python benchmarks/fetch.py --targets 32 --page 10k --seconds 5

The rows called turn are a poll's whole turn but for its page: from the tick by way of the engine to the page, and back
to sleep, every target once per interval. A row is the best of some windows: what else goes on only ever adds to it.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from measuring import go_parts  # noqa: E402
from measuring.processes import allow_many_files, await_file  # noqa: E402

from expvastic import logs  # noqa: E402
from expvastic.assembly import steady_clock  # noqa: E402
from expvastic.clients.fetch import Fetcher  # noqa: E402
from expvastic.clients.lean import LeanFetcher  # noqa: E402
from expvastic.clients.target import TargetSettings  # noqa: E402
from expvastic.datatypes import Container, Reading  # noqa: E402
from expvastic.document import Identity  # noqa: E402
from expvastic.engine import Engine, EngineSettings  # noqa: E402
from expvastic.interpreter import Interpreter  # noqa: E402
from expvastic.pacing import Pacer  # noqa: E402
from expvastic.pages.settings import InterpreterSettings  # noqa: E402
from expvastic.readers.expvar import ExpvarReader, ExpvarSettings  # noqa: E402
from expvastic.slots import Slots  # noqa: E402
from expvastic.telemetry import Snapshot  # noqa: E402

Make = Callable[[TargetSettings], Fetcher | LeanFetcher]
WINDOWS = 8


class NoInterpreter(Interpreter):
    """Makes nothing of a page."""

    def interpret(self, reading: Reading) -> list[Container]:  # noqa: ARG002
        return []


async def fetch_all(make: Make, options: argparse.Namespace) -> float:
    """Fetch every target as fast as it answers."""
    fetched = 0

    async def fetch(settings: TargetSettings) -> None:
        nonlocal fetched
        fetcher = make(settings)
        try:
            while True:
                await fetcher.fetch()
                fetched += 1
        finally:
            await fetcher.aclose()

    async with anyio.create_task_group() as tasks:
        for number in range(options.targets):
            tasks.start_soon(fetch, TargetSettings.model_validate({"endpoint": _endpoint(number)}))
        cost = await _best(lambda: fetched, options)
        tasks.cancel_scope.cancel()
    return cost


async def turn_all(options: argparse.Namespace) -> float:
    """Poll every target once per interval."""
    slots, start = Slots(steady_clock), steady_clock()
    engines = [_engine(number, slots, start, options) for number in range(options.targets)]
    async with anyio.create_task_group() as tasks:
        for engine in engines:
            tasks.start_soon(engine.run)
        cost = await _best(lambda: sum(engine.readings for engine in engines), options)
        tasks.cancel_scope.cancel()
    return cost


def _engine(number: int, slots: Slots, start: float, options: argparse.Namespace) -> Engine:
    name, interval = f"t{number}", options.interval
    reader = ExpvarReader(ExpvarSettings.model_validate({"endpoint": _endpoint(number)}), _no_snapshot)
    settings = InterpreterSettings()
    interpreter = NoInterpreter(
        settings, Identity("a", "h", "1"), reader=name, target="", prefix="expvar", interval=interval
    )
    pacer = Pacer(interval, 10, start=start + number * interval / options.targets)
    return Engine(
        name,
        "expvar",
        reader,
        lambda: interpreter,
        [],
        EngineSettings.model_validate({"interval": interval}),
        pacer,
        logs.logger("error"),
        slots=slots,
        clock=steady_clock,
    )


def _no_snapshot() -> Snapshot:
    raise NotImplementedError


def _endpoint(number: int) -> str:
    return f"127.0.0.1:{go_parts.FIRST_TARGET + number}/debug/vars"


async def _best(count: Callable[[], int], options: argparse.Namespace) -> float:
    """Microseconds of CPU for each that is counted, in the best of some windows; infinity if there are none."""
    await anyio.sleep(1)
    costs = []
    for _ in range(WINDOWS):
        counted, cpu = count(), _cpu()
        await anyio.sleep(options.seconds / WINDOWS)
        counted = count() - counted
        costs.append((_cpu() - cpu) / counted * 1e6 if counted else math.inf)
    return min(costs)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=32)
    parser.add_argument("--page", choices=("10k", "28k"), default="10k")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--interval", type=float, default=0.25, help="of a turn, in seconds")
    parser.add_argument("--cores", default="1")
    parser.add_argument("--helper-cores", default="0")
    options = parser.parse_args()
    allow_many_files()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        go_parts.build(folder)
        with go_parts.targets(folder, options.helper_cores, options.targets, options.page) as targets:
            await_file(folder / "targets.log", 60, targets)
            go_parts.await_answer(go_parts.TARGETS_CONTROL, "/count", targets)
            for way, (run, arguments, use_uvloop) in ways(options).items():
                cost = anyio.run(run, *arguments, backend_options={"use_uvloop": use_uvloop})
                print(f"{way:>15}: {cost:6.1f} µs of CPU")


def ways(options: argparse.Namespace) -> dict[str, tuple[Callable[..., Awaitable[float]], tuple[Any, ...], bool]]:
    """What is measured, with its arguments and whether it runs on uvloop."""
    found: dict[str, tuple[Callable[..., Awaitable[float]], tuple[Any, ...], bool]] = {}
    for use_uvloop in (False, True) if importlib.util.find_spec("uvloop") else (False,):
        where = " on uvloop" if use_uvloop else ""
        found[f"lean{where}"] = (fetch_all, (LeanFetcher, options), use_uvloop)
        found[f"turn{where}"] = (turn_all, (options,), use_uvloop)
    return found | {"httpx": (fetch_all, (Fetcher, options), False)}


if __name__ == "__main__":
    main()
