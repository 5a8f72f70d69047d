"""From a Reading to Containers: what a page means, for one reader. Loaded when the first page has come."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence

from .datatypes import Container, Kind, Page, Reading
from .document import DocumentEncoder, Identity
from .pages.classic import PREFIX as CLASSIC_PREFIX
from .pages.columns import PageColumns
from .pages.decode import decode
from .pages.dimensions import Row
from .pages.flatten import Limits
from .pages.golang import GC_NAMES, Life, Observation, Pause, Runtime, event_id
from .pages.knowledge import Knowledge
from .pages.knowledge import decode as decode_knowledge
from .pages.knowledge import encode as encode_knowledge
from .pages.known_moulds import KnownMoulds, Taken
from .pages.mapping import MappingSettings
from .pages.memstats import is_counter
from .pages.moulding import Rules
from .pages.names import SHELTER
from .pages.rates import Rates
from .pages.settings import InterpreterSettings
from .pages.shaping import Shaping
from .pages.strict import Content, StrictDecoder
from .pages.tally import News, Tally

_STREAMS_KEPT = 1_000
_LABELLED = 50
_STEPPED = "clock-stepped-back"

_About = tuple[str, tuple[tuple[str, str], ...]]  # dataset and labels of a page


class Interpreter:
    """One reader's memory of its pages, and what it makes of the next.

    If it is ``lean``, pages whose shape is known go a short way; they become the same.
    """

    __slots__ = (
        *("_settings", "_identity", "_reader", "_target", "_interval", "_prefix", "_tally", "_shaping", "_documents"),
        *("_runtime", "_decoder", "_moulds", "_columns", "_rates", "_last_time", "clock_steps", "restarts"),
    )

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
        self._tally = Tally()
        limits = _before_dimensions(settings)
        leave_out = self._tally.leave_out
        shaping = Shaping(settings, map_file, self._prefix, leave_out, settings.limits.keys)
        self._shaping = shaping if shaping else None  # of most readers, and then it would take much memory
        self._documents = DocumentEncoder(identity, service=service, target=target, tags=settings.tags)
        is_go = go_runtime if settings.go_runtime is None else settings.go_runtime
        self._runtime = Runtime(ship_history=settings.gc_history, by_size=settings.by_size) if is_go else None
        self._decoder = StrictDecoder(limits.string, with_rings=is_go, with_sizes=settings.by_size) if lean else None
        rules = _rules(prefix, (limits.keys, limits.depth, limits.string, limits.list), is_go, settings.cmdline)
        is_plain = not (self._shaping or settings.rates or settings.cmdline or settings.by_size)
        self._moulds = KnownMoulds(rules, self._runtime) if lean and is_plain else None
        self._columns = PageColumns(rules, limits, leave_out, self._moulds)
        self._rates: dict[_About, Rates] = {}
        self._last_time = 0
        self.clock_steps = 0
        self.restarts = 0

    @property
    def containers(self) -> int:
        """How many were made."""
        return self._tally.containers

    @property
    def kinds(self) -> Counter[Kind]:
        """How many values there were of each kind."""
        return self._tally.kinds

    @property
    def left_out(self) -> Counter[tuple[str, str]]:
        """How many values were left out, by name and reason."""
        return self._tally.left_out

    def interpret(self, reading: Reading) -> list[Container]:
        """The containers of a reading, the poll's own documents first.

        Raises InvalidPayload if a page is none; then nothing of the reading counts.
        """
        pages = reading.pages
        if self._moulds and len(pages) == 1 and type(body := pages[0].body) is bytes:
            taken = self._moulds.take(body)
            if taken is not None:
                return self._contain_taken(reading, pages[0], taken)
        decoded = [(page, self._decode(page.body)) for page in pages]
        time, stepped = self._stamp(reading.time // 1000)
        made: list[Container] = []
        events: list[Container] = []
        for page, content in decoded:
            content.page, seen = self._runtime.read(content.page) if self._runtime else (content.page, None)
            action = self._judge(seen, stepped)
            if seen and seen.has_no_goal:
                self._tally.leave_out(self._prefix + "memstats.NextGC", "no_next_gc")
            if seen and self._settings.gc_events:
                events += [self._event(page, pause) for pause in seen.pauses]
            for row in self._rows(page, content, reading.time, time, is_continuous=not action):
                labelled = Page({}, page.dataset, {**page.labels, **row.labels}) if row.labels else page
                document = self._documents.encode(
                    labelled, row.values, time=time, duration=reading.duration, action=action
                )
                made.append(self._contain(self._identity.next_id(time), time, document, row.kinds))
        return made + events

    def _contain_taken(self, reading: Reading, page: Page, taken: Taken) -> list[Container]:
        """The containers of a page that went the shortest way."""
        members, form, pauses = taken
        time, stepped = self._stamp(reading.time // 1000)
        action = _STEPPED if stepped else ""
        document = self._documents.wrap(page, members, time=time, duration=reading.duration, action=action)
        self._tally.count(form)
        made = [Container(self._identity.next_id(time), time, self._reader, document, form.kinds)]
        if self._runtime and self._settings.gc_events:
            first = self._runtime.collections - len(pauses[0]) + 1
            made += [
                self._event(page, Pause(number, end, duration))
                for number, (duration, end) in enumerate(zip(*pauses, strict=True), first)
            ]
        return made

    def _rows(self, page: Page, content: Content, read: int, time: int, *, is_continuous: bool) -> Sequence[Row]:
        """What is shipped of a page, read at a time (nanoseconds) and stamped with another (microseconds)."""
        columns = self._columns.take(content)
        values, kinds = self._columns.flatten(content, columns)
        about = (page.dataset, tuple(page.labels.items()))
        if self._settings.rates:
            rates = self._rates_of(about).derive(values, read, is_continuous=is_continuous)
            values.update(rates)
            kinds.update(dict.fromkeys(rates, Kind.FLOAT))
        if self._shaping is None:
            return [Row({}, values, kinds)] if values else []
        return self._shaping.shape(about, values, kinds, time, is_continuous=is_continuous)

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
            self._tally.news.append(("knowledge of the time before is unusable", {}))
        elif known is not None and known.target == self._target:
            self._last_time = known.last_time
            if self._runtime and known.runtime:
                self._runtime.restore(known.runtime)

    def take_news(self) -> list[News]:
        """What an operator should hear of: a restart each time, a kind of value left out once, and few of them."""
        news = self._tally.news
        if news:
            self._tally.news = []
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
            self._tally.news.append(("target restarted", told))
            return seen.life.value
        return _STEPPED if stepped else ""

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
        return self._contain(known, time, document, dict.fromkeys(values, Kind.INTEGER))

    def _contain(self, known: str, time: int, document: bytes, kinds: Mapping[str, Kind]) -> Container:
        column = bytes(kinds.values())
        self._tally.count_column(column)
        return Container(known, time, self._reader, document, column)


@functools.lru_cache(maxsize=256)
def _rules(prefix: str, limits: tuple[int, int, int, int], is_go: bool, cmdline: bool) -> Rules:
    """One for all readers whose settings say the same."""
    gc_names = tuple(f"{prefix}.{name}" if prefix else name for name in GC_NAMES) if is_go else ()
    return Rules(prefix, limits, gc_names, cmdline)


def _before_dimensions(settings: InterpreterSettings) -> Limits:
    """A map that becomes labels may have more keys than a document; what is left of a page then has the limit."""
    limits = settings.limits
    return limits.model_copy(update={"keys": limits.keys * _LABELLED}) if settings.dimension else limits
