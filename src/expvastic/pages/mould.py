"""The mould of a page: types and functions that were generated from one page, and take all that are like it.

Theory of operation: a page is decoded into objects whose type says what may stand where: these keys and no others,
whole numbers, numbers, texts and lists within bounds, and what is left out as what it is left out for. So the decoder
itself proves that a page is like the one that the mould was made from. Two generated functions then read the objects:
one what tells a life from another, one the values, straight into an object whose encoding is the document's. Where a
value was of several types, its type is looked up; it tells the kind.

Keys may stand in any order; the values have that of the first page. Go's rings are cut out of the text beforehand, and
a word that no page can know is put in their place, see `strict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..datatypes import Kind
from .golang import Counters
from .ring_print import BETWEEN, Pauses
from .strict import CUT_JSON
from .tally import Form

KINDS: dict[type, int] = {int: Kind.INTEGER, float: Kind.FLOAT, str: Kind.STRING, bool: Kind.BOOLEAN}
REFUSAL = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_FORMS_KEPT = 64
_RINGS = b'"PauseNs":['
_encode = msgspec.json.Encoder().encode

Words = frozenset[str]
"""What a value may be: integer, float, text, boolean, numbers, texts."""


class Mould(msgspec.Struct, weakref=True, eq=False, kw_only=True):
    """Takes the pages of one shape."""

    names: tuple[str, ...]
    words: tuple[Words, ...]
    """What each value may be."""
    decode: Callable[[bytes], Any]
    facts: Callable[[Any], tuple[Counters, bytes]]
    """A page's counters and the text of its command line; only if it has rings."""
    plain: Callable[[Any], tuple[Any, tuple[type, ...]]]
    """A page's document, and the types of those values that may have several."""
    with_pauses: Callable[[Any, Sequence[int], Sequence[int]], tuple[Any, tuple[type, ...]]]
    """The same with new pauses."""
    kinds: bytes
    left_out: tuple[tuple[str, str], ...]
    open_places: tuple[int, ...]
    pauses_place: int
    """Where the new pauses are put among the values."""
    has_rings: bool
    marks: tuple[tuple[bytes, bytes], ...]
    """What is no number, as it stands in the text, and what makes way for it."""
    from_byte: int
    """Where to look for the rings first."""
    _forms: dict[tuple[type, ...], Form] = {}
    _forms_with_pauses: dict[tuple[type, ...], Form] = {}

    def excerpt(self, body: bytes) -> tuple[bytes, bytes] | None:
        """What is decoded of a page, and its rings; None if it has none, and should."""
        text, rings = body, b""
        if self.has_rings:
            start = body.find(_RINGS, self.from_byte) + 10
            if start < 10 and (start := body.find(_RINGS) + 10) < 10:
                return None
            middle = body.find(b"]", start)
            end = body.find(b"]", middle + len(BETWEEN)) + 1
            if not end or not body.startswith(BETWEEN, middle):
                return None
            text, rings = b"".join((body[:start], CUT_JSON, body[end:])), body[start:end]
        for word, mark in self.marks:
            text = text.replace(word, mark)
        return text, rings

    def tell(self, page: Any, pauses: Pauses) -> tuple[bytes, Form]:
        """The encoded values of a page with its new pauses, and their form."""
        if pauses[0]:
            document, types = self.with_pauses(page, *pauses)
            form = self._forms_with_pauses.get(types)
        else:
            document, types = self.plain(page)
            form = self._forms.get(types)
        return _encode(document), form or self._form(types, bool(pauses[0]))

    def _form(self, types: tuple[type, ...], has_pauses: bool) -> Form:
        kinds = bytearray(self.kinds)
        for place, type_ in zip(self.open_places, types, strict=True):
            kinds[place] = KINDS[type_]
        forms = self._forms
        if has_pauses:
            kinds[self.pauses_place : self.pauses_place] = [Kind.GC_LIST, Kind.GC_LIST]
            forms = self._forms_with_pauses
        form = Form(bytes(kinds), self.left_out)
        if len(forms) < _FORMS_KEPT:
            forms[types] = form
        return form
