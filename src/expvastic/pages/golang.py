"""What Go's runtime says about itself in an expvar page: pauses of the collector, and whether it is the same life.

Theory of operation: ``runtime.MemStats`` keeps its last 256 pauses in rings, the k-th (from 1) at place (k - 1) mod
256, and counts all in ``NumGC``. Between two polls of one life the pauses from the last ``NumGC`` seen up to the new
one are new. Whether it is one life is told by counters, which never fall in one; by the command line; and, for a
program that was restarted and has already overtaken its predecessor's counters, by the ring, which no longer holds
the pause end that was seen last. If more pauses than the ring holds lie between two polls, nothing can be told: it is
an unknown life, and all that the ring holds is new.

Nearly every page only goes on with the life of the page before. That is told by comparing texts (``go_on``); whatever
cannot be told so is looked at closely (``observe``).

Source: documentation of runtime.MemStats, https://pkg.go.dev/runtime#MemStats.
"""

from __future__ import annotations

import enum
import hashlib
import operator
from collections.abc import Mapping, Sequence

import msgspec

from .by_size import SizeClasses
from .cmdline import digest_of_text, digest_of_value
from .knowledge import RuntimeKnowledge
from .ring_print import Pauses, RingPrint, read_rings
from .rings import RING, Digest, Ring, digest_of

GC_NAMES = ("memstats.PauseNs", "memstats.PauseEnd")
_UNSIGNED = 2**64  # above all numbers of Go's
_NO_GOAL = 2**63  # with the collector switched off NextGC is 2^64 - 1, or a little less
_Ring = Sequence[int] | Ring
_Rings = tuple[_Ring, _Ring]
COUNTERS = ("NumGC", "TotalAlloc", "Mallocs", "Frees", "PauseTotalNs", "NumForcedGC")  # never fall in one life
Counters = tuple[int, int, int, int, int, int]
"""Their numbers, 0 for one that a page does not have."""

NO_PAUSES: Pauses = ([], [])


class Life(enum.StrEnum):
    """What a page says about the target's life, as compared with the page before."""

    FIRST = "first"
    SAME = "same"
    RESTARTED = "restarted"
    UNKNOWN = "unknown-life"


class Pause(msgspec.Struct, frozen=True, gc=False):
    """One collection: its number from 1 in its life, the end of its pause and its length, both in nanoseconds."""

    number: int
    end: int
    duration: int


class Observation(msgspec.Struct, frozen=True):
    """What is new in a page; ``pauses`` oldest first.

    ``lost`` pauses were overwritten, ``before`` preceded the first poll. ``has_no_goal`` says that the collector is
    switched off, and ``NextGC`` no number of bytes.
    """

    life: Life
    pauses: Sequence[Pause] = ()
    lost: int = 0
    before: int = 0
    has_no_goal: bool = False


_NOTHING_NEW = Observation(Life.SAME)


class Runtime:
    """What is known of one target's life; ``observe`` and ``go_on`` compare, and remember."""

    __slots__ = ("_cmdline", "_cmdline_text", "_counters", "_last_end", "_print", "_ship_history", "_sizes", "rings")

    def __init__(self, *, ship_history: bool = False, by_size: bool = False) -> None:
        self._ship_history = ship_history
        self._sizes = SizeClasses() if by_size else None
        self._counters: Counters | None = None
        self._cmdline = digest_of_value(None)
        self._cmdline_text = 0  # a hash of its text, if the last page was told by its text
        self._last_end = 0
        self._print: RingPrint | None = None
        self.rings: Digest | None = None
        """Those of the last page, if they are known by their text."""

    @property
    def collections(self) -> int:
        """How many there have been."""
        return self._counters[0] if self._counters else 0

    @property
    def knowledge(self) -> RuntimeKnowledge:
        """What a successor needs to go on as if it had seen all pages itself."""
        sizes = self._sizes.seen if self._sizes else {}
        counters = dict(zip(COUNTERS, self._counters, strict=True)) if self._counters else {}
        return RuntimeKnowledge(counters, self.collections, self._last_end, self._cmdline, sizes)

    def restore(self, knowledge: RuntimeKnowledge) -> None:
        """Go on where a predecessor ended."""
        self._counters = _counters(knowledge.counters) if knowledge.counters else None
        self._last_end = knowledge.last_end
        self._cmdline, self._print, self.rings = knowledge.cmdline, None, None
        if self._sizes:
            self._sizes.restore(knowledge.sizes)

    def go_on(self, counters: Counters, cmdline: bytes, rings: bytes, most: int) -> Pauses | None:
        """The new pauses of a page, by the texts of its command line and its rings; None if it must be observed.

        Then nothing of it is remembered. So it is if the life is not the same, if there are more pauses or arguments
        than ``most``, or if a text is not what it should be.
        """
        seen = self._counters
        if seen is None or any(map(operator.lt, counters, seen)):
            return None
        new = counters[0] - seen[0]
        known = self._print
        if known is not None and hash(cmdline) != self._cmdline_text:
            return None
        if known is not None and not new:
            if not known.holds(rings):
                return None
            self._counters = counters
            return NO_PAUSES
        if not 0 <= new < min(most + 1, RING):
            return None
        if known is not None and (found := known.advance(rings, new, counters[0])):
            pauses, self._print = found
            self._last_end = pauses[1][-1]
        else:
            read = self._read_on(counters[0], new, cmdline, rings, most)
            if read is None:
                return None
            pauses = read
        self._counters, self.rings = counters, None
        return pauses

    def _read_on(self, collections: int, new: int, cmdline: bytes, text: bytes, most: int) -> Pauses | None:
        """The same, with all that the texts hold."""
        if self._print is None and digest_of_text(cmdline, most) != self._cmdline:
            return None
        read = read_rings(text, collections)
        if read is None:
            return None
        durations, ends, known = read
        before = collections - new
        if before and ends[(before - 1) % RING] != self._last_end:
            return None
        self._cmdline_text, self._print = hash(cmdline), known
        if collections:
            self._last_end = ends[(collections - 1) % RING]
        places = [number % RING for number in range(before, collections)]
        return [durations[place] for place in places], [ends[place] for place in places]

    def read(self, page: Mapping[str, object]) -> tuple[Mapping[str, object], Observation | None]:
        """The page with the new pauses in the place of the rings, and what was seen; as it is if it is not Go's."""
        memstats = page.get("memstats")
        observation = self.observe(memstats, page.get("cmdline")) if isinstance(memstats, Mapping) else None
        if observation is None or not isinstance(memstats, Mapping):
            return page, None
        if type(goal := memstats.get("NextGC")) is int and goal >= _NO_GOAL:
            observation = msgspec.structs.replace(observation, has_no_goal=True)
        told = _rewritten(memstats, observation)
        if self._sizes and "BySize" in told:
            self._tell_sizes(self._sizes, told, observation.life)
        return {**page, "memstats": told}, observation

    def _tell_sizes(self, sizes: SizeClasses, told: dict[str, object], life: Life) -> None:
        if life in (Life.RESTARTED, Life.UNKNOWN):
            sizes.reset()
        news = sizes.derive(told["BySize"])
        if news is None:
            return  # not Go's
        del told["BySize"]
        if news:
            told["BySize"] = news

    def observe(self, memstats: Mapping[str, object], cmdline: object) -> Observation | None:
        """What a page's ``memstats`` says; None if it is not Go's."""
        rings = _rings(memstats)
        collections = memstats.get("NumGC")
        if rings is None or type(collections) is not int or not 0 <= collections < _UNSIGNED:
            return None
        counters = _counters(memstats)
        digest = digest_of_value(cmdline)
        known = _digest_of(rings)
        is_moved = known is None or known != self.rings or collections != self.collections
        life = self._compare(counters, digest, rings[1] if is_moved else None)
        observation = self._observation(life, collections, rings)
        self._counters, self.rings, self._cmdline = counters, known, digest
        self._print = None
        if is_moved:
            self._last_end = rings[1][(collections - 1) % RING] if collections else 0
        return observation

    def _compare(self, counters: Counters, cmdline: bytes, ends: _Ring | None) -> Life:
        seen = self._counters
        if seen is None:
            return Life.FIRST
        if cmdline != self._cmdline or any(map(operator.lt, counters, seen)):
            return Life.RESTARTED
        if counters[0] - seen[0] >= RING:
            return Life.UNKNOWN
        if ends and seen[0] and ends[(seen[0] - 1) % RING] != self._last_end:
            return Life.RESTARTED
        return Life.SAME

    def _observation(self, life: Life, collections: int, rings: _Rings) -> Observation:
        held = min(collections, RING)
        match life:
            case Life.SAME if collections == self.collections:
                return _NOTHING_NEW
            case Life.FIRST if not self._ship_history:
                return Observation(life, before=collections)
            case Life.FIRST:
                return Observation(life, _newest(held, collections, rings), before=collections - held)
            case Life.RESTARTED:
                return Observation(life, _newest(held, collections, rings), lost=collections - held)
            case Life.UNKNOWN:
                gap = collections - self.collections
                return Observation(life, _newest(held, collections, rings), lost=gap - held)
            case Life.SAME:
                return Observation(life, _newest(collections - self.collections, collections, rings))


def _counters(memstats: Mapping[str, object]) -> Counters:
    found = [memstats.get(name) for name in COUNTERS]
    return tuple(value if type(value) is int and 0 <= value < _UNSIGNED else 0 for value in found)  # type: ignore[return-value]


def _rewritten(memstats: Mapping[str, object], observation: Observation) -> dict[str, object]:
    told = {**memstats}
    del told["PauseNs"], told["PauseEnd"]
    if observation.pauses:
        told["PauseNs"] = [pause.duration for pause in observation.pauses]
        told["PauseEnd"] = [pause.end for pause in observation.pauses]
    if observation.lost:
        told["PausesLost"] = observation.lost
    if observation.before:
        told["PausesBefore"] = observation.before
    if observation.has_no_goal:
        del told["NextGC"]
    return told


def event_id(target: str, pause: Pause) -> str:
    """The id of a pause's document: the same whoever ships it, however often."""
    digest = hashlib.blake2b(f"{target} {pause.end} {pause.number}".encode(), digest_size=12).hexdigest()
    return f"{pause.end // 1_000_000:011x}-gc-{digest}"


def _rings(memstats: Mapping[str, object]) -> _Rings | None:
    """Durations and ends, if they are Go's rings."""
    durations, ends = memstats.get("PauseNs"), memstats.get("PauseEnd")
    if isinstance(durations, Ring) and isinstance(ends, Ring):
        return durations, ends
    for ring in (durations, ends):
        if not isinstance(ring, list) or len(ring) != RING or set(map(type, ring)) != {int}:
            return None
        if not 0 <= min(ring) <= max(ring) < _UNSIGNED:
            return None
    return durations, ends  # type: ignore[return-value]  # both were looked at


def _digest_of(rings: _Rings) -> Digest | None:
    durations, ends = rings
    return digest_of(durations.text, ends.text) if isinstance(durations, Ring) and isinstance(ends, Ring) else None


def _newest(count: int, collections: int, rings: _Rings) -> list[Pause]:
    durations, ends = rings
    numbers = range(collections - count + 1, collections + 1)
    return [Pause(number, ends[(number - 1) % RING], durations[(number - 1) % RING]) for number in numbers]
