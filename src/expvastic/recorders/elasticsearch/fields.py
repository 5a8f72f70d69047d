"""The values of a document that its index name is made of.

A document begins with its metadata, as text that is the same in thousands of documents: it is found by one pattern,
decoded once, and known from then on. Nothing behind it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from .naming import UNKNOWN, legalise

NAMES = ("service.name", "host.name", "event.dataset")
LABELS = "labels."
OTHER = "_other"

_MOST = 1_000  # different ones; each is an index, which costs a cluster memory for as long as it is there
_HEADS_KEPT = 4_096

_TEXT = rb'[^"\\]*(?:\\.[^"\\]*)*'
_HEAD = re.compile(
    rb'\{(?:"@timestamp":"[^"]*",)?(?:"event\.duration":-?\d+,)?(?:"event\.action":"[^"]*",)?'
    rb'((?:"(?:service|host|agent|event|labels)\.%b":"%b"[,}])*)' % (_TEXT, _TEXT)
)
_decode = msgspec.json.Decoder(dict[str, str]).decode

Values = tuple[str, ...]


class FieldValues:
    """The values of some fields, legal as parts of a name of no more than ``room`` bytes each.

    Values that make no more than 1,000 different names are ever given; ``_other`` stands for all further ones.
    ``spell`` tells names apart by everything but their date.
    """

    def __init__(self, names: Sequence[str], room: int, spell: Callable[[Values], str]) -> None:
        self._names = tuple(names)
        self._room = room
        self._spell = spell
        self._known: set[str] = set()
        self._heads: dict[bytes, Values] = {}

    def of(self, document: bytes) -> Values:
        """The values in a document."""
        found = _HEAD.match(document)
        head = found[1] if found else b""
        values = self._heads.get(head)
        if values is None:
            if len(self._heads) >= _HEADS_KEPT:
                self._heads.clear()
            values = self._heads[head] = self._admit(self._read(head))
        return values

    def learn(self, spelt: Iterable[str]) -> None:
        """These names are in use: they go on being used, and count among the 1,000."""
        self._known.update(spelt)
        self._heads.clear()

    def _read(self, head: bytes) -> Values:
        try:
            metadata = _decode(b"{%b}" % head.rstrip(b",}"))
        except (msgspec.MsgspecError, UnicodeDecodeError):  # a page's own bytes, which no interpreter would let through
            metadata = {}
        return tuple(legalise(metadata.get(name, UNKNOWN), self._room) for name in self._names)

    def _admit(self, values: Values) -> Values:
        name = self._spell(values)
        if name not in self._known:
            if len(self._known) >= _MOST:
                return (OTHER,) * len(values)
            self._known.add(name)
        return values
