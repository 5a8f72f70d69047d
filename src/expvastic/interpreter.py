"""From a Reading to Containers: what a page means, for one reader."""

from __future__ import annotations

import itertools
import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import AfterValidator

from .datatypes import NO_LABELS, Container, Kind, Page, Reading
from .pages.cmdline import mask
from .pages.decode import decode
from .pages.flatten import Flattener
from .pages.names import SHELTER, is_reserved
from .settings import SettingsModel

_encode = msgspec.json.Encoder().encode
_FIELDS_COUNTED = 1_000  # left-out values are counted by name up to here, the rest together
_OTHER = "_other"
_T = TypeVar("_T")
_VARIANTS_KEPT = 4_096  # encoded metadata, one per set of labels


def _usable_prefix(prefix: str | None) -> str | None:
    if prefix and is_reserved(prefix):
        raise ValueError(f"{prefix!r} has a meaning of its own in documents; take another, such as 'expvar' or 'app'")
    return prefix


class InterpreterSettings(SettingsModel):
    """How a reader's pages become documents."""

    type_name: str = ""
    """The service's name in the documents (`service.name`); the reader's own name unless given."""
    prefix: Annotated[str | None, AfterValidator(_usable_prefix)] = None
    """Put before every name of a page. Unless given `expvar` for `expvar` and `self`, `json` for `http`. With an empty
    prefix names stand at the top level, and those that ECS reserves are moved below `expvar.`"""
    tags: dict[str, str] = {}  # noqa: RUF012  # pydantic copies defaults
    """Fixed labels for every document, as `labels.NAME`."""
    cmdline: bool = False
    """Ship the target's command line, with what looks like a secret masked."""
    map_file: str | None = None
    """A map file with units for memory and GC values."""


class Identity:
    """This process, as every document names it; and the source of ids, each given out once.

    An id sorts by time, and holds the agent id, a number drawn at each start and a counter: two processes with the
    same file and the same clock never give out the same one.
    """

    def __init__(self, agent_id: str, host: str, version: str) -> None:
        self.agent_id = agent_id
        self.host = host
        self.version = version
        self._start = f"{agent_id}-{secrets.token_hex(4)}"
        self._numbers = itertools.count()

    def next_id(self, time: int) -> str:
        """A new id for a container of that time (microseconds)."""
        return f"{time // 1000:011x}-{self._start}-{next(self._numbers):x}"


class Interpreter:
    """One reader's memory of its pages, and what it makes of the next."""

    def __init__(
        self,
        settings: InterpreterSettings,
        identity: Identity,
        *,
        reader: str,
        target: str,
        prefix: str,
        interval: float,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._reader = reader
        self._target = target
        self._interval = int(interval * 1e6)
        self._at_top = not prefix
        self._cmdline_name = f"{prefix}.cmdline" if prefix else "cmdline"
        self._flattener = Flattener(prefix, self._leave_out)
        self._names: tuple[str, ...] = ()
        self._variants: dict[tuple[str, tuple[tuple[str, str], ...]], bytes] = {}
        self._last_time = 0
        self.clock_steps = 0
        self.containers = 0
        self.left_out: Counter[tuple[str, str]] = Counter()  # (name, reason)
        self.kinds: Counter[Kind] = Counter()

    def interpret(self, reading: Reading) -> list[Container]:
        """The containers of a reading, the poll's own document first.

        Raises InvalidPayload if a page is none; then nothing of the reading counts.
        """
        pages = [(page, decode(page.body)) for page in reading.pages]
        time, stepped = self._stamp(reading.time // 1000)
        made = [self._container(page, content, time, reading.duration, stepped) for page, content in pages]
        return [container for container in made if container is not None]

    def _stamp(self, time: int) -> tuple[int, bool]:
        """A time later than all before; a long step back of the clock is believed, and told."""
        stepped = time <= self._last_time and self._last_time - time >= self._interval
        if stepped:
            self.clock_steps += 1
        elif time <= self._last_time:
            time = self._last_time + 1
        self._last_time = time
        return time, stepped

    def _container(
        self, page: Page, content: Mapping[str, object], time: int, duration: int, stepped: bool
    ) -> Container | None:
        values, kinds = self._flattener.flatten(content)
        if self._cmdline_name in values:
            self._treat_cmdline(values, kinds)
        if self._at_top and any(map(is_reserved, values)):
            values, kinds = _sheltered(values), _sheltered(kinds)
        if not values:
            return None
        names = tuple(values)
        if names != self._names:
            self._names = names
        column = bytes(kinds.values())
        for kind in set(column):
            self.kinds[Kind(kind)] += column.count(kind)
        self.containers += 1
        return Container(
            id=self._identity.next_id(time),
            time=time,
            reader=self._reader,
            document=self._document(page, values, time, duration, stepped),
            names=self._names,  # one tuple for all pages of the same names
            values=tuple(values.values()),
            kinds=column,
        )

    def _document(self, page: Page, values: dict[str, Any], time: int, duration: int, stepped: bool) -> bytes:
        action = b'"event.action":"clock-stepped-back",' if stepped else b""
        head = b'{"@timestamp":"%b","event.duration":%d,%b' % (timestamp(time).encode(), duration, action)
        return head + self._metadata(page) + _encode(values)[1:]

    def _metadata(self, page: Page) -> bytes:
        """The fields that are the same in every document of a page like this, encoded, with a comma behind."""
        labels = {**self._settings.tags, **page.labels} if page.labels is not NO_LABELS else self._settings.tags
        key = (page.dataset, tuple(labels.items()))
        encoded = self._variants.get(key)
        if encoded is None:
            encoded = _encode(self._fields(page.dataset, labels))[1:-1] + b","
            if len(self._variants) >= _VARIANTS_KEPT:
                self._variants.clear()
            self._variants[key] = encoded
        return encoded

    def _fields(self, dataset: str, labels: Mapping[str, str]) -> dict[str, str]:
        identity = self._identity
        fields = {"service.name": self._settings.type_name or self._reader, "service.address": self._target}
        fields |= {"host.name": identity.host, "agent.id": identity.agent_id, "agent.name": identity.host}
        fields |= {"agent.type": "expvastic", "agent.version": identity.version, "event.dataset": dataset}
        fields |= {f"labels.{name}": value for name, value in labels.items()}
        return {name: value for name, value in fields.items() if value}

    def _treat_cmdline(self, values: dict[str, Any], kinds: dict[str, Kind]) -> None:
        """Mask the target's command line, or leave it out unless it was asked for."""
        value = values[self._cmdline_name]
        if not self._settings.cmdline:
            del values[self._cmdline_name], kinds[self._cmdline_name]
            self._leave_out(self._cmdline_name, "not_asked_for")
        elif isinstance(value, list):
            values[self._cmdline_name] = mask([str(item) for item in value])
        else:
            values[self._cmdline_name] = " ".join(mask(str(value).split(" ")))

    def _leave_out(self, name: str, reason: str) -> None:
        key = (name, reason)
        if key not in self.left_out and len(self.left_out) >= _FIELDS_COUNTED:
            key = (_OTHER, reason)
        self.left_out[key] += 1


def timestamp(time: int) -> str:
    """Microseconds since the epoch as ISO 8601 in UTC, six decimals always."""
    return datetime.fromtimestamp(time // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time % 1_000_000:06d}Z"


def _sheltered(columns: dict[str, _T]) -> dict[str, _T]:
    return {f"{SHELTER}.{name}" if is_reserved(name) else name: value for name, value in columns.items()}
