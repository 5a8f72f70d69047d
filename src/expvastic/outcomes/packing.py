"""An hour's counts by reader and minute, packed: the readers in a list, and of each minute the counts in its order."""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import repeat

import msgspec

Columns = list[Counter[str]]  # of one minute, each by reader
Sums = tuple[int, int, int, int, int]

_encode = msgspec.msgpack.Encoder().encode
_decode_names = msgspec.msgpack.Decoder(list[str]).decode
_decode_counts = msgspec.msgpack.Decoder(list[list[int]]).decode
_UNREADABLE = (zlib.error, msgspec.MsgspecError, UnicodeDecodeError)


class PackedMinute(msgspec.Struct, array_like=True, frozen=True):
    """The sums over all readers, and what each has."""

    sums: Sums
    counts: bytes


class PackedHour(msgspec.Struct, array_like=True, frozen=True):
    """An hour as it is dumped. Its checksum is another's business: what cannot be read of it counts as none."""

    readers: bytes
    minutes: dict[int, PackedMinute]


class Hour:
    """The minutes of one hour, packed."""

    __slots__ = ("_packed_readers", "_readers", "minutes")

    def __init__(self, dump: PackedHour | None = None) -> None:
        self.minutes = dict(dump.minutes) if dump else {}
        self._packed_readers = dump.readers if dump else b""
        self._readers: dict[str, int] | None = None if dump else {}  # their places; packed if none

    def put(self, minute: int, columns: Columns) -> None:
        """Pack a minute; counts only rise, so one with the sums that it had is as it was."""
        offered, recorded, refused, shed, elsewhere = sums = tuple(counts.total() for counts in columns)
        if self.sums(minute) == sums:
            return
        lists = [self._in_order(counts) for counts in columns]
        packed = zlib.compress(_encode(lists), 1)
        self.minutes[minute] = PackedMinute((offered, recorded, refused, shed, elsewhere), packed)

    def get(self, minute: int) -> Columns | None:
        """A minute unpacked; none if there is none."""
        packed = self.minutes.get(minute)
        if packed is None:
            return None
        readers = self._unpack_readers()
        try:
            lists = _decode_counts(zlib.decompress(packed.counts))
        except _UNREADABLE:
            lists = []
        lists += [[]] * (len(packed.sums) - len(lists))
        return [Counter({name: count for name, count in zip(readers, each, strict=False) if count}) for each in lists]

    def sums(self, minute: int) -> Sums:
        """The sums of a minute."""
        packed = self.minutes.get(minute)
        return packed.sums if packed else (0, 0, 0, 0, 0)

    def dump(self) -> PackedHour:
        """This hour as it is now."""
        if not self._packed_readers:
            self._packed_readers = zlib.compress(_encode([*self._unpack_readers()]), 1)
        return PackedHour(self._packed_readers, self.minutes)

    def pack(self) -> None:
        """Nothing much is counted in this hour any more."""
        self.dump()
        self._readers = None

    def _in_order(self, counts: Counter[str]) -> list[int]:
        """What each reader has, in their order; those who are new come last."""
        if not counts:
            return []
        readers = self._unpack_readers()
        found = [*map(counts.get, readers, repeat(0))]
        if sum(found) == counts.total():
            return found
        self._packed_readers = b""
        new = [name for name in counts if name not in readers]
        readers.update(zip(new, range(len(readers), len(readers) + len(new)), strict=True))
        return [*map(counts.get, readers, repeat(0))]

    def _unpack_readers(self) -> dict[str, int]:
        if self._readers is None:
            try:
                names = _decode_names(zlib.decompress(self._packed_readers))
            except _UNREADABLE:
                names = []
            self._readers = {name: place for place, name in enumerate(names)}
        return self._readers
