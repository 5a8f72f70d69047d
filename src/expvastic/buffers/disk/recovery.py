"""Takes up what an earlier process left: the newest progress that is intact, and what was stored after it.

Theory of operation: a progress file tells of segments up to a position. What stands behind that position, in its last
segments or in later ones, is scanned. Files that are older than the position and of which it does not tell are left
over from what is settled. Where no progress can be read all segments are scanned, and all counts as handed out before.
Nothing is changed here; what is to be cut or removed is in the answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ...outcomes.ledger import Ledger
from .entries import REWRITTEN, SEGMENT_HEADER
from .files import Files
from .line import Span
from .progress import OtherVersion, Read, decode_progress, feed, progress_path, segment_of
from .ranges import Range, merged, without
from .scan import Scan
from .segments import Segment, Segments, segment_path
from .survey import Survey, as_state_error, read_segment_header, read_whole, survey

FLAWED = Span(0, 2**63, 1, in_doubt=True)


class Vanished(Exception):
    """A file that should be there is not: another process works in the folder."""


@dataclass
class Found:
    """What was left."""

    survey: Survey
    segments: list[Segment] = field(default_factory=list)
    tried: list[Span] = field(default_factory=list)
    polls: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    next: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    corrupt: int = 0  # records that were lost
    cuts: list[tuple[Path, int]] = field(default_factory=list)
    leftovers: list[int] = field(default_factory=list)  # segments
    last: int = 0  # the highest number that a file has or had


def recover(files: Files, folder: Path, ledger: Ledger, *, strict: bool = False) -> Found:
    """Read a folder, and feed the ledger. Raises StateError, OSError; if ``strict``, Vanished."""
    found = Found(survey(files, folder))
    read = _newest_progress(files, folder, ledger, found)
    told = _take_told(found, read)
    _Recovery(files, folder, ledger, found, told, strict).run(read)
    return found


def _newest_progress(files: Files, folder: Path, ledger: Ledger, found: Found) -> Read | None:
    blank = ledger.dump()
    for number in sorted(found.survey.progress, reverse=True):
        path = progress_path(folder, number)
        try:
            read = decode_progress(read_whole(files, path))
        except (ValueError, OtherVersion) as error:
            raise as_state_error(path, error) from None
        if read is not None:
            try:
                feed(ledger, read)
            except ValueError:
                ledger.restore(blank)
            else:
                return read
        found.errors["corrupt"] += 1
    return None


def _take_told(found: Found, read: Read | None) -> dict[int, Segment]:
    """The segments that the progress tells of, by the number of their file."""
    if read is None:
        return {}
    told = {stored.file: segment_of(stored) for stored in read.checkpoint.segments}
    for stored in (stored for step in read.steps for stored in step.stored):
        if (segment := told.get(stored.file)) is None:
            told[stored.file] = segment_of(stored)
        else:
            segment.end, segment.size = stored.end, stored.size
    found.next = max([read.checkpoint.next, *(segment.end for segment in told.values())])
    for polls in (read.checkpoint.polls, *(step.polls for step in read.steps)):
        found.polls.update(polls)
    return told


class _Recovery:
    """One run, after the progress was read."""

    def __init__(
        self, files: Files, folder: Path, ledger: Ledger, found: Found, told: dict[int, Segment], strict: bool
    ) -> None:
        self._files = files
        self._folder = folder
        self._ledger = ledger
        self._found = found
        self._told = told
        self._strict = strict
        self._missing: list[Range] = []

    def run(self, read: Read | None) -> None:
        gone = merged(taken for step in read.steps for taken in step.gone) if read else []
        taken = merged(taken for step in read.steps for taken in step.taken) if read else []
        self._found.last = max([self._found.survey.last, *self._told])
        mentioned = max((end for _, end in (*gone, *taken)), default=0)
        self._check_told(gone)
        for number in sorted(self._found.survey.segments):
            try:
                self._take_up(number, is_known=read is not None)
            except FileNotFoundError:  # all of it was settled meanwhile
                if self._strict:
                    raise Vanished(number) from None
        self._found.next = max(self._found.next, mentioned)
        self._settle(gone)
        self._enter_lost(gone)
        self._find_tried(read, taken)

    def _check_told(self, gone: list[Range]) -> None:
        told = Segments()
        for segment in self._told.values():
            told.add(segment)
        for first, end in gone:
            told.settle(first, end)
        for number in self._told.keys() - self._found.survey.segments.keys():
            if self._strict and self._told[number].left:
                raise Vanished(number)

    def _take_up(self, number: int, *, is_known: bool) -> None:
        header = read_segment_header(self._files, self._folder, number)
        size = self._found.survey.segments[number]
        segment = self._told.get(number)
        if segment is None:
            if header and (header.first < self._found.next if is_known else self._is_replaced(header.first)):
                self._found.leftovers.append(number)
                return
            first = header.first if header else self._found.next
            segment = Segment(number, first, first, 0)
        scan = Scan(
            *(self._files, segment_path(self._folder, number), segment),
            is_first_known=header is not None,
            is_rewritten=header is not None and header.flags == REWRITTEN,
        )
        self._scan(scan, segment, size)
        self._found.segments.append(segment)
        self._found.next = max(self._found.next, segment.end)

    def _is_replaced(self, first: int) -> bool:
        """Whether these records are in another segment, too: it was not written anew to the end."""
        return any(segment.first <= first < segment.end for segment in self._found.segments)

    def _scan(self, scan: Scan, segment: Segment, size: int) -> None:
        if size == segment.size:
            return
        if size > segment.size:
            scan.run(max(segment.size, SEGMENT_HEADER), size)
            for (reader, moment), count in scan.offers.items():
                self._ledger.offer(reader, moment, count)
            self._ledger.offer("", 0, sum(end - first for first, end in scan.missing))
        else:  # the disk lost what it had not synced, and the books know of it
            scan.rerun(SEGMENT_HEADER, size)
        self._missing += scan.missing
        self._found.errors += Counter(corrupt=scan.damages, torn=scan.torn)
        for reader, (poll, knowledge) in scan.polls.items():
            if poll >= self._found.polls.get(reader, (poll,))[0]:
                self._found.polls[reader] = (poll, knowledge)
        if segment.size < size:
            self._found.cuts.append((segment_path(self._folder, segment.file), segment.size))

    def _settle(self, gone: list[Range]) -> None:
        table = Segments()
        for segment in self._found.segments:
            table.add(segment)
        for first, end in gone:
            table.settle(first, end)
        self._found.segments = [segment for segment in table.all if segment.left]
        self._found.leftovers += [segment.file for segment in table.all if not segment.left]

    def _enter_lost(self, gone: list[Range]) -> None:
        """What could not be read any more is lost, unless it was settled."""
        self._found.corrupt = sum(end - first for first, end in without(merged(self._missing), gone))
        for _ in range(self._found.corrupt):
            self._ledger.lose("", 0, "corrupt", was_stored=True)
        self._found.errors |= Counter(corrupt=self._found.corrupt)

    def _find_tried(self, read: Read | None, taken: list[Range]) -> None:
        if read is None or not read.is_whole:
            self._found.tried = [FLAWED]
            return
        told: dict[tuple[int, bool], list[Range]] = {}
        for tried in read.checkpoint.tried:
            told.setdefault((tried.tries, tried.in_doubt), []).append((tried.first, tried.end))
        for (tries, in_doubt), ranges in told.items():
            self._found.tried += [Span(*left, tries, in_doubt) for left in without(merged(ranges), taken)]
        self._found.tried += [Span(first, end, 1, in_doubt=True) for first, end in taken]
