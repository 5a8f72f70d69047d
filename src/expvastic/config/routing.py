"""The ``routes`` section: which names stand in it, and what is wrong with them."""

from __future__ import annotations

import msgspec

from ..routes import Names, Route, Routing, join
from .complaints import Complaints
from .tree import Entry, Listing, Node, Scalar, Section

_PARTS = ("readers", "recorders")


class _Written(msgspec.Struct, eq=False):
    """One route's names with their lines, by part."""

    name: str
    words: dict[str, list[tuple[str, int]]] = {}

    def route(self) -> Route:
        readers, recorders = ([word for word, _ in self.words.get(part, ())] for part in _PARTS)
        return Route(readers, recorders)


class RouteReader(msgspec.Struct, eq=False):
    """Reads the routes of one configuration."""

    complaints: Complaints

    def read(self, entry: Entry, readers: Names, recorders: Names) -> Routing:
        """Return what the routes come to; what is wrong with them is noted."""
        written = self._routes(entry)
        routing = join([route.route() for route in written], readers, recorders)
        names = {"readers": readers, "recorders": recorders}
        for unknown in routing.unknown:
            route = written[unknown.route]
            line = route.words[unknown.part][unknown.item][1]
            other = names["recorders" if unknown.part == "readers" else "readers"].find(unknown.name)
            message = f"there is no {unknown.part[:-1]} {unknown.name}"
            if other:
                message += f"; {other} is a {'reader' if unknown.part == 'recorders' else 'recorder'}"
            elif "," in unknown.name:
                message += "; write a list as [a, b], or put blanks between names"
            else:
                message += self.complaints.suggest(unknown.name, names[unknown.part])
            self.complaints.error(("routes", route.name, unknown.part), message, line)
        return routing

    def _routes(self, entry: Entry) -> list[_Written]:
        if not isinstance(entry.node, Section):
            self.complaints.error(("routes",), "must be a mapping from names to readers and recorders", entry.line)
            return []
        section = entry.node
        if not section.entries:
            self.complaints.error(("routes",), "is empty; describe at least one route", entry.line)
        # A name that is there twice is two routes: each joins its own readers with its own recorders.
        routes = sorted([*section.entries.values(), *section.repeats], key=lambda route: route.line)
        return [self._route(route) for route in routes]

    def _route(self, entry: Entry) -> _Written:
        route = _Written(entry.name)
        path = ("routes", entry.name)
        if entry.is_blank:
            self.complaints.error(path, "is empty; give it readers and recorders", entry.line)
        elif not isinstance(entry.node, Section):
            self.complaints.error(path, "must be a mapping with readers and recorders", entry.line)
        else:
            for name, found in entry.node.entries.items():
                if name.casefold() not in _PARTS:
                    self.complaints.unknown_key((*path, name), found.line, _PARTS)
            for part in _PARTS:
                route.words[part] = self._part(entry, entry.node, part)
        return route

    def _part(self, route: Entry, section: Section, part: str) -> list[tuple[str, int]]:
        path = ("routes", route.name, part)
        found = [entry for name, entry in section.entries.items() if name.casefold() == part]
        if not found or found[0].is_blank:
            self.complaints.is_missing(path, found[0].line if found else route.line)
            return []
        if len(found) > 1:
            self.complaints.error(path, f"given before, in line {found[0].line}", found[1].line)
        words = [word for entry in found for word in self._words(entry.node, path)]
        if not words and not self.complaints.refuses(path):
            self.complaints.error(path, f"is empty; name at least one {part[:-1]}", found[0].line)
        return words

    def _words(self, node: Node, path: tuple[str, ...]) -> list[tuple[str, int]]:
        if isinstance(node, Listing):
            return [word for item in node.items for word in self._item(item, path)]
        if isinstance(node, Section):
            self.complaints.error(path, "must be a list of names, like [a, b]", node.line)
            return []
        text = node.value if isinstance(node.value, str) else node.text
        return [(word, node.line) for word in text.split()]

    def _item(self, node: Node, path: tuple[str, ...]) -> list[tuple[str, int]]:
        if isinstance(node, Scalar) and node.value is not None:
            return [(node.value if isinstance(node.value, str) else node.text, node.line)]
        self.complaints.error(path, "must be a list of names, like [a, b]", node.line)
        return []
