"""``check --ledger``: what was recorded, minute by minute, beside what the destinations hold."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import anyio

from ..assembly import routed_recorders
from ..buffers.disk import read_ledger
from ..config import Config, RecorderPlan
from ..errors import ExpvasticError
from ..logs import visible
from ..outcomes.minutes import HOURS, Row
from ..recorder import Counted, Recorder
from ..recorders import RECORDERS
from ..state import Peek, peek
from .choice import state_path
from .flags import say

_MINUTES = HOURS * 60
_AHEAD = 60  # minutes; a target's clock is nobody's, but ours may step
_SHOWN = 20
_LIMIT = 300.0  # seconds for one destination


class Bounds(NamedTuple):
    """How many documents of a minute the destination must hold: exactly so many, unless some were under way."""

    least: int = 0
    most: int = 0

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


class Place(NamedTuple):
    """A destination, with the recorders that write there and the folders of their buffers."""

    recorder: Recorder[Any]
    names: list[str]
    folders: list[Path]


def compare_ledgers(config: Config) -> int:
    """Compare the last 24 hours, one destination after the other; 0 if they agree, 1 if not or if that is not known."""
    seen = peek(state_path(config))
    places = [*_places([config.recorders[name] for name in routed_recorders(config)], seen)]
    if not places:
        raise ExpvasticError(f"there is no ledger in {seen.path}: no recorder has a buffer on disk there yet")
    results = [anyio.run(_compare, place, seen.agent_id) for place in places]
    return 0 if all(results) else 1


def _places(plans: Sequence[RecorderPlan], seen: Peek) -> Iterator[Place]:
    """Each destination that something may have been recorded at, by a recorder under its former name, too."""
    found: dict[str, Place] = {}
    for plan in plans:
        recorder = RECORDERS[plan.type](plan.plugin)
        place = found.setdefault(recorder.destination, Place(recorder, [], []))
        _add(place, plan.name, seen.folder_of(plan.name))
    routed = {plan.name for plan in plans}
    for mark, folder in seen.marks.items():
        if mark.name not in routed and mark.destination in found:
            _add(found[mark.destination], mark.name, folder)
    yield from (place for place in found.values() if place.folders)


def _add(place: Place, name: str, folder: Path) -> None:
    if (folder / "buffer").is_dir():
        place.names.append(name)
        place.folders.append(folder / "buffer")


async def _compare(place: Place, agent_id: str) -> bool:
    """Print what differs; whether nothing does."""
    words = f"{'recorder' if len(place.names) == 1 else 'recorders'} {', '.join(place.names)}"
    if not isinstance(place.recorder, Counted):
        say(visible(f"{words}: not compared; {place.recorder.destination} cannot be asked what it holds"))
        return True
    now = int(time.time() // 60)
    since, until = now - _MINUTES + 1, now + _AHEAD
    try:
        before = _rows(place.folders)
        found = await _count(place.recorder, agent_id, since, until)
        bounds = _bounds(before, _rows(place.folders), since, until)
    except (ExpvasticError, TimeoutError) as error:
        say(visible(f"{words}: cannot be compared: {error or 'no answer in time'}"))
        return False
    return _tell(words, bounds, found)


async def _count(recorder: Recorder[Any], agent_id: str, since: int, until: int) -> Mapping[int, int]:
    with anyio.fail_after(_LIMIT):
        async with recorder:
            return await cast("Counted", recorder).count_by_minute(agent_id, since, until)


def _rows(folders: Sequence[Path]) -> dict[int, list[Row]]:
    """The rows of each minute, one for each ledger that has one."""
    rows: dict[int, list[Row]] = {}
    for folder in folders:
        for minute, row in read_ledger(folder, time.time).minutes.rows():
            rows.setdefault(minute, []).append(row)
    return rows


def _bounds(
    before: Mapping[int, Sequence[Row]], after: Mapping[int, Sequence[Row]], since: int, until: int
) -> dict[int, Bounds]:
    """What must be there: what was recorded before it was counted; besides perhaps what was offered until after it."""
    bounds = {}
    for minute in sorted({*before, *after}):
        if since <= minute < until:
            least = sum(map(_recorded, before.get(minute, ())))
            bounds[minute] = Bounds(least, max(least, sum(map(_possible, after.get(minute, ())))))
    return bounds


def _recorded(row: Row) -> int:
    return row.recorded - row.elsewhere


def _possible(row: Row) -> int:
    return row.offered - row.refused - row.shed - row.elsewhere


def _tell(words: str, bounds: Mapping[int, Bounds], found: Mapping[int, int]) -> bool:
    minutes = sorted({*bounds, *found})
    wrong = [minute for minute in minutes if _difference(bounds.get(minute, Bounds()), found.get(minute, 0))]
    documents = _count_of(sum(found.values()), "document")
    verdict = f"{_count_of(len(wrong), 'minute')} with a difference" if wrong else "no difference"
    say(visible(f"{words}: {_count_of(len(minutes), 'minute')} compared, {documents} found, {verdict}"))
    for minute in wrong[:_SHOWN]:
        expected, there = bounds.get(minute, Bounds()), found.get(minute, 0)
        moment = datetime.fromtimestamp(minute * 60, UTC)
        say(f"  {moment:%Y-%m-%d %H:%M}Z expected {expected}, found {there} ({_difference(expected, there):+d})")
    if len(wrong) > _SHOWN:
        say(f"  and {len(wrong) - _SHOWN} more")
    return not wrong


def _difference(expected: Bounds, found: int) -> int:
    """How far it is outside of the bounds."""
    return min(0, found - expected.least) + max(0, found - expected.most)


def _count_of(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
