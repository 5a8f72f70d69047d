"""What is in a buffer's folder, by name; and what must not be touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import StateError
from .entries import SEGMENT_HEADER, VERSION, SegmentHeader, decode_segment_header
from .files import Files
from .progress import SUFFIX as PROGRESS
from .progress import UNFINISHED, OtherVersion
from .segments import SUFFIX as SEGMENT
from .segments import segment_path

LOCK = "lock"
_OURS = re.compile(rf"(\d{{10}})({re.escape(SEGMENT)}|{re.escape(PROGRESS)}(?:{re.escape(UNFINISHED)})?)")


@dataclass(frozen=True, slots=True)
class Survey:
    """The files of a folder, by their numbers, with their sizes."""

    segments: Mapping[int, int]
    progress: Mapping[int, int]
    unfinished: Mapping[str, int]

    @property
    def last(self) -> int:
        """The highest number that a file has."""
        unfinished = [int(name[:10]) for name in self.unfinished]
        return max([*self.segments, *self.progress, *unfinished], default=0)

    @property
    def is_empty(self) -> bool:
        """Whether no buffer was ever here."""
        return not (self.segments or self.progress)


def survey(files: Files, folder: Path) -> Survey:
    """Look what is there. Raises StateError if some of it is of somebody else; OSError."""
    found = Survey({}, {}, {})
    for name, size in sorted(files.list(folder).items()):
        match = _OURS.fullmatch(name)
        if match is None and name != LOCK:
            raise foreign(folder, name)
        if match is None:
            continue
        if match[2] == SEGMENT:
            found.segments[int(match[1])] = size  # type: ignore[index]
        elif match[2] == PROGRESS:
            found.progress[int(match[1])] = size  # type: ignore[index]
        else:
            found.unfinished[name] = size  # type: ignore[index]
    return found


def foreign(folder: Path, name: str) -> StateError:
    """The complaint about a file that no buffer wrote."""
    return StateError(f"{folder} holds files of something else: {name}; give the buffer a folder of its own")


def other_version(path: Path, version: int) -> StateError:
    """The complaint about a file that another version wrote."""
    return StateError(
        f"{path} is of version {version}, and this expvastic knows version {VERSION}: start the expvastic that wrote"
        f" it until it has delivered all, or move {path.parent} away"
    )


def unusable(folder: Path, error: OSError) -> StateError:
    """The complaint about a folder that the system does not let us use."""
    reason = error.strerror or str(error)
    return StateError(f"{folder} cannot be used: {reason}; see to its owner, its mode and its disk")


def read_whole(files: Files, path: Path, size: int = 2**62) -> bytes:
    """A file's contents, or so many bytes of them."""
    file = files.open(path)
    try:
        parts: list[bytes] = []
        offset = 0
        while offset < size and (part := files.read(file, min(2**20, size - offset), offset)):
            parts.append(part)
            offset += len(part)
        return b"".join(parts)
    finally:
        files.close(file)


def read_segment_header(files: Files, folder: Path, number: int) -> SegmentHeader | None:
    """How a segment begins; None if that is damaged. Raises StateError if it is not one that can be read."""
    path = segment_path(folder, number)
    try:
        header = decode_segment_header(read_whole(files, path, SEGMENT_HEADER))
    except ValueError:
        raise foreign(folder, path.name) from None
    if header is not None and header.version != VERSION:
        raise other_version(path, header.version)
    return header


def as_state_error(path: Path, error: ValueError | OtherVersion) -> StateError:
    """The complaint about a progress file that cannot be read."""
    if isinstance(error, OtherVersion):
        return other_version(path, error.version)
    return foreign(path.parent, path.name)
