"""Names of indices and streams: Elasticsearch's rules for them, and the dates that they may hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

_FORBIDDEN = ' "*\\<|,>/?#:'
_LONGEST = 255  # bytes
_SHORTEST_START = 3  # characters before a date; the template is for all names that begin so
_DATE = re.compile(r"%\{\+([^{}]*)\}")
_Piece = str | Callable[[datetime], str]
_PARTS: dict[str, _Piece] = {
    "yyyy": lambda moment: f"{moment.year:04}",
    "yy": lambda moment: f"{moment.year % 100:02}",
    "MM": lambda moment: f"{moment.month:02}",
    "dd": lambda moment: f"{moment.day:02}",
    "HH": lambda moment: f"{moment.hour:02}",
}
_PART = re.compile(f"({'|'.join(_PARTS)})")
_HOUR = 3_600_000_000  # microseconds; no name holds anything finer

_RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name, "must not be empty"),
    (lambda name: name in (".", ".."), "must not be . or .."),
    (lambda name: name != name.lower(), "must be lower case"),
    (lambda name: name[0] in "-_+", "must not start with -, _ or +"),
    (
        lambda name: any(character in _FORBIDDEN for character in name) or not name.isprintable(),
        'must not hold a space or any of " * \\ < | , > / ? # : (a date is written as %{+yyyy.MM.dd})',
    ),
    (lambda name: len(name.encode()) > _LONGEST, f"must not be longer than {_LONGEST} bytes"),
)


class IndexName:
    """A name as configured: ``metrics-expvastic-default``, or ``expvastic-%{+yyyy.MM.dd}`` with a date in it.

    Raises ValueError, saying the rule, for what Elasticsearch does not allow.
    """

    def __init__(self, text: str) -> None:
        literals = _DATE.split(text)[::2]
        if any("%{" in literal for literal in literals):
            raise ValueError("index names know no %{…} but dates, such as %{+yyyy.MM.dd}")
        self.text = text
        self.dated = len(literals) > 1
        if self.dated and len(literals[0]) < _SHORTEST_START:
            raise ValueError(
                f"index names must have at least {_SHORTEST_START} characters before a date, as in app-%{{+yyyy.MM.dd}}"
            )
        self.pattern = "*".join(literals)
        self._pieces: list[_Piece] = []
        for place, piece in enumerate(_DATE.split(text)):  # literals and dates in turn
            self._pieces += _parse_date(piece) if place % 2 else [piece]
        self._hour = 0
        self._name = self._render(0)
        _check(self._name)

    def at(self, time: int) -> str:
        """The name for a document of that time: microseconds since the epoch, in UTC."""
        if self.dated and time // _HOUR != self._hour:
            self._hour = time // _HOUR
            self._name = self._render(self._hour * _HOUR)
        return self._name

    def _render(self, time: int) -> str:
        moment = datetime.fromtimestamp(time // 1_000_000, UTC)
        return "".join(piece if isinstance(piece, str) else piece(moment) for piece in self._pieces)


def _parse_date(date: str) -> list[_Piece]:
    literals = _PART.split(date)
    if len(literals) == 1 or any(character.isalpha() for character in "".join(literals[::2])):
        raise ValueError(f"no date in an index name: %{{+{date}}}; its parts are {', '.join(_PARTS)}")
    return [_PARTS.get(piece, piece) for piece in literals]


def _check(name: str) -> None:
    for is_broken, rule in _RULES:
        if is_broken(name):
            raise ValueError(f"index names {rule}")
