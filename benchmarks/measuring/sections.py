"""What the whole benchmark measures: sections of contestants on one scene."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from . import contestants
from .window import Contestant, Scene

PARTS = ("paced", "closed", "many", "few", "idle", "start", "others")
_LOAD = ("µs CPU/poll", "% of a core", "helpers' %", "read/s", "delivered/s", "missed %", "lag p50 ms", "p99 ms")
PACED = (*_LOAD, "MB first", "MB", "bytes/doc", "1st poll ms", "1st ack ms")
CLOSED = (
    "µs CPU/poll",
    "polls/core-s",
    "% of a core",
    "helpers' %",
    "limit",
    "read/s",
    "delivered/s",
    "MB",
    "bytes/doc",
)
IDLE = ("% of a core", "wake-ups/s", "MB first", "MB", "1st poll ms", "1st ack ms")


@dataclass(frozen=True)
class Sizes:
    """How much of everything. Times in seconds."""

    targets: int = 1000
    many: int = 5000
    few: int = 100
    interval: float = 1.0
    seconds: float = 10.0
    warm_up: float = 5.0
    closed_seconds: float = 6.0
    closed_warm_up: float = 3.0
    idle_seconds: float = 20.0
    long_interval: float = 10.0
    starts: int = 7


QUICK = Sizes(
    targets=10,
    many=20,
    few=5,
    interval=0.1,
    seconds=0.5,
    warm_up=0.2,
    closed_seconds=0.5,
    closed_warm_up=0.2,
    idle_seconds=0.5,
    long_interval=0.5,
    starts=1,
)


@dataclass(frozen=True)
class Section:
    """One table. ``is_brief`` is measured in the first round only: its numbers do not move from round to round."""

    key: str
    title: str
    scene: Scene
    contestants: Sequence[Contestant]
    columns: Sequence[str]
    is_brief: bool = False


def sections(sizes: Sizes, scene: Scene, *, extras: Sequence[Contestant], peers: Sequence[Contestant]) -> list[Section]:
    """All of them; ``extras`` are beside the baseline where CPU is compared, ``peers`` in the first table only."""
    scene = replace(scene, targets=sizes.targets, interval=sizes.interval)
    return [
        *_paced(sizes, scene, extras, peers),
        *_closed(sizes, scene, extras),
        *_counts(sizes, scene),
        *_idle(sizes, scene),
    ]


def _paced(sizes: Sizes, scene: Scene, extras: Sequence[Contestant], peers: Iterable[Contestant]) -> Iterator[Section]:
    ours = (contestants.ours(), contestants.ours(disk=True))
    for page in ("10k", "28k"):
        title = f"Paced: {_plural(scene.targets)} every {scene.interval:g} s, page of {page[:2]} KB"
        here = replace(scene, page=page, seconds=sizes.seconds, warm_up=sizes.warm_up)
        who = (contestants.go(), *ours, *extras, *(peers if page == "10k" else ()))
        yield Section(f"paced-{page}", title, here, who, PACED)


def _closed(sizes: Sizes, scene: Scene, extras: Sequence[Contestant]) -> Iterator[Section]:
    for page in ("10k", "28k"):
        title = f"Closed loop: {_plural(scene.targets)} as fast as one core can, page of {page[:2]} KB"
        here = replace(scene, page=page, interval=0.0, seconds=sizes.closed_seconds, warm_up=sizes.closed_warm_up)
        yield Section(f"closed-{page}", title, here, (contestants.go(), contestants.ours(), *extras), CLOSED)


def _counts(sizes: Sizes, scene: Scene) -> Iterator[Section]:
    both = (contestants.go(), contestants.ours())
    here = replace(scene, targets=sizes.many, seconds=sizes.seconds, warm_up=sizes.warm_up)
    yield Section("many", f"Many: {_plural(sizes.many)} every {sizes.interval:g} s", here, both, PACED)
    here = replace(scene, targets=sizes.few, seconds=sizes.closed_seconds, warm_up=sizes.closed_warm_up)
    yield Section("few", f"Few: {_plural(sizes.few)} every {sizes.interval:g} s", here, both, PACED, is_brief=True)


def _idle(sizes: Sizes, scene: Scene) -> Iterator[Section]:
    both = (contestants.go(), contestants.ours(), contestants.ours(disk=True))
    for key, interval, times in (("idle-1", sizes.interval, 1), ("idle-10", sizes.long_interval, 2)):
        here = replace(
            scene, targets=1, interval=interval, seconds=times * sizes.idle_seconds, warm_up=sizes.closed_warm_up
        )
        yield Section(key, f"Idle: one target every {interval:g} s", here, both, IDLE, is_brief=True)


def _plural(count: int) -> str:
    return f"{count:,} target{'s' if count != 1 else ''}"
