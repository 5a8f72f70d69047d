"""Routes to engines: which reader goes to which recorders, each pair once, one engine per reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec


class Route(msgspec.Struct, frozen=True):
    """Every one of the readers goes to every one of the recorders; names are as a user writes them."""

    readers: Sequence[str]
    recorders: Sequence[str]


class Unknown(msgspec.Struct, frozen=True):
    """A name in a route that names nothing; ``route`` and ``item`` count from 0, ``part`` is readers or recorders."""

    route: int
    part: str
    item: int
    name: str


class Routing(msgspec.Struct, frozen=True):
    """What the routes come to.

    ``engines`` has the readers that any route names, in the order in which they are described, each with its recorders
    in the order in which routes first name them.
    """

    engines: Mapping[str, tuple[str, ...]]
    unused_readers: tuple[str, ...]
    unused_recorders: tuple[str, ...]
    unknown: tuple[Unknown, ...]


class Names:
    """The names of readers or of recorders, found as they are spelt or, where that is unique, in any case."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        self._folded: dict[str, list[str]] = {}
        for name in self._names:
            self._folded.setdefault(name.casefold(), []).append(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def find(self, written: str) -> str | None:
        """Return the name that is meant."""
        if written in self._names:
            return written
        alike = self._folded.get(written.casefold(), ())
        return alike[0] if len(alike) == 1 else None

    def alike(self) -> list[tuple[str, str]]:
        """Return every name that differs from an earlier one in case alone, after that one."""
        return [(names[0], name) for names in self._folded.values() for name in names[1:]]


def join(routes: Sequence[Route], readers: Names, recorders: Names) -> Routing:
    """Return the union of all routes."""
    unknown: list[Unknown] = []
    pairs: dict[str, dict[str, None]] = {}
    for number, route in enumerate(routes):
        found = _found(route.recorders, recorders, number, "recorders", unknown)
        for reader in _found(route.readers, readers, number, "readers", unknown):
            pairs.setdefault(reader, {}).update(found)
    engines = {reader: tuple(pairs[reader]) for reader in readers if pairs.get(reader)}
    routed = {recorder for names in engines.values() for recorder in names}
    return Routing(
        engines,
        tuple(reader for reader in readers if reader not in engines),
        tuple(recorder for recorder in recorders if recorder not in routed),
        tuple(unknown),
    )


def _found(written: Sequence[str], names: Names, route: int, part: str, unknown: list[Unknown]) -> dict[str, None]:
    found: dict[str, None] = {}
    for item, word in enumerate(written):
        name = names.find(word)
        if name is None:
            unknown.append(Unknown(route, part, item, word))
        else:
            found[name] = None
    return found
