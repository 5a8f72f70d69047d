"""Whether what was served is what was recorded: page by page and pause by pause, by identity. Pure.

A page is its target and its serial. A page that was served and is not recorded must have been under way when a process
ended: it belongs to the nearest end, and each end may cost as many pages as its limit says. A pause is its target and
its number; every one between a target's first and last recorded page must have been shipped once, by whichever page.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .targets import Served

NEAR = 1.0  # seconds from the end of a process; what was lost farther away was not lost by it
SHOWN = 5  # violations of a kind that are told one by one


class Document(NamedTuple):
    """What counts of a recorded document."""

    id: str
    reader: str
    serial: int
    collections: int
    pauses: tuple[int, ...]  # their ends, oldest first

    @classmethod
    def of(cls, known: str, source: Mapping[str, Any]) -> Document:
        """From its id and its flat names."""
        pauses = source.get("expvar.memstats.PauseEnd", ())
        names = ("service.name", "expvar.serial", "expvar.memstats.NumGC")
        reader, serial, collections = (source[name] for name in names)
        return cls(known, reader, serial, collections, tuple(pauses) if isinstance(pauses, list | tuple) else (pauses,))


@dataclass(frozen=True, slots=True)
class End:
    """A process ended at ``time`` (nanoseconds since the epoch), which may have cost so many pages."""

    time: int
    limit: int


@dataclass(slots=True)
class Findings:
    """What was found; nothing is wrong if there are no ``violations``."""

    violations: list[str] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)  # pages, for each end
    ages: list[float] = field(default_factory=list)  # seconds from a missing page to the end that cost it
    pages: int = 0  # that were served
    pauses: int = 0  # that were shipped

    def complain(self, what: str, cases: Iterable[object]) -> None:
        """Note violations of one kind, the first few by name."""
        told = [str(case) for case in cases]
        if told:
            more = f", and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
            self.violations.append(f"{what}: {'; '.join(told[:SHOWN])}{more}")


def compare(served: Mapping[str, Served], recorded: Mapping[str, Sequence[Document]], ends: Sequence[End]) -> Findings:
    """Compare what was served with what each recorder has."""
    findings = Findings(pages=sum(page.is_complete for target in served.values() for page in target.pages.values()))
    for name, documents in recorded.items():
        _check_uniqueness(name, documents, served, findings)
        _check_pauses(name, documents, served, findings)
    _check_sameness(recorded, findings)
    _check_losses(served, recorded, ends, findings)
    return findings


def _check_uniqueness(
    name: str, documents: Sequence[Document], served: Mapping[str, Served], findings: Findings
) -> None:
    ids = Counter(document.id for document in documents)
    pages = Counter((document.reader, document.serial) for document in documents)
    findings.complain(f"{name}: ids twice", (known for known, count in ids.items() if count > 1))
    findings.complain(f"{name}: pages twice", (page for page, count in pages.items() if count > 1))
    unknown = (page for page in pages if page[0] not in served or page[1] not in served[page[0]].pages)
    findings.complain(f"{name}: pages that nobody served", unknown)


def _check_pauses(name: str, documents: Sequence[Document], served: Mapping[str, Served], findings: Findings) -> None:
    of_reader: dict[str, list[Document]] = {reader: [] for reader in served}
    for document in documents:
        of_reader.get(document.reader, []).append(document)
    for reader, mine in of_reader.items():
        if not mine:
            findings.complain(f"{name}: nothing of", [reader])
            continue
        mine.sort(key=lambda document: document.serial)
        shipped = Counter(_numbered(mine))
        first, last = mine[0].collections, mine[-1].collections
        wanted = set(enumerate(served[reader].pauses[first:last], first + 1))
        findings.pauses += shipped.total()
        findings.complain(f"{name}: {reader}: pauses twice", (pause for pause, count in shipped.items() if count > 1))
        findings.complain(f"{name}: {reader}: pauses missing", sorted(wanted - set(shipped)))
        findings.complain(f"{name}: {reader}: pauses that never were", sorted(set(shipped) - wanted))


def _numbered(documents: Iterable[Document]) -> Iterator[tuple[int, int]]:
    """Number and end of each shipped pause: a page's last one is the collection that its ``NumGC`` counts last."""
    for document in documents:
        yield from enumerate(document.pauses, document.collections - len(document.pauses) + 1)


def _check_sameness(recorded: Mapping[str, Sequence[Document]], findings: Findings) -> None:
    (first, one), *others = recorded.items()
    of_first = {document.id: document for document in one}
    for name, documents in others:
        of_other = {document.id: document for document in documents}
        findings.complain(f"in {first}, not in {name}", (of_first[known] for known in of_first.keys() - of_other))
        findings.complain(f"in {name}, not in {first}", (of_other[known] for known in of_other.keys() - of_first))
        both = of_first.keys() & of_other
        differ = (known for known in both if of_first[known] != of_other[known])
        findings.complain(f"not the same in {first} and {name}", differ)


def _check_losses(
    served: Mapping[str, Served],
    recorded: Mapping[str, Sequence[Document]],
    ends: Sequence[End],
    findings: Findings,
) -> None:
    everywhere = set.intersection(*({(each.reader, each.serial) for each in of_one} for of_one in recorded.values()))
    times = [end.time for end in ends]
    by_end: Counter[int] = Counter()
    unexplained = []
    for reader, target in served.items():
        for serial, page in target.pages.items():
            if not page.is_complete or (reader, serial) in everywhere:
                continue
            nearest = _nearest(times, page.time)
            before = (times[nearest] - page.time) / 1e9
            if abs(before) > NEAR:
                unexplained.append((reader, serial, f"{before:.3f} s before the nearest end"))
            else:
                by_end[nearest] += 1
                findings.ages.append(before)
    findings.missing = [by_end[place] for place in range(len(ends))]
    findings.complain("pages lost though no process ended", unexplained)
    counted = enumerate(zip(ends, findings.missing, strict=True), 1)
    over = (f"{count} of {end.limit} at end {place}" for place, (end, count) in counted if count > end.limit)
    findings.complain("more pages lost than were under way", over)


def _nearest(times: Sequence[int], moment: int) -> int:
    after = bisect.bisect_left(times, moment)
    places = [place for place in (after - 1, after) if 0 <= place < len(times)]
    return min(places, key=lambda place: abs(times[place] - moment))
