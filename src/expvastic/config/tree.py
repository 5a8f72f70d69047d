"""What a configuration file holds before it is judged: scalars, lists and sections that know their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from .complaints import Path


class Scalar(msgspec.Struct, eq=False):
    """One plain value. ``text`` is how it is written, ``filled`` says whether a variable was filled in."""

    line: int
    text: str
    value: str | int | float | bool | None
    filled: bool = False


class Listing(msgspec.Struct, eq=False):
    """A list."""

    line: int
    items: list[Node] = []


class Section(msgspec.Struct, eq=False):
    """A mapping. ``repeats`` holds the entries whose name was there before.

    ``is_repetitive`` says of the root of a document whether any mapping in it has such entries.
    """

    line: int
    entries: dict[str, Entry] = {}
    repeats: list[Entry] = []
    is_repetitive: bool = False


Node = Scalar | Listing | Section


class Entry(msgspec.Struct, eq=False):
    """One key and what it holds. ``line`` is the key's."""

    name: str
    line: int
    node: Node

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands behind the key, which counts as if the key were not there."""
        return isinstance(self.node, Scalar) and self.node.value is None


def from_python(value: object) -> Node:
    """Return the tree of values that come from flags, not from a file: without lines."""
    if isinstance(value, Mapping):
        return Section(0, {str(name): Entry(str(name), 0, from_python(item)) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return Listing(0, [from_python(item) for item in value])
    if value is None or isinstance(value, str | int | float | bool):
        return Scalar(0, str(value), value)
    raise TypeError(f"a {type(value).__name__} is no configuration value")


def to_python(node: Node) -> object:
    """Return plain dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Listing):
        return [to_python(item) for item in node.items]
    return {name: to_python(entry.node) for name, entry in node.entries.items()}


def walk(root: Node) -> Iterator[tuple[Path, Node]]:
    """Yield every node once, with the first path that leads to it, in the order of the file."""
    seen: set[int] = set()
    waiting: list[tuple[Path, Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield path, node
        if isinstance(node, Section):
            entries = [*node.entries.values(), *node.repeats]
            waiting += [((*path, entry.name), entry.node) for entry in reversed(entries)]
        elif isinstance(node, Listing):
            waiting += [(path, item) for item in reversed(node.items)]
