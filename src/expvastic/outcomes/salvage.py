"""Salvage: a document that was refused for one value is written without it, and tells of the value as text.

Theory of operation: what was refused is cut out of the document and appended as ``name=value`` to one array of
keywords at its end. All other members keep their bytes, so that no number changes. What a container has lost stands
in its document alone; only what was learned from whole batches is kept here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..datatypes import Container

ROUNDS = 8
REFUSED = "expvar_refused"
METADATA = frozenset(
    """@timestamp event.duration event.dataset event.action service.name service.address host.name agent.id agent.name
    agent.type agent.version""".split()
)

_ENTRIES = 255  # beside the one that tells of the rest
_ENTRIES_BYTES = 32 * 2**10 - 64  # the same, as JSON
_ENTRY_UNITS = 1_024  # of UTF-16, in which ``ignore_above`` counts
_MORE = re.compile(r"… and (\d{1,9}) more")

_BATCHES = 3  # with which a value is learned to be bad
_TAKEN_FOR = 600.0  # seconds
_WATCHED = 1_000

FieldKind = tuple[str, str]  # name and kind of JSON: integer, float, string, boolean, list, object, null
Members = Mapping[str, msgspec.Raw]

_KINDS = {b'"': "string", b"t": "boolean", b"f": "boolean", b"[": "list", b"{": "object", b"n": "null"}
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode
_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Salvage:
    """What one delivery does about refused values, and what it learned of them.

    A value is bad that was refused in three batches running with one kind, and not accepted with that kind in
    between; a batch in which it does not occur says nothing. It is taken out beforehand for ten minutes. Times are
    seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._watched: dict[FieldKind, tuple[int, float]] = {}  # batches, and when it is forgotten; oldest first
        self._bad: dict[FieldKind, float] = {}  # until when; oldest first

    @property
    def is_wary(self) -> bool:
        """Whether any value is bad, or may become so with the next batches."""
        return bool(self._bad or self._watched)

    def prepare(self, container: Container, now: float) -> Container:
        """The container without what is known to be bad: itself if it has nothing of the kind."""
        if not self._bad:
            return container
        members = _members(container)
        taken = self._bad_among(members, now)
        return _without(container, members, taken) if taken else container

    def rescue(self, container: Container, field: str, now: float) -> Container | None:
        """The next try for a container that was refused; none if there is nothing left that could be taken out.

        ``field`` is what the destination named: a member, a path above or below it, or nothing. If it means no member
        that may go, all go that the template does not have. So it must be empty in the last of the ``ROUNDS`` that a
        document with many bad values is given.
        """
        members = _members(container)
        accused = _accused(members, field) or filter(_may_go, members)
        taken = {*accused, *self._bad_among(members, now)}
        return _without(container, members, taken) if taken else None

    def batch_ended(
        self, refused: Sequence[tuple[Container, str]], accepted: Sequence[Container], now: float
    ) -> list[FieldKind]:
        """Learn from a batch; returns what is bad from now on.

        ``refused`` has every refusal of every round, with the field that was named; ``accepted`` what was recorded.
        Both are told as they were sent: a container that was salvaged does not speak for what it lost.
        """
        if not (refused or self.is_wary):
            return []
        self._forget(now)
        values = dict.fromkeys(value for container, field in refused if field for value in _values(container, field))
        good = _occurring({*values, *self._watched, *self._bad}, accepted)
        for value in good:
            self._watched.pop(value, None)
            self._bad.pop(value, None)
        return [value for value in values if value not in good and self._is_learned(value, now)]

    def _bad_among(self, members: Members, now: float) -> list[str]:
        return [value[0] for value, until in self._bad.items() if until > now and _has(members, value)]

    def _is_learned(self, value: FieldKind, now: float) -> bool:
        """Count a batch in which a value was refused; returns whether it is the one that makes it bad."""
        if value in self._bad:
            return False
        batches = self._watched.pop(value, (0, 0.0))[0] + 1
        if batches < _BATCHES:
            self._watched[value] = batches, now + _TAKEN_FOR
            _drop_oldest(self._watched)
            return False
        self._bad[value] = now + _TAKEN_FOR
        _drop_oldest(self._bad)
        return True

    def _forget(self, now: float) -> None:
        self._watched = {value: watch for value, watch in self._watched.items() if watch[1] > now}
        self._bad = {value: until for value, until in self._bad.items() if until > now}


def _drop_oldest(known: dict[FieldKind, float] | dict[FieldKind, tuple[int, float]]) -> None:
    if len(known) > _WATCHED:
        del known[next(iter(known))]


def _occurring(values: set[FieldKind], containers: Iterable[Container]) -> set[FieldKind]:
    """The values that occur in these documents."""
    found: set[FieldKind] = set()
    for container in containers:
        missing = values - found
        if not missing:
            break
        members = _members(container)
        found.update(value for value in missing if _has(members, value))
    return found


def _values(container: Container, field: str) -> list[FieldKind]:
    members = _members(container)
    return [(name, _kind(members[name])) for name in _accused(members, field)]


def _has(members: Members, value: FieldKind) -> bool:
    raw = members.get(value[0])
    return raw is not None and _kind(raw) == value[1]


def _accused(members: Members, field: str) -> list[str]:
    """The members that a named field means and that may go: itself, else all below it, else the one above it."""
    if field in members:
        found = [field]
    else:
        found = [name for name in members if name.startswith(f"{field}.")]
        found = found or [name for name in members if field.startswith(f"{name}.")]
    return list(filter(_may_go, found))


def _may_go(name: str) -> bool:
    return name not in METADATA and name != REFUSED


def _members(container: Container) -> Members:
    """A document's members as they are written; none if it is no JSON object."""
    try:
        return _decode(container.document)
    except _UNREADABLE:
        return {}


def _kind(raw: msgspec.Raw) -> str:
    text = bytes(raw)
    return _KINDS.get(text[:1]) or ("float" if any(mark in text for mark in (b".", b"e", b"E")) else "integer")


def _without(container: Container, members: Members, taken: Iterable[str]) -> Container:
    """The container with a document that tells of some members as text.

    Typed values are decoded from a document when somebody asks, and would be the wrong ones of this; it has none.
    """
    gone = {REFUSED, *taken}
    kept = [_member(name, raw) for name, raw in members.items() if name not in gone]
    entries = _told(members) + [_entry(name, raw) for name, raw in members.items() if name in gone and name != REFUSED]
    document = b"{%b}" % b",".join([*kept, _member(REFUSED, _encode(_bounded(entries)))])
    return msgspec.structs.replace(container, document=document, kinds=b"")


def _member(name: str, raw: msgspec.Raw | bytes) -> bytes:
    return b"%b:%b" % (_encode(name), raw)


def _told(members: Members) -> list[str]:
    """The entries that a document has already."""
    raw = members.get(REFUSED)
    if raw is None:
        return []
    try:
        return _decode_texts(raw)
    except _UNREADABLE:  # a page's own, of the same name
        return [_entry(REFUSED, raw)]


def _entry(name: str, raw: msgspec.Raw) -> str:
    entry = f"{name}={_text(raw)}"
    if 2 * len(entry) <= _ENTRY_UNITS:
        return entry
    return entry.encode("utf-16-le")[: 2 * _ENTRY_UNITS].decode("utf-16-le", "ignore")


def _text(raw: msgspec.Raw) -> str:
    """A string's characters, anything else as it is written."""
    if _kind(raw) == "string":
        with contextlib.suppress(*_UNREADABLE):
            return _decode_text(raw)
    return bytes(raw).decode(errors="replace")


def _bounded(entries: Iterable[str]) -> list[str]:
    """The entries that there is room for; a last one tells how many there are besides."""
    kept: list[str] = []
    size = more = 0
    for entry in entries:
        if told := _MORE.fullmatch(entry):
            more += int(told[1])
            continue
        length = len(_encode(entry)) + 1
        if len(kept) < _ENTRIES and size + length <= _ENTRIES_BYTES:
            kept.append(entry)
            size += length
        else:
            more += 1
    return [*kept, f"… and {more} more"] if more else kept
