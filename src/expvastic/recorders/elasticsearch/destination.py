"""Names of indices and streams as they are configured: with dates and fields of the document in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ...datatypes import Container
from .fields import LABELS, NAMES, FieldValues, Values
from .naming import UNKNOWN, check_name

if TYPE_CHECKING:
    from .settings import ElasticsearchSettings

_SHORTEST_START = 3  # characters before a date or field; the template is for all names that begin so
_LONGEST_MADE = 230  # bytes of a name with fields; a stream's indices are named for it, and are 22 bytes longer
_LEAST_ROOM = 16  # bytes for a field's value
_HELD = re.compile(r"%\{([^{}]*)\}")
_Piece = str | int | Callable[[datetime], str]  # a literal, the place of a field, a part of a date
_PARTS: dict[str, _Piece] = {
    "yyyy": lambda moment: f"{moment.year:04}",
    "yy": lambda moment: f"{moment.year % 100:02}",
    "MM": lambda moment: f"{moment.month:02}",
    "dd": lambda moment: f"{moment.day:02}",
    "HH": lambda moment: f"{moment.hour:02}",
}
_PART = re.compile(f"({'|'.join(_PARTS)})")
_EPOCH = datetime.fromtimestamp(0, UTC)
_HOUR = 3_600_000_000  # microseconds; no name holds anything finer
_NAMES_KEPT = 4_096

# What the streams of Elastic's own programs begin with.
_COMMON_STARTS = ("logs-", "metrics-", "profiling-", "synthetics-", "traces-")


class IndexName:
    """A name as configured: ``metrics-expvastic-default``, ``expvastic-%{+yyyy.MM.dd}`` with a date in it, or
    ``metrics-expvastic.%{service.name}-default`` with a field of each document.

    ``dated`` says whether it holds a date, ``pattern`` is what all names have in common, with a ``*`` for each part
    that differs. Raises ValueError, saying the rule, for what Elasticsearch does not allow.
    """

    def __init__(self, text: str) -> None:
        split = _HELD.split(text)  # literals, and what stands between %{ and }, in turn
        literals, held = split[::2], split[1::2]
        if any("%{" in literal for literal in literals):
            raise ValueError("index names have a } for each %{, as in app-%{+yyyy.MM.dd}")
        self.text = text
        self.dated = any(each.startswith("+") for each in held)
        self.fields = tuple(each for each in held if not each.startswith("+"))
        self._pieces = _parse(split)
        if held and len(literals[0]) < _SHORTEST_START:
            raise ValueError(
                f"index names must have at least {_SHORTEST_START} characters before a date or field, "
                "as in app-%{+yyyy.MM.dd}"
            )
        self.pattern = re.sub(r"\*+", "*", "*".join(literals))
        self._names: dict[tuple[int, Values], str] = {}
        self._unknown = (UNKNOWN,) * len(self.fields)
        check_name(self._render(0, self._unknown))
        self._values = FieldValues(self.fields, self._room(), self._undated) if self.fields else None
        self._knows_names = self._values is None

    @property
    def outranks_others(self) -> bool:
        """Whether the pattern is that of the streams of Elastic's own programs, too."""
        return self.pattern.partition("*")[0] in _COMMON_STARTS and bool(self.fields or self.dated)

    @property
    def wants_names(self) -> bool:
        """Whether it is still to be told which of its names are in use, so that a start changes none of them."""
        return not self._knows_names

    def learn(self, names: Iterable[str]) -> None:
        """These names are there already. Only the first call counts: no document is to change its name later on."""
        if self._values and self.wants_names:
            self._values.learn(filter(None, map(self._without_date, names)))
        self._knows_names = True

    def of(self, container: Container) -> str:
        """The name for a container."""
        if self._values is None:
            return self.at(container.time)
        return self._name(container.time, self._values.of(container.document))

    def at(self, time: int) -> str:
        """The name for a document of that time (microseconds since the epoch) without any of the fields."""
        return self._name(time, self._unknown)

    def _name(self, time: int, values: Values) -> str:
        key = (time // _HOUR if self.dated else 0, values)
        name = self._names.get(key)
        if name is None:
            if len(self._names) >= _NAMES_KEPT:
                self._names.clear()
            name = self._names[key] = self._render(key[0] * _HOUR, values)
        return name

    def _render(self, time: int, values: Values) -> str:
        moment = datetime.fromtimestamp(time // 1_000_000, UTC)
        return "".join(
            piece if isinstance(piece, str) else values[piece] if isinstance(piece, int) else piece(moment)
            for piece in self._pieces
        )

    def _undated(self, values: Values) -> str:
        """What all names with these values have in common."""
        return "".join(
            piece if isinstance(piece, str) else values[piece] if isinstance(piece, int) else "*"
            for piece in self._pieces
        )

    def _without_date(self, name: str) -> str:
        """A name as ``_undated`` spells it; empty if it is none of ours."""
        words = (
            re.escape(piece) if isinstance(piece, str) else ".+?" if isinstance(piece, int) else _digits(piece)
            for piece in self._pieces
        )
        found = re.fullmatch("".join(words), name)
        if found is None:
            return ""
        ends = [0, *(edge for place in range(1, len(found.groups()) + 1) for edge in found.span(place)), len(name)]
        return "*".join(name[start:end] for start, end in zip(ends[::2], ends[1::2], strict=True))

    def _room(self) -> int:
        """Bytes for each field's value."""
        fixed = len(self._render(0, ("",) * len(self.fields)).encode())
        room = (_LONGEST_MADE - fixed) // len(self.fields)
        if room < _LEAST_ROOM:
            raise ValueError("index names must be shorter than this one, to leave room for the values of its fields")
        return room


def _parse(split: list[str]) -> list[_Piece]:
    pieces: list[_Piece] = []
    fields = 0
    for place, text in enumerate(split):
        if place % 2 == 0:
            pieces.append(text)
        elif text.startswith("+"):
            pieces += _parse_date(text[1:])
        else:
            _check_field(text)
            pieces.append(fields)
            fields += 1
    return pieces


def _parse_date(date: str) -> list[_Piece]:
    literals = _PART.split(date)
    if len(literals) == 1 or any(character.isalpha() for character in "".join(literals[::2])):
        raise ValueError(f"no date in an index name: %{{+{date}}}; its parts are {', '.join(_PARTS)}")
    return [_PARTS.get(piece, piece) for piece in literals]


def _digits(part: Callable[[datetime], str]) -> str:
    return rf"(\d{{{len(part(_EPOCH))}}})"


def _check_field(name: str) -> None:
    if name not in NAMES and not (name.startswith(LABELS) and name != LABELS):
        known = ", ".join(NAMES)
        raise ValueError(
            f"index names know no %{{{name}}}; write a date, such as %{{+yyyy.MM.dd}}, {known} or labels.NAME"
        )


_known: WeakKeyDictionary[ElasticsearchSettings, IndexName] = WeakKeyDictionary()


def index_of(settings: ElasticsearchSettings) -> IndexName:
    """The name that all recorders made from these settings share: a document tried again goes where it went before."""
    index = _known.get(settings)
    if index is None:
        index = _known[settings] = IndexName(settings.index_name)
    return index
