"""From a Reading to Containers: what a page means, for one reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from .datatypes import Container, Kind, ListOf, Page, Reading, Scalar, weigh
from .document import DocumentEncoder, Identity
from .pages.classic import PREFIX as CLASSIC_PREFIX
from .pages.columns import PageColumns
from .pages.decode import decode
from .pages.flatten import Limits
from .pages.golang import GC_NAMES, Life, Observation, Pause, Runtime, event_id
from .pages.knowledge import Knowledge
from .pages.knowledge import decode as decode_knowledge
from .pages.knowledge import encode as encode_knowledge
from .pages.mapping import MappingSettings
from .pages.memstats import is_counter
from .pages.names import SHELTER, is_reserved
from .pages.rates import Rates
from .pages.shapes import Columns
from .pages.shaping import Shaping, ShapingSettings
from .pages.strict import Content, StrictDecoder
from .settings import Words

_FIELDS_COUNTED = 1_000  # left-out values are counted by name up to here, the rest together
_FIELDS_TOLD = 50
_SHAPES_KEPT = 16
_STREAMS_KEPT = 1_000
_COLUMNS_KEPT = 256  # of kinds, counted by column; above it by kind
_LABELLED = 50
_OTHER = "_other"

_About = tuple[str, tuple[tuple[str, str], ...]]  # dataset and labels of a page
News = tuple[str, dict[str, object]]  # an event and its fields, for the log


def _usable_prefix(prefix: str | None) -> str | None:
    if prefix and is_reserved(prefix):
        raise ValueError(f"{prefix!r} has a meaning of its own in documents; take another, such as 'expvar' or 'app'")
    return prefix


class InterpreterSettings(ShapingSettings):
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
    limits: Limits = Limits.unsaid()
    """How much of a page is shipped."""
    go_runtime: bool | None = None
    """Whether `memstats` are those of Go's runtime: then garbage collections are shipped once each, and restarts of
    the target are seen. Unless given true for `expvar`, false for others."""
    gc_events: bool = False
    """Also ship one document per garbage collection, at the time of its end."""
    gc_history: bool = False
    """With the first page of a target also ship the collections that it still remembers, up to 256."""
    by_size: bool = False
    """Also ship the objects that were allocated and freed since the last poll, per class of size (`BySize`)."""
    rates: Words = ()
    """Names of counters, dotted or their last part alone, whose growth per second is shipped beside them as
    `NAME_per_second`; the one word `counters` means all that Go's runtime has."""
    map_file: str | None = None
    """A file that says what names mean, with the keys of `mapping`; it goes before `mapping`, name by name."""


class Interpreter:
    """One reader's memory of its pages, and what it makes of the next.

    If it is ``lean``, pages whose shape is known go a short way; they become the same.
    """

    def __init__(
        self,
        settings: InterpreterSettings,
        identity: Identity,
        *,
        reader: str,
        target: str,
        prefix: str,
        interval: float,
        go_runtime: bool = False,
        map_file: MappingSettings | None = None,
        lean: bool = True,
    ) -> None:
        prefix = CLASSIC_PREFIX if settings.mapping == "classic" and settings.prefix is None else prefix
        service = settings.type_name or reader
        self._settings = settings
        self._identity = identity
        self._reader = reader
        self._target = target
        self._interval = int(interval * 1e6)
        self._prefix = f"{prefix}." if prefix else ""
        limits = _before_dimensions(settings)
        self._shaping = Shaping(settings, map_file, self._prefix, self._leave_out, settings.limits.keys)
        self._documents = DocumentEncoder(identity, service=service, target=target, tags=settings.tags)
        is_go = go_runtime if settings.go_runtime is None else settings.go_runtime
        self._runtime = Runtime(ship_history=settings.gc_history, by_size=settings.by_size) if is_go else None
        self._decoder = StrictDecoder(limits.string, with_rings=is_go, with_sizes=settings.by_size) if lean else None
        gc_names = tuple(self._prefix + name for name in GC_NAMES) if is_go else ()
        self._columns = PageColumns(prefix, limits, self._leave_out, gc_names=gc_names, cmdline=settings.cmdline)
        self._is_plain = not (self._shaping or settings.rates or settings.cmdline)
        self._rates: dict[_About, Rates] = {}
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._last_time = 0
        self._news: list[News] = []
        self.clock_steps = 0
        self.restarts = 0
        self.containers = 0
        self.left_out: Counter[tuple[str, str]] = Counter()  # (name, reason)
        self._kinds: Counter[bytes] = Counter()  # by the column of a container

    @property
    def kinds(self) -> Counter[Kind]:
        """How many values there were of each kind."""
        counted: Counter[Kind] = Counter()
        for column, times in self._kinds.items():
            for kind in set(column):
                counted[Kind(kind)] += times * column.count(kind)
        return counted

    def interpret(self, reading: Reading) -> list[Container]:
        """The containers of a reading, the poll's own documents first.

        Raises InvalidPayload if a page is none; then nothing of the reading counts.
        """
        pages = [(page, self._decode(page.body)) for page in reading.pages]
        time, stepped = self._stamp(reading.time // 1000)
        made: list[Container] = []
        events: list[Container] = []
        for page, content in pages:
            content.page, seen = self._runtime.read(content.page) if self._runtime else (content.page, None)
            action = self._judge(seen, stepped)
            if seen and seen.has_no_goal:
                self._leave_out(self._prefix + "memstats.NextGC", "no_next_gc")
            about = (page.dataset, tuple(page.labels.items()))
            if seen and self._settings.gc_events:
                events += [self._event(page, pause) for pause in seen.pauses]
            columns = self._columns.take(content)
            if columns and self._is_plain:
                made.append(self._contain_columns(page, columns, time=time, duration=reading.duration, action=action))
                continue
            values, kinds = self._columns.flatten(content, columns)
            if self._settings.rates:
                rates = self._rates_of(about).derive(values, reading.time, is_continuous=not action)
                values.update(rates)
                kinds.update(dict.fromkeys(rates, Kind.FLOAT))
            for row in self._shaping.shape(about, values, kinds, time, is_continuous=not action):
                labelled = Page({}, page.dataset, {**page.labels, **row.labels}) if row.labels else page
                document = self._documents.encode(
                    labelled, row.values, time=time, duration=reading.duration, action=action
                )
                made.append(self._contain(self._identity.next_id(time), time, document, row.values, row.kinds))
        return made + events

    def knowledge(self) -> bytes:
        """What an interpreter of the same target needs to go on after the last reading, in another process."""
        runtime = self._runtime.knowledge if self._runtime else None
        return encode_knowledge(Knowledge(1, self._target, self._last_time, runtime))

    def restore(self, knowledge: bytes) -> None:
        """Go on where another interpreter ended: the next reading follows its last one, however long ago that was.

        Knowledge of another target is none of this one; what cannot be used is told in the news.
        """
        known = decode_knowledge(knowledge) if knowledge else None
        if knowledge and known is None:
            self._news.append(("knowledge of the time before is unusable", {}))
        elif known is not None and known.target == self._target:
            self._last_time = known.last_time
            if self._runtime and known.runtime:
                self._runtime.restore(known.runtime)

    def take_news(self) -> list[News]:
        """What an operator should hear of: a restart each time, a kind of value left out once, and few of them."""
        news, self._news = self._news, []
        return news

    def _stamp(self, time: int) -> tuple[int, bool]:
        """A time later than all before; a long step back of the clock is believed, and told."""
        stepped = time <= self._last_time and self._last_time - time >= self._interval
        if stepped:
            self.clock_steps += 1
        elif time <= self._last_time:
            time = self._last_time + 1
        self._last_time = time
        return time, stepped

    def _judge(self, seen: Observation | None, stepped: bool) -> str:
        """What happened to the target, in a word for its document; empty for nothing."""
        if seen and seen.life in (Life.RESTARTED, Life.UNKNOWN):
            self.restarts += 1
            told = {"life": seen.life.value, "pauses": len(seen.pauses), "lost": seen.lost}
            self._news.append(("target restarted", told))
            return seen.life.value
        return "clock-stepped-back" if stepped else ""

    def _decode(self, body: bytes | Mapping[str, object]) -> Content:
        if self._decoder is None:
            return Content(decode(body))
        return self._decoder.decode(body, self._runtime.rings if self._runtime else None)

    def _rates_of(self, key: _About) -> Rates:
        """The rates of the pages like this one: those of another dataset or other labels tell of something else."""
        if key not in self._rates:
            if len(self._rates) >= _STREAMS_KEPT:
                self._rates.clear()
            chosen = self._settings.rates
            self._rates[key] = Rates("counters" if chosen == ("counters",) else chosen, is_counter, prefix=self._prefix)
        return self._rates[key]

    def _event(self, page: Page, pause: Pause) -> Container:
        """One garbage collection, at the time of its pause's end; its id says no more than which one it is."""
        above = f"{self._prefix or SHELTER + '.'}gc."
        values = {above + "number": pause.number, above + "end_ns": pause.end, above + "pause_ns": pause.duration}
        time = pause.end // 1000
        about = Page({}, f"{page.dataset}.gc", page.labels)
        document = self._documents.encode(about, values, time=time, duration=pause.duration, action="gc")
        known = event_id(f"{self._identity.host} {self._target}", pause)
        return self._contain(known, time, document, values, dict.fromkeys(values, Kind.INTEGER))

    def _contain(
        self, known: str, time: int, document: bytes, values: Mapping[str, Scalar | ListOf], kinds: Mapping[str, Kind]
    ) -> Container:
        names = tuple(values)
        if names not in self._shapes and len(self._shapes) >= _SHAPES_KEPT:
            self._shapes.clear()
        column = bytes(kinds.values())
        self._count(column)
        return Container(
            id=known,
            time=time,
            reader=self._reader,
            document=document,
            names=self._shapes.setdefault(names, names),  # one tuple for all pages of the same names
            values=tuple(values.values()),
            kinds=column,
        )

    def _contain_columns(self, page: Page, columns: Columns, *, time: int, duration: int, action: str) -> Container:
        if self._shapes:
            self._shapes.clear()  # the names of the general way, and most of what one reader takes of memory
        names, values, kinds = columns.shape.names, columns.values, columns.kinds
        members = columns.shape.encode(values)
        document = self._documents.wrap(page, members, time=time, duration=duration, action=action)
        self._count(kinds)
        return Container(
            id=self._identity.next_id(time),
            time=time,
            reader=self._reader,
            document=document,
            names=names,
            values=tuple(values),
            kinds=kinds,
            weight=weigh(document, len(names), columns.weight),
        )

    def _count(self, column: bytes) -> None:
        self.containers += 1
        if column not in self._kinds and len(self._kinds) >= _COLUMNS_KEPT:
            self._kinds = Counter({bytes([kind]): count for kind, count in self.kinds.items()})
        self._kinds[column] += 1

    def _leave_out(self, name: str, reason: str) -> None:
        key = (name, reason)
        if key not in self.left_out:
            if len(self.left_out) >= _FIELDS_COUNTED:
                key = (_OTHER, reason)
            elif reason not in _EXPECTED and len(self.left_out) < _FIELDS_TOLD:
                self._news.append(("value left out", {"name": name, "reason": reason}))
        self.left_out[key] += 1


# Said of nearly every page of Go's; counted like the others, but nobody is told.
_EXPECTED = {"not_asked_for", "array_of_objects", "null", "empty_object", "empty_array", "no_next_gc"}


def _before_dimensions(settings: InterpreterSettings) -> Limits:
    """A map that becomes labels may have more keys than a document; what is left of a page then has the limit."""
    limits = settings.limits
    return limits.model_copy(update={"keys": limits.keys * _LABELLED}) if settings.dimension else limits
