"""Who can be made to poll: Go in three ways, C, expvastic in two, and peers whose binaries are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import go_parts, peers
from .own_part import expvastic
from .processes import Process
from .window import Contestant, Scene

SOURCE = Path(__file__).resolve().parent.parent.parent / "src"
GO = "Go"
TUNED = "Go, tuned"
FLOOR = "C, no decoding, no shipping"
MEMORY = "expvastic, memory buffer"
DISK = "expvastic, disk buffer"
TELEGRAF = "Telegraf"
COLLECTOR = "OpenTelemetry Collector, memstats only"

_SOCKET = "status.sock"
_GOROUTINES = 32  # of Go's closed loop
_BUSIEST = 0.04  # seconds between two polls where there is no closed loop: 1,000 targets want 25,000 polls a second


def go(*, tuned: bool = False) -> Contestant:
    """The baseline, or the tuned one; both have a closed loop."""
    flags = ("-tuned",) if tuned else ()

    def make(scene: Scene, _: Path) -> Process:
        closed = () if scene.interval else ("-closed", str(_GOROUTINES))
        interval = scene.interval or 1.0
        return go_parts.loop(
            scene.parts, scene.cores, scene.targets, interval, *flags, *closed, compress=scene.compress
        )

    return Contestant(TUNED if tuned else GO, make)


def floor() -> Contestant:
    """The loop in C."""

    def make(scene: Scene, _: Path) -> Process:
        return go_parts.floor(scene.parts, scene.cores, scene.targets, scene.interval)

    return Contestant(FLOOR, make, is_delivering=False)


def ours(source: Path = SOURCE, *, disk: bool = False, name: str = "") -> Contestant:
    """expvastic; where a closed loop is wanted, it is asked for more than one core can do."""

    def make(scene: Scene, folder: Path) -> Process:
        return expvastic(
            folder,
            source,
            scene.cores,
            scene.targets,
            scene.interval or _BUSIEST,
            compress=scene.compress,
            state=folder / "state" if disk else None,
            socket=folder / _SOCKET,
            uvloop=scene.uvloop,
        )

    return Contestant(name or (DISK if disk else MEMORY), make, socket=_SOCKET)


def given_peers(telegraf: Path | None, collector: Path | None) -> Iterator[Contestant]:
    """Those whose binaries there are. Their polls are counted at the targets: a poll is not always one document."""
    if telegraf:
        yield Contestant(TELEGRAF, lambda scene, folder: peers.telegraf(telegraf, scene, folder), is_delivering=False)
    if collector:
        yield Contestant(
            COLLECTOR, lambda scene, folder: peers.collector(collector, scene, folder), is_delivering=False
        )
