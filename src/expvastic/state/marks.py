"""Whose data lies in a recorder's folder, and where it was meant to go."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from .names import file_name, name_of
from .writing import DAMAGED, printable, read_small, write_whole

BUFFER = "buffer"
MARK = "recorder"

Holds = Callable[[Path], bool]


@dataclass(frozen=True, slots=True)
class Mark:
    """A recorder as it was when its buffer took data in.

    Without type and destination, they are not known: the mark is damaged, or was never made.
    """

    name: str
    type: str
    destination: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Mark).decode


def read_mark(folder: Path, name: str) -> Mark | None:
    """The mark in a recorder's folder, None if there is none. Raises OSError."""
    data = read_small(folder / MARK)
    if data is None:
        return None
    try:
        return dataclasses.replace(_decode(data), name=name)
    except DAMAGED:
        return Mark(name, "", "")


def write_mark(folder: Path, mark: Mark) -> None:
    """Put the mark into a recorder's folder. Raises OSError."""
    write_whole(folder / MARK, _encode(mark))


def find_marks(recorders: Path) -> dict[Mark, Path]:
    """The folder of each recorder that ever had one, in the order of their names. Raises OSError."""
    try:
        folders = sorted(path for path in recorders.iterdir() if path.is_dir())
    except FileNotFoundError:
        return {}
    return {_mark_in(folder): folder for folder in folders}


def _mark_in(folder: Path) -> Mark:
    known = name_of(folder.name)
    data = read_small(folder / MARK)
    try:
        mark = _decode(data or b"")
    except DAMAGED:
        return Mark(known, "", "")
    # A folder that was moved has the new name already, its mark perhaps not yet.
    return mark if file_name(mark.name) == folder.name else dataclasses.replace(mark, name=known)


def why_moved(mark: Mark, destination: str, waiting: int) -> str:
    """Why a recorder waits that would bring what was meant for one destination to another."""
    name = shlex.quote(mark.name)
    containers = f"{waiting} container{'s' * (waiting != 1)}"
    return (
        f"its buffer holds {containers} for {printable(mark.destination) or 'a destination that is not known'}, "
        f"and the configuration says {printable(destination)}; "
        f"`expvastic buffer adopt {name} -c FILE` sends them to {printable(destination)}, "
        f"`expvastic buffer discard {name} -c FILE` drops them"
    )


def why_renamed(old: Mark, name: str) -> str:
    """Why a new recorder waits that seems to be one of before under another name."""
    return (
        f"it looks like {printable(old.name)} under a new name, whose buffer holds data for the same destination; "
        f"`expvastic buffer adopt {shlex.quote(name)} --from {shlex.quote(old.name)} -c FILE` gives it to "
        f"{printable(name)}, `expvastic buffer discard {shlex.quote(old.name)} -c FILE` drops it"
    )


def find_orphans(marks: Iterable[tuple[Mark, Path]], configured: Collection[str], holds: Holds) -> list[Mark]:
    """The marks of recorders that are not configured any more, and whose buffers hold data."""
    return [mark for mark, folder in marks if mark.name not in configured and holds(folder / BUFFER)]
