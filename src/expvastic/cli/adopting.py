"""``buffer adopt --from``: what waits for a recorder that is gone is moved in with another one's own data.

Theory of operation: everything is in the new buffer, and on the disk itself, before the old one lets go of it. A
process that ends in between leaves it in both; the next run leaves out what waits in the new one by then. What the new
one has delivered meanwhile is sent twice under the same id, which is why all that is moved counts as in doubt.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..buffer import DISK_BYTES, BatchSettings, BufferSettings
from ..buffers.disk import DiskBuffer, read_waiting
from ..datatypes import Container, Poll
from ..errors import StateError
from ..outcomes.ledger import Ledger
from .choice import telling_of
from .known import KnownIds
from .tables import spell_bytes

_PIECE = 500  # containers
_PIECE_BYTES = 2**20
_ROOM = 0.75  # of a buffer is filled, so that nothing has to be shed
_OVERHEAD = 80  # bytes on the disk, for each container


def move_waiting(source: Path, target: Path, settings: BufferSettings) -> int:
    """Move what waits in one buffer's folder to another's, and let the first lose it; returns how many that were.

    Both folders are this process's alone, for it has the state directory. Raises StateError if there is no room, or if
    the disk fails; then the first still has all of it.
    """
    limits = settings.model_copy(
        update={"type": "disk", "max_age": None, "when_full": "shed_newest", "sync": "interval"}
    )
    with _opened(source, BufferSettings(type="disk")) as old, telling_of(target.parent):
        with _opened(target, limits) as buffer:
            known = _ids(target)
            _check_room(target, _missing(source, known), limits, buffer.weight)
            polls = {**old.last_polls, **buffer.last_polls}
            for reader in old.last_polls.keys() - buffer.last_polls.keys():
                _put(buffer, reader, polls[reader], [])
            for piece in _pieces(_missing(source, known)):
                for reader, group in itertools.groupby(sorted(piece, key=_reader), key=_reader):
                    _put(buffer, reader, polls.get(reader, (0, b"")), [*group])
            _sync(buffer)
        moved = old.waiting
        old.clear("moved")
    return moved


@contextlib.contextmanager
def _opened(folder: Path, settings: BufferSettings) -> Iterator[DiskBuffer]:
    buffer = DiskBuffer(settings, Ledger(), folder)
    buffer.open(time.monotonic())
    try:
        yield buffer
    finally:
        buffer.close(time.monotonic())


def _ids(folder: Path) -> KnownIds:
    known = KnownIds()
    for container in read_waiting(folder):
        known.add(container.id)
    return known


def _missing(folder: Path, known: KnownIds) -> Iterator[Container]:
    """What waits in a folder and is not known, oldest first."""
    return (container for container in read_waiting(folder) if container.id not in known)


def _check_room(folder: Path, coming: Iterator[Container], settings: BufferSettings, held: int) -> None:
    needed = sum(map(_size, coming))
    most = settings.max_bytes or DISK_BYTES
    if needed and held + needed > most * _ROOM:
        raise StateError(
            f"{folder}: no room for {spell_bytes(needed)} beside {spell_bytes(held)} of its own; set max_bytes of that "
            f"buffer to {spell_bytes(int((held + needed) / _ROOM) + 1)} at least, or deliver what it holds first"
        )
    if needed > shutil.disk_usage(folder).free:
        raise StateError(f"{folder}: {spell_bytes(needed)} are to be moved there, and the disk has no room for them")


def _size(container: Container) -> int:
    parts = (container.id.encode(), container.reader.encode(), container.kinds, container.document)
    return sum(map(len, parts)) + _OVERHEAD


def _pieces(containers: Iterator[Container]) -> Iterator[list[Container]]:
    piece: list[Container] = []
    size = 0
    for container in containers:
        piece.append(container)
        size += len(container.document)
        if len(piece) == _PIECE or size >= _PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _put(buffer: DiskBuffer, reader: str, poll: tuple[int, bytes], containers: Sequence[Container]) -> None:
    """Put containers, which may have been recorded before. No poll of the reader: what is known of its last one stays.

    Raises StateError if they are not kept.
    """
    number, knowledge = poll
    now = time.monotonic()
    buffer.put(Poll(reader, number, containers, knowledge), now)
    if losses := buffer.take_losses():
        why = "the disk takes no more" if losses[0].reason == "disk" else "it is full"
        raise StateError(f"nothing is lost, but not all could be moved: {why}; make room, and do it again")
    if containers:
        limits = BatchSettings.model_construct(count=len(containers), bytes=sys.maxsize)
        buffer.give_back(buffer.take(limits, now, newest=True), now, in_doubt=True)


def _sync(buffer: DiskBuffer) -> None:
    if job := buffer.begin_sync():
        try:
            job()
        except OSError as error:
            buffer.end_sync(error)
            raise
        buffer.end_sync(None)


def _reader(container: Container) -> str:
    return container.reader
