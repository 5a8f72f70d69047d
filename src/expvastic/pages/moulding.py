"""Makes a mould of a page: one walk over it, in the flattener's order, writes types and source.

The source holds generated names alone, never a key of the page: keys are foreign, and are given to the types as data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union

import msgspec

from ..datatypes import Kind
from .flatten import find_conflicts, make_name
from .golang import COUNTERS
from .mould import Mould, Words
from .rings import Ring
from .shapes import why_left_out
from .strict import CUT, NO_NUMBER, NOT_FINITE, NOT_FINITE_JSON, Content

_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Counter = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_BEFORE = 128  # bytes by which a page may be shorter than the one before, up to its rings
_MARKS = 8
_MARKED = re.compile(rb'("[^"\\]*+")' + NO_NUMBER.pattern)
_WORDS: dict[type, Words] = {
    int: frozenset({"integer"}),
    float: frozenset({"integer", "float"}),  # Go prints a float that is whole without a point
    str: frozenset({"text"}),
    bool: frozenset({"boolean"}),
}
_LISTS = {"numbers", "texts"}
_KINDS = {"integer": Kind.INTEGER, "float": Kind.FLOAT, "text": Kind.STRING, "boolean": Kind.BOOLEAN}
_KINDS |= {"numbers": Kind.FLOAT_LIST, "texts": Kind.STRING_LIST}


class Rules(NamedTuple):
    """All that the settings have to say about what a shape is: ``cmdline`` is whether that is shipped."""

    prefix: str
    limits: tuple[int, int, int, int]  # keys, depth, texts, lists
    gc_names: tuple[str, ...]
    cmdline: bool


class _Unmouldable(Exception):
    """The page has something that no mould can tell."""


class _Object(msgspec.Struct, gc=False):
    """Any object, its members passed over."""


class _Empty(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An object without members."""


_LEFT_OUT: dict[str, Any] = {
    "null": None,
    "empty_object": _Empty,
    "empty_array": Annotated[list[Any], msgspec.Meta(max_length=0)],
    "array_of_objects": Annotated[list[_Object], msgspec.Meta(min_length=1)],
    "not_finite": Literal[NOT_FINITE],
}


def make_mould(content: Content, rules: Rules, before: Mould | None) -> Mould | None:
    """The mould of a strict page, as it was decoded; None if there can be none.

    It takes what ``before`` takes as well, a mould of the same names, and is that if it would be no other.
    """
    maker = _Maker(rules, dict(zip(before.names, before.words, strict=True)) if before else {})
    try:
        return maker.make(content, before)
    except (_Unmouldable, ValueError):  # a name that must be escaped cannot be a field's
        return None


_Special = Callable[[str, object, str, str], Any]  # key, value, name, expression: an annotation, or none of its own


class _Maker:
    """One walk over a page. Expressions of the page's values are written as they are found."""

    def __init__(self, rules: Rules, before: Mapping[str, Words]) -> None:
        self._rules = rules
        self._before = before
        self._names: list[str] = []
        self._words: list[Words] = []
        self._values: list[str] = []
        self._left_out: list[tuple[str, str]] = []
        self._locals: list[str] = []
        self._counters = ["0"] * len(COUNTERS)
        self._memstats = "p"
        self._cmdline = 'b""'
        self._pauses_place = 0
        self._has_rings = False
        self._types: dict[object, Any] = {}
        self._annotations: dict[Words, Any] = {}
        _, _, texts, lists = rules.limits
        self._text = Annotated[str, msgspec.Meta(max_length=texts)]
        self._size = msgspec.Meta(min_length=1, max_length=lists)

    def make(self, content: Content, before: Mould | None) -> Mould:
        memstats = content.decoded.get("memstats")
        self._has_rings = isinstance(memstats, dict) and isinstance(memstats.get("PauseNs"), Ring)
        root = self._level(content.decoded, self._rules.prefix, "p", self._top)
        names, words, left_out = tuple(self._names), tuple(self._words), tuple(self._left_out)
        self._check((*names, *self._rules.gc_names) if self._has_rings else names)
        if before and (names, words, left_out) == (before.names, before.words, before.left_out):
            return before
        places = tuple(place for place, word in enumerate(words) if len(word) > 1)
        return Mould(
            names=names,
            words=words,
            left_out=left_out,
            decode=msgspec.json.Decoder(root).decode,
            kinds=bytes(_KINDS[min(word)] for word in words),
            open_places=places,
            pauses_place=self._pauses_place,
            has_rings=self._has_rings,
            marks=_marks(content.body) if content.marked else (),
            from_byte=max(content.body.find(b'"PauseNs":[') - _BEFORE, 0),
            **self._compile(places),
        )

    def _check(self, names: Sequence[str]) -> None:
        if not self._names or len(names) >= self._rules.limits[0]:
            raise _Unmouldable
        if len(set(names)) < len(names) or find_conflicts(names):
            raise _Unmouldable

    def _compile(self, places: Sequence[int]) -> dict[str, Any]:
        """The functions that read a page."""
        names, values, at = self._names, self._values, self._pauses_place
        types = "".join(f"type({values[place]})," for place in places)
        prelude = "; ".join([*self._locals, "return "])
        told = {"D": _document(names)}
        source = [
            f"def plain(p): {prelude}D({','.join(values)}), ({types})",
            f"def with_pauses(p, d, e): {prelude}E({','.join([*values[:at], 'd, e', *values[at:]])}), ({types})",
            f"def facts(p): m = {self._memstats}; return ({','.join(self._counters)}), {self._cmdline}",
        ]
        if self._has_rings:
            told["E"] = _document([*names[:at], *self._rules.gc_names, *names[at:]])
        exec("\n".join(source), told)  # noqa: S102  # nothing of the page is in it
        return {name: told[name] for name in ("plain", "with_pauses", "facts")}

    def _level(self, members: Mapping[str, object], above: str, local: str, special: _Special | None = None) -> Any:
        """The type of an object; objects that are alike share one."""
        fields: list[tuple[str, str, Any]] = []
        for place, (key, value) in enumerate(members.items()):
            name, expression = make_name(above, key, self._rules.limits[1]), f"{local}.f{place}"
            if not name:
                raise _Unmouldable
            annotation = special(key, value, name, expression) if special else None
            annotation = annotation or self._member(value, name, expression)
            if annotation is not _CUT_OUT:
                fields.append((f"f{place}", key, annotation))
        shape = tuple((field, key, id(annotation)) for field, key, annotation in fields)  # they outlive the walk
        if shape not in self._types:
            self._types[shape] = _object(fields)
        return self._types[shape]

    def _top(self, key: str, value: object, name: str, expression: str) -> Any:
        if key.startswith("cmdline."):
            raise _Unmouldable
        if key == "cmdline":
            return self._command_line(value, name, expression)
        if key == "memstats" and self._has_rings and isinstance(value, dict):
            self._memstats = expression
            annotation = self._level(value, name, self._local(expression), self._of_runtime)
            self._pauses_place = len(self._names)
            return annotation
        return None

    def _of_runtime(self, key: str, value: object, name: str, expression: str) -> Any:
        if isinstance(value, Ring):
            return Literal[CUT] if key == "PauseNs" else _CUT_OUT
        if key not in COUNTERS:
            return None
        self._ship(value, name, expression)
        if self._words[-1] != _WORDS[int]:
            raise _Unmouldable
        self._counters[COUNTERS.index(key)] = f"m.{expression.partition('.')[2]}"
        return _Counter

    def _command_line(self, value: object, name: str, expression: str) -> Any:
        """It is not shipped; where there are rings it is compared by its text."""
        is_one = isinstance(value, str) or (isinstance(value, list) and set(map(type, value)) == {str})
        if self._rules.cmdline or not is_one:
            raise _Unmouldable
        self._left_out.append((name, "not_asked_for"))
        if self._has_rings:
            self._cmdline = f"bytes({expression})"
            return msgspec.Raw
        return self._text if isinstance(value, str) else Annotated[list[self._text], self._size]  # type: ignore[name-defined]

    def _member(self, value: object, name: str, expression: str) -> Any:
        if reason := why_left_out(value):
            if reason not in _LEFT_OUT:
                raise _Unmouldable
            self._left_out.append((name, reason))
            return _LEFT_OUT[reason]
        if isinstance(value, dict):
            if name.count(".") + 2 > self._rules.limits[1]:
                raise _Unmouldable
            return self._level(value, name, self._local(expression))
        return self._ship(value, name, expression)

    def _ship(self, value: object, name: str, expression: str) -> Any:
        """The type of a value that is shipped: what it is, or was before."""
        if isinstance(value, list):
            words = frozenset({"texts" if type(value[0]) is str else "numbers"})
        else:
            words = _WORDS[type(value)]
        words |= self._before.get(name, words)
        if len(words) > 1 and words & _LISTS:
            raise _Unmouldable
        self._names.append(name)
        self._words.append(words)
        self._values.append(expression)
        if words not in self._annotations:
            self._annotations[words] = Union[tuple(map(self._annotation, words))]  # noqa: UP007  # of as many as it is
        return self._annotations[words]

    def _annotation(self, word: str) -> Any:
        match word:
            case "numbers":
                return Annotated[list[_Integer | float], self._size]
            case "texts":
                return Annotated[list[self._text], self._size]  # type: ignore[name-defined]
            case "text":
                return self._text
        return {"integer": _Integer, "float": float, "boolean": bool}[word]

    def _local(self, expression: str) -> str:
        local = f"x{len(self._locals)}"
        self._locals.append(f"{local} = {expression}")
        return local


_CUT_OUT = object()  # of a member that is not in the text


def _object(fields: Sequence[tuple[str, str, Any]]) -> Any:
    return msgspec.defstruct(
        "Level",
        [(field, annotation) for field, _, annotation in fields],
        rename={field: key for field, key, _ in fields},
        forbid_unknown_fields=True,
        gc=False,
    )


def _document(names: Sequence[str]) -> Any:
    """A type whose encoding is the members of a document."""
    fields = {f"f{place}": name for place, name in enumerate(names)}
    return msgspec.defstruct("Document", [(field, Any) for field in fields], rename=fields, gc=False)


def _marks(body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """What is no number, with its key, and what makes way for it."""
    found = {match[0]: match[1] + NOT_FINITE_JSON for match in _MARKED.finditer(body)}
    if not 0 < len(found) <= _MARKS:
        raise _Unmouldable
    return tuple(found.items())
