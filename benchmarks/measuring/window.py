"""One contestant against targets and a sink of its own, looked at for a while."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from . import go_parts
from .own_part import Books
from .processes import Process, await_file

_UNSTEADY = 0.1  # of the polls, too many or too few delivered: a backlog grows or shrinks


@dataclass(frozen=True)
class Scene:
    """What is polled how often, where, and for how long it is looked at. Times in seconds."""

    parts: Path  # the folder of what is built
    targets: int = 1000
    interval: float = 1.0  # 0 for a closed loop, for those who can
    page: str = "10k"
    seconds: float = 12.0
    warm_up: float = 5.0  # after the first acknowledgement, or the first page if nothing is acknowledged
    cores: str = "1"
    helper_cores: str = "0"
    compress: bool = False
    uvloop: bool = False  # for expvastic


@dataclass(frozen=True)
class Contestant:
    """Who polls. ``make`` gets a scratch folder; ``socket`` is the name in it where it tells its books, if it does.

    ``is_delivering`` says that it ships a document for each poll; else its polls are the pages that were served.
    """

    name: str
    make: Callable[[Scene, Path], Process]
    socket: str = ""
    is_delivering: bool = True


@dataclass(frozen=True)
class Cost:
    """What was seen in one window; ``nan`` is what cannot be told."""

    cpu_per_poll: float  # microseconds for each poll that was delivered
    cores: float  # busy on average
    helpers: float  # the same of targets and sink together
    reads: float  # pages per second
    polls: float  # delivered per second
    missed: float  # per cent of the schedule
    lag_p50: float  # milliseconds from the page's last byte to the acknowledgement
    lag_p99: float
    memory_first: float  # megabytes resident after the first acknowledgement
    memory: float  # at the end
    document: float  # bytes shipped for each, before compression: the work must be the same
    wake_ups: float  # per second
    first_poll: float  # milliseconds from the start of the process to the first page
    first_ack: float  # to the first acknowledgement

    @property
    def is_steady(self) -> bool:
        """Whether what was delivered is what was read, so that the cost of the one is that of the other."""
        return abs(self.polls - self.reads) <= _UNSTEADY * self.reads


@dataclass(frozen=True)
class Run:
    """A cost, and whatever was not in order."""

    cost: Cost
    complaints: tuple[str, ...] = ()


def median(runs: Sequence[Run]) -> Cost:
    """Each number by itself."""
    return Cost(*(statistics.median(getattr(run.cost, field.name) for run in runs) for field in fields(Cost)))


@dataclass(frozen=True)
class Stage:
    """Targets and sink that are running."""

    targets: Process
    sink: Process

    @property
    def served(self) -> int:
        """Pages so far."""
        served: int = go_parts.ask(go_parts.TARGETS_CONTROL, "/count")
        return served

    @property
    def first(self) -> float:
        """When the first page was served, in seconds of the wall clock; 0 if none was."""
        first: int = go_parts.ask(go_parts.TARGETS_CONTROL, "/first")
        return first / 1e9

    @property
    def documents(self) -> int:
        """How many came to the sink since it has forgotten."""
        documents: int = go_parts.ask(go_parts.SINK, "/documents")
        return documents

    @property
    def arrived(self) -> dict[str, Any]:
        """What the sink has to tell."""
        told: dict[str, Any] = go_parts.ask(go_parts.SINK, "/stats")
        return told

    def forget(self) -> None:
        """Let the sink count from now on."""
        go_parts.ask(go_parts.SINK, "/reset")


@contextmanager
def stage(scene: Scene, pages: int = 512) -> Iterator[Stage]:
    """Fresh targets and a fresh sink."""
    with (
        go_parts.targets(scene.parts, scene.helper_cores, scene.targets, scene.page, pages) as targets,
        go_parts.sink(scene.parts, scene.helper_cores) as sink,
    ):
        await_file(scene.parts / "targets.log", 60, targets)
        go_parts.await_answer(go_parts.TARGETS_CONTROL, "/count", targets)
        go_parts.await_answer(go_parts.SINK, "/stats", sink)
        yield Stage(targets, sink)


def measure(scene: Scene, contestant: Contestant) -> Run:
    """Start it, let it come to rest, and look at it."""
    with stage(scene) as around, tempfile.TemporaryDirectory(prefix="contestant-") as name:
        folder = Path(name)
        with contestant.make(scene, folder) as polling:
            first_poll, first_ack = firsts(around, polling, acknowledged=contestant.is_delivering)
            memory_first = polling.memory
            time.sleep(scene.warm_up)
            run = _watch(scene, contestant, around, polling, folder)
        begun = {"first_poll": first_poll, "first_ack": first_ack, "memory_first": memory_first}
        return replace(run, cost=replace(run.cost, **begun))


def firsts(around: Stage, polling: Process, *, acknowledged: bool = True) -> tuple[float, float]:
    """Milliseconds from its start to the first page that was served, and to the first acknowledgement."""
    _until(lambda: around.first, polling)
    first_ack = _until(lambda: around.documents, polling) if acknowledged else math.nan
    return (around.first - polling.started) * 1e3, (first_ack - polling.started) * 1e3


def _until(happened: Callable[[], object], polling: Process) -> float:
    """When something had happened, to a few milliseconds."""
    deadline = time.monotonic() + 40
    while not happened():
        polling.check()
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing came within 40 s:\n{polling.output}")
        time.sleep(0.003)
    return time.time()


@dataclass(frozen=True)
class _Marks:
    """What only ever grows, at one moment."""

    time: float
    served: int
    cpu: float
    helpers: float
    wake_ups: int

    @classmethod
    def of(cls, around: Stage, polling: Process) -> _Marks:
        helpers = around.targets.cpu + around.sink.cpu
        return cls(time.monotonic(), around.served, polling.cpu, helpers, polling.wake_ups)

    def since(self, before: _Marks) -> _Marks:
        return _Marks(*(getattr(self, field.name) - getattr(before, field.name) for field in fields(self)))


def _watch(scene: Scene, contestant: Contestant, around: Stage, polling: Process, folder: Path) -> Run:
    _await_bulk(scene, contestant, around)
    around.forget()
    begun = _Marks.of(around, polling)
    time.sleep(scene.seconds)
    polling.check()
    _await_bulk(scene, contestant, around)
    spent = _Marks.of(around, polling).since(begun)
    memory, arrived = polling.memory, around.arrived
    # Asked for when all else is known: the page of thousands of readers takes memory, and some time.
    books = Books.of(folder / contestant.socket) if contestant.socket else None
    delivered = arrived["documents"] if contestant.is_delivering else spent.served
    cost = Cost(
        cpu_per_poll=spent.cpu / delivered * 1e6 if delivered else math.nan,
        cores=spent.cpu / spent.time,
        helpers=spent.helpers / spent.time,
        reads=spent.served / spent.time,
        polls=delivered / spent.time,
        missed=_missed(scene, spent, polling, books),
        lag_p50=arrived.get("lag_p50", math.nan),
        lag_p99=arrived.get("lag_p99", math.nan),
        memory_first=math.nan,
        memory=memory,
        document=arrived["inflated"] / arrived["documents"] if arrived["documents"] else math.nan,
        wake_ups=spent.wake_ups / spent.time,
        first_poll=math.nan,
        first_ack=math.nan,
    )
    return Run(cost, tuple(_complaints(contestant, arrived, delivered, books)))


def _await_bulk(scene: Scene, contestant: Contestant, around: Stage) -> None:
    """Let the window begin and end just after a bulk, or half a bulk more or less would be half a bulk of error."""
    if not contestant.is_delivering or scene.interval > 1:
        return
    documents, deadline = around.documents, time.monotonic() + 2
    while around.documents == documents and time.monotonic() < deadline:
        time.sleep(0.01)


def _missed(scene: Scene, spent: _Marks, polling: Process, books: Books | None) -> float:
    """Per cent: by its own count since the start where it has one; else what was not served, to a poll or two."""
    if not scene.interval:
        return math.nan
    took = time.time() - polling.started if books else spent.time
    scheduled = scene.targets * took / scene.interval
    absent = books.missed if books else scheduled - spent.served
    return max(0.0, 100 * absent / scheduled)


def _complaints(contestant: Contestant, arrived: dict[str, Any], delivered: int, books: Books | None) -> Iterator[str]:
    if not delivered:
        yield f"{contestant.name}: nothing was delivered"
    if arrived["duplicates"]:
        yield f"{contestant.name}: {arrived['duplicates']} documents came twice"
    for imbalance in books.imbalances if books else ():
        yield f"{contestant.name}: the books do not add up: {imbalance}"
    if books and books.lost:
        yield f"{contestant.name}: {books.lost} documents were refused or shed"
