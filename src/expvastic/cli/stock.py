"""What a state directory holds, seen beside the process that works with it: nothing is locked, nothing is written."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..assembly import routed_recorders
from ..buffers.disk import Stock, inspect, read_waiting
from ..config import Config
from ..datatypes import Container
from ..errors import StateError
from ..logs import visible
from ..outcomes.quarantine import Quarantine, Quarantined
from ..recorders import RECORDERS
from ..recorders.console.pretty import harmless_json
from ..state import Mark, Peek
from .choice import telling_of
from .flags import say
from .tables import columns, spell_bytes, spell_time

_HEAD = ("RECORDER", "WAITING", "SIZE", "OLDEST", "NEWEST", "REFUSED", "DESTINATION", "")
_UNKNOWN = "?"
_QUARANTINE_HEAD = ("REFUSED AT", "REASON", "FIELD", "READER", "ID", "DETAIL")


class _Holding(NamedTuple):
    """One recorder's part of a state directory. ``stock`` is a text where it cannot be looked at."""

    mark: Mark
    stock: Stock | str | None
    refused: int

    @property
    def waiting(self) -> int:
        return self.stock.waiting if isinstance(self.stock, Stock) else 0


def list_recorders(config: Config, seen: Peek) -> None:
    """A line for each recorder that ever was there, with what the user has to settle."""
    holdings = [_look(mark, folder) for mark, folder in seen.marks.items()]
    if not holdings:
        say(visible(f"{seen.path} holds nothing of any recorder"))
        return
    for line in columns(_HEAD, [_row(holding, config) for holding in holdings]):
        say(line)


def count_waiting(folder: Path) -> int:
    """How many documents wait in a buffer's folder; none where there is no buffer yet. Raises StateError."""
    with telling_of(folder):
        has_files = folder.is_dir() and any(path.name != "lock" for path in folder.iterdir())
    return inspect(folder).waiting if has_files else 0


def show_waiting(folder: Path, *, count: int, as_json: bool) -> None:
    """The oldest documents that wait."""
    waiting = read_waiting(folder / "buffer") if (folder / "buffer").is_dir() else iter(())
    shown = 0
    for container in itertools.islice(waiting, count):
        say(_as_line(container) if as_json else _as_text(container))
        shown += 1
    _say_rest(shown, waiting, as_json=as_json)


def show_quarantine(folder: Path, *, count: int, as_json: bool) -> None:
    """The oldest documents that were refused, and why."""
    entries = _quarantined(folder / "quarantine")
    shown = itertools.islice(entries, count)
    if as_json:
        for entry in shown:
            say(_for_terminal(_encode_entry(entry)))
        return
    rows = [_quarantine_row(entry) for entry in shown]
    for line in columns(_QUARANTINE_HEAD, rows) if rows else ():
        say(line)
    _say_rest(len(rows), entries, as_json=False)


def _quarantined(folder: Path) -> Iterator[Quarantined]:
    with telling_of(folder):
        yield from Quarantine(folder).entries()


def _look(mark: Mark, folder: Path) -> _Holding:
    quarantine = Quarantine(folder / "quarantine")
    with telling_of(folder):
        quarantine.look()
    stock: Stock | str | None = None
    if (folder / "buffer").is_dir():
        try:
            stock = inspect(folder / "buffer")
        except StateError as error:
            stock = str(error)
    return _Holding(mark, stock, quarantine.count)


def _row(holding: _Holding, config: Config) -> tuple[str, ...]:
    mark, stock = holding.mark, holding.stock
    destinations = _destinations(config)
    destination = mark.destination or destinations.get(mark.name, "")
    if isinstance(stock, str):
        return mark.name, _UNKNOWN, _UNKNOWN, "", "", str(holding.refused), destination, stock
    size, oldest, newest = "", "", ""
    if stock is not None:
        # What was adopted is older than what stands before it.
        times = sorted((stock.oldest, stock.newest)) if stock.waiting else ()
        oldest, newest = (spell_time(time / 1e6) for time in times) if times else ("", "")
        size = spell_bytes(stock.bytes)
    return (
        *(mark.name, str(holding.waiting), size, oldest, newest, str(holding.refused), destination),
        _remark(holding, config, destinations),
    )


def _destinations(config: Config) -> dict[str, str]:
    return {name: RECORDERS[plan.type](plan.plugin).destination for name, plan in config.recorders.items()}


def _remark(holding: _Holding, config: Config, destinations: dict[str, str]) -> str:
    """What the user has to settle, if anything."""
    name, before = holding.mark.name, holding.mark.destination
    if not holding.waiting:
        return ""
    now = destinations.get(name)
    if now is None:
        heirs = [heir for heir in routed_recorders(config) if destinations[heir] == before]
        way = f"buffer adopt {heirs[0]} --from {name}" if heirs else f"buffer adopt RECORDER --from {name}"
        return f"waits for you: not configured any more; `{way}` or `buffer discard {name}`"
    if name not in routed_recorders(config):
        return f"waits for you: no route leads to it; give it one, or `buffer discard {name}`"
    if config.recorders[name].delivery.buffer.type == "memory":
        return f"waits for you: its buffer is in memory now; set it to `type: disk`, or `buffer discard {name}`"
    if before and now != before:
        return f"waits for you: {now} is configured; `buffer adopt {name}` or `buffer discard {name}`"
    return ""


def _quarantine_row(entry: Quarantined) -> tuple[str, ...]:
    return spell_time(entry.at), entry.reason, entry.field, entry.reader, entry.id, entry.detail


def _as_text(container: Container) -> str:
    head = f"{spell_time(container.time / 1e6)}  {container.reader}  {container.id}  "
    return visible(head) + harmless_json(container.document).decode(errors="backslashreplace")


def _as_line(container: Container) -> str:
    return _for_terminal(b'{"_id":%b,%b' % (msgspec.json.encode(container.id), container.document[1:]))


def _encode_entry(entry: Quarantined) -> bytes:
    told = {name: getattr(entry, name) for name in Quarantined.__slots__}
    return msgspec.json.encode(told | {"document": msgspec.Raw(entry.document)})


def _for_terminal(line: bytes) -> str:
    return (harmless_json(line) if sys.stdout.isatty() else line).decode(errors="backslashreplace")


def _say_rest(shown: int, rest: Iterable[object] | Iterator[object], *, as_json: bool) -> None:
    if as_json:
        return
    left = sum(1 for _ in rest)
    if not shown:
        say("nothing")
    elif left:
        say(f"and {left} more; --count 0 shows all")
