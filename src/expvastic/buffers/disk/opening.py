"""Opens a folder: for this process alone, with all that an earlier one left, and nothing that is not ours touched."""

from __future__ import annotations

from pathlib import Path

from ...errors import StateError
from ...outcomes.ledger import Ledger
from .commits import Commits
from .files import Files
from .line import Group, Line, Span
from .progress import progress_path
from .ranges import merged, within, without
from .recovery import Found, recover
from .segments import segment_path
from .store import Store
from .survey import LOCK, survey, unusable


class Opening:
    """The lock of one folder."""

    def __init__(self, files: Files, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._lock: int | None = None

    def open(self, ledger: Ledger, store: Store, commits: Commits, line: Line) -> Found:
        """Lock the folder, and fill in what is found. Raises StateError; then all is as it was."""
        try:
            self._files.make_folder(self._folder)
            survey(self._files, self._folder)  # before the lock is made: nothing is written beside others' files
            self._lock = self._files.lock(self._folder / LOCK)
            found = recover(self._files, self._folder, ledger)
            self._take_over(found, ledger, store, commits, line)
        except BlockingIOError:
            raise StateError(
                f"{self._folder} is in use by another process: stop that one, or give this one another state_dir"
            ) from None
        except OSError as error:
            self._give_up(store, commits)
            raise unusable(self._folder, error) from error
        except StateError:
            self._give_up(store, commits)
            raise
        return found

    def close(self) -> None:
        """Let other processes use the folder."""
        if self._lock is not None:
            self._files.close(self._lock)
            self._lock = None

    def _give_up(self, store: Store, commits: Commits) -> None:
        commits.close()
        store.close()
        self.close()

    def _take_over(self, found: Found, ledger: Ledger, store: Store, commits: Commits, line: Line) -> None:
        for path, size in found.cuts:
            self._files.truncate(path, size)
        for name in found.survey.unfinished:
            self._files.remove(self._folder / name)
        store.next_file = found.last + 1
        for segment in found.segments:
            store.segments.add(segment)
            store.folder.bytes += segment.size
            store.folder.doubt(segment_path(self._folder, segment.file))
        self._doom_leftovers(found, store)
        _line_up(found, store, line)
        ledger.keeps_changes = True
        ledger.reconcile(store.segments.left)
        commits.polls.update(found.polls)
        commits.begin(found.next)

    def _doom_leftovers(self, found: Found, store: Store) -> None:
        for number in found.leftovers:
            size = found.survey.segments[number]
            store.folder.doom(segment_path(self._folder, number), size, is_settled=True)
            store.folder.bytes += size
        for number, size in found.survey.progress.items():
            store.folder.doom(progress_path(self._folder, number), size, is_progress=True)
            store.folder.bytes += size


def _line_up(found: Found, store: Store, line: Line) -> None:
    """Let all wait: apart, and due at once, what was handed out before."""
    there = merged((segment.first, segment.end) for segment in store.segments.all)
    tried = merged((span.first, span.end) for span in found.tried)
    for first, end in without(there, tried):
        if store.segments.count(first, end, most=1):
            line.fresh.spans.append(Span(first, end))
    group = Group(0.0)
    for span in found.tried:
        group.spans += [
            span._replace(first=first, end=end)
            for first, end in within([(span.first, span.end)], there)
            if store.segments.count(first, end, most=1)
        ]
    if group.spans:
        group.spans.sort()
        line.back[group.not_before] = group
