"""Segments and progress of a buffer that is open: what is written, when it is committed, and what it may weigh."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from .entries import REWRITTEN, SEGMENT_HEADER, Entry, Make, T, Walk, encode_again, encode_segment_header, make_entry
from .files import Files
from .folder import Folder, OpenFile
from .segments import Segment, Segments, segment_path

_READ_AT_ONCE = 4  # segments that are open for reading

Sync = Literal["always", "interval", "never"]


class Store:
    """The segments of one folder. Methods that write raise OSError, and have then written nothing."""

    def __init__(self, files: Files, path: Path, sync: Sync, segment_bytes: int) -> None:
        self.folder = Folder(files, path)
        self.segments = Segments()
        self.next_file = 1
        self._files = files
        self._sync = sync
        self._segment_bytes = segment_bytes
        self._active: tuple[Segment, OpenFile] | None = None
        self._written: dict[int, OpenFile] = {}  # by the number of the file: not sure to be on the disk
        self._reading: OrderedDict[int, int] = OrderedDict()

    @property
    def active(self) -> Segment | None:
        """The segment that is being written."""
        return self._active[0] if self._active else None

    @property
    def is_due_to_roll(self) -> bool:
        """Whether the next put goes to a new segment."""
        return self._active is None or self._active[1].is_spoilt or self._active[0].size >= self._segment_bytes

    def append(self, first: int, count: int, data: bytes) -> None:
        """Records that were put together; to a new segment if none is being written."""
        if self._active is None:
            segment, data = Segment(self.take_file(), first, first, 0), encode_segment_header(first) + data
            target = self.folder.create(segment_path(self.folder.path, segment.file), data)
            self.segments.add(segment)
            self._active = segment, target
            self._written[segment.file] = target
            offset = SEGMENT_HEADER
        else:
            segment, target = self._active
            offset = segment.size
            self.folder.append(target, data)
        segment.note(first, offset)
        self.segments.extend(segment, count, len(data))

    def seal(self) -> Segment | None:
        """Write no more to the segment that is being written."""
        if self._active is None:
            return None
        segment, target = self._active
        self._active = None
        if self._sync == "never" or not self.folder.is_dirty(target):
            self._close_written(segment.file)
        return segment

    def walk(self, make: Make[T], segment: Segment, offset: int) -> Walk[T]:
        """What a segment holds from an offset on."""
        file = self._open(segment)
        return Walk(make, lambda count, at: self._files.read(file, count, at), offset, segment.size)

    def retire(self, segment: Segment) -> None:
        """All of a segment is settled, and the progress says so: its file is to go."""
        self.segments.remove(segment)
        self._discard(segment, is_settled=True)

    def rewrite(self, segment: Segment) -> bool:
        """Bring what is not settled of a segment to the disk in a new file, for it may have lost some of it.

        Returns whether the disk has it. Until then the old file stays, of which it may have the most.
        """
        entries = (item for item in self.walk(make_entry, segment, SEGMENT_HEADER) if isinstance(item, Entry))
        kept = [entry for entry in entries if not (entry.is_poll or segment.is_gone(entry.number))]
        data = encode_segment_header(segment.first, REWRITTEN) + encode_again(kept)
        file = self.take_file()
        target = self.folder.create(segment_path(self.folder.path, file), data)
        has_failed = bool(self.folder.sync_now(target))
        self.folder.close(target)
        if has_failed:
            self.folder.abandon(target)
            return False
        self._discard(segment)
        segment.move(file, len(data))
        return True

    def sync_active(self) -> list[Path]:
        """Bring what was put last to the disk; returns what failed."""
        return self.folder.sync_now(self._active[1]) if self._active else []

    def close_clean(self) -> None:
        """Close the files that are on the disk, but for the one that is being written."""
        active = self._active[0].file if self._active else 0
        for file in [file for file in self._written if file != active]:
            self._close_unless_dirty(file)

    def close(self) -> None:
        """Close all files."""
        self._active = None
        for file in [*self._written]:
            self._close_written(file)
        for opened in self._reading.values():
            self._files.close(opened)
        self._reading.clear()

    def segments_of(self, paths: Sequence[Path]) -> list[Segment]:
        """The segments that some files hold."""
        return [segment for segment in self.segments.all if segment_path(self.folder.path, segment.file) in paths]

    def take_file(self) -> int:
        """A number for a new file."""
        self.next_file += 1
        return self.next_file - 1

    def _open(self, segment: Segment) -> int:
        if target := self._written.get(segment.file):
            return target.file
        file = self._reading.get(segment.file)
        if file is None:
            file = self._reading[segment.file] = self._files.open(segment_path(self.folder.path, segment.file))
            while len(self._reading) > _READ_AT_ONCE:
                self._files.close(self._reading.popitem(last=False)[1])
        self._reading.move_to_end(segment.file)
        return file

    def _discard(self, segment: Segment, *, is_settled: bool = False) -> None:
        size = segment.size
        if target := self._written.get(segment.file):
            size = target.size
            self._close_written(segment.file)
        if (file := self._reading.pop(segment.file, None)) is not None:
            self._files.close(file)
        if self._active and self._active[0] is segment:
            self._active = None
        self.folder.doom(segment_path(self.folder.path, segment.file), size, is_settled=is_settled)

    def _close_unless_dirty(self, file: int) -> None:
        if not self.folder.is_dirty(self._written[file]):
            self._close_written(file)

    def _close_written(self, file: int) -> None:
        self.folder.close(self._written.pop(file))
