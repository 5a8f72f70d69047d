"""What Go's runtime says about itself in an expvar page: pauses of the collector, and whether it is the same life.

Theory of operation: ``runtime.MemStats`` keeps its last 256 pauses in rings, the k-th (from 1) at place (k - 1) mod
256, and counts all in ``NumGC``. Between two polls of one life the pauses from the last ``NumGC`` seen up to the new
one are new. Whether it is one life is told by counters, which never fall in one; by the command line; and, for a
program that was restarted and has already overtaken its predecessor's counters, by the ring, which no longer holds
the pause end that was seen last. If more pauses than the ring holds lie between two polls, nothing can be told: it is
an unknown life, and all that the ring holds is new.

Source: documentation of runtime.MemStats, https://pkg.go.dev/runtime#MemStats.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .by_size import SizeClasses
from .knowledge import RuntimeKnowledge
from .rings import RING, Digest, Ring, digest_of

GC_NAMES = ("memstats.PauseNs", "memstats.PauseEnd")
_UNSIGNED = 2**64  # above all numbers of Go's
_NO_GOAL = 2**63  # with the collector switched off NextGC is 2^64 - 1, or a little less
_Ring = Sequence[int] | Ring
_Rings = tuple[_Ring, _Ring]
_COUNTERS = ("TotalAlloc", "Mallocs", "Frees", "PauseTotalNs", "NumGC", "NumForcedGC")  # never fall in one life
_NOT_SEEN = object()  # equal to no command line


class Life(enum.StrEnum):
    """What a page says about the target's life, as compared with the page before."""

    FIRST = "first"
    SAME = "same"
    RESTARTED = "restarted"
    UNKNOWN = "unknown-life"


@dataclass(frozen=True, slots=True)
class Pause:
    """One collection: its number from 1 in its life, the end of its pause and its length, both in nanoseconds."""

    number: int
    end: int
    duration: int


@dataclass(frozen=True, slots=True)
class Observation:
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
    """What is known of one target's life; ``observe`` compares, and remembers."""

    def __init__(self, *, ship_history: bool = False, by_size: bool = False) -> None:
        self._ship_history = ship_history
        self._sizes = SizeClasses() if by_size else None
        self._counters: dict[str, int] = {}
        self._cmdline: object = None  # of the last page, with its digest
        self._cmdline_digest = _digest(None)
        self._collections = 0
        self._last_end = 0
        self.rings: Digest | None = None
        """Those of the last page, if they are known by their text."""

    @property
    def knowledge(self) -> RuntimeKnowledge:
        """What a successor needs to go on as if it had seen all pages itself."""
        sizes = self._sizes.seen if self._sizes else {}
        return RuntimeKnowledge(self._counters, self._collections, self._last_end, self._cmdline_digest, sizes)

    def restore(self, knowledge: RuntimeKnowledge) -> None:
        """Go on where a predecessor ended."""
        self._counters = knowledge.counters
        self._collections, self._last_end = knowledge.collections, knowledge.last_end
        self._cmdline, self._cmdline_digest, self.rings = _NOT_SEEN, knowledge.cmdline, None
        if self._sizes:
            self._sizes.restore(knowledge.sizes)

    def read(self, page: Mapping[str, object]) -> tuple[Mapping[str, object], Observation | None]:
        """The page with the new pauses in the place of the rings, and what was seen; as it is if it is not Go's."""
        memstats = page.get("memstats")
        observation = self.observe(memstats, page.get("cmdline")) if isinstance(memstats, Mapping) else None
        if observation is None or not isinstance(memstats, Mapping):
            return page, None
        if type(goal := memstats.get("NextGC")) is int and goal >= _NO_GOAL:
            observation = replace(observation, has_no_goal=True)
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
        counters = {
            name: value for name in _COUNTERS if type(value := memstats.get(name)) is int and 0 <= value < _UNSIGNED
        }
        digest = self._cmdline_digest if cmdline == self._cmdline else _digest(cmdline)
        known = _digest_of(rings)
        is_moved = known is None or known != self.rings or collections != self._collections
        life = self._compare(counters, digest, collections, rings[1] if is_moved else None)
        observation = self._observation(life, collections, rings)
        self._counters, self._collections, self.rings = counters, collections, known
        self._cmdline, self._cmdline_digest = cmdline, digest
        if is_moved:
            self._last_end = rings[1][(collections - 1) % RING] if collections else 0
        return observation

    def _compare(self, counters: Mapping[str, int], cmdline: bytes, collections: int, ends: _Ring | None) -> Life:
        if not self._counters:
            return Life.FIRST
        if cmdline != self._cmdline_digest or any(
            counters.get(name, 0) < seen for name, seen in self._counters.items()
        ):
            return Life.RESTARTED
        if collections - self._collections >= RING:
            return Life.UNKNOWN
        if ends and self._collections and ends[(self._collections - 1) % RING] != self._last_end:
            return Life.RESTARTED
        return Life.SAME

    def _observation(self, life: Life, collections: int, rings: _Rings) -> Observation:
        held = min(collections, RING)
        match life:
            case Life.SAME if collections == self._collections:
                return _NOTHING_NEW
            case Life.FIRST if not self._ship_history:
                return Observation(life, before=collections)
            case Life.FIRST:
                return Observation(life, _newest(held, collections, rings), before=collections - held)
            case Life.RESTARTED:
                return Observation(life, _newest(held, collections, rings), lost=collections - held)
            case Life.UNKNOWN:
                gap = collections - self._collections
                return Observation(life, _newest(held, collections, rings), lost=gap - held)
            case Life.SAME:
                return Observation(life, _newest(collections - self._collections, collections, rings))


def _digest(cmdline: object) -> bytes:
    """What tells command lines apart without telling what is in them: there may be secrets."""
    return hashlib.blake2b(repr(cmdline).encode(), digest_size=16).digest()


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
