"""What a settings class takes, key by key: read off its annotations once, for loading, the schema and the reference."""

from __future__ import annotations

import enum
import functools
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from ..clients.endpoint import Endpoint
from ..settings import SettingsModel, parse_duration, parse_size

TWIN = "_file"  # X_file names a file that holds the secret X

_LISTS = (list, tuple, set, frozenset)


class Sort(enum.Enum):
    """The kinds of value that a key takes, as far as a file's spelling of them differs."""

    TEXT = "text"
    ENDPOINT = "endpoint"
    SECRET = "secret"  # noqa: S105  # a kind of value, no value
    CHOICE = "choice"
    LIST = "list"
    TABLE = "table"
    SECTION = "section"
    DURATION = "duration"
    SIZE = "size"
    NUMBER = "number"
    FLAG = "flag"
    OTHER = "other"


_PLAIN = {
    str: Sort.TEXT,
    Path: Sort.TEXT,
    Endpoint: Sort.ENDPOINT,
    SecretStr: Sort.SECRET,
    bool: Sort.FLAG,
    int: Sort.NUMBER,
    float: Sort.NUMBER,
}


class Taken(msgspec.Struct, frozen=True):
    """What one key, or one item of a list or table, takes.

    ``item`` is what a list's or table's items take; ``model`` is a section's class; a list or table that is
    ``alone_too`` may also be one plain text.
    """

    sort: Sort
    choices: tuple[str, ...] = ()
    item: Taken | None = None
    model: type[SettingsModel] | None = None
    alone_too: bool = False


class Shape(msgspec.Struct, frozen=True):
    """The keys of one or several settings classes that stand together in a file."""

    keys: Mapping[str, Taken]
    names: frozenset[str]  # the keys and the secrets' twins, as they may be written
    folded: Mapping[str, str]

    def key_of(self, written: str) -> str | None:
        """Return the key that is meant: spelt so, else spelt so but for the case."""
        return written if written in self.names else self.folded.get(written.casefold())

    def secret_of(self, key: str) -> str | None:
        """Return the secret whose twin this key is."""
        return None if key in self.keys else key.removesuffix(TWIN)


@functools.cache
def shape_of(*models: type[SettingsModel]) -> Shape:
    """Return what the classes take together."""
    keys = {name: taken_by(field) for model in models for name, field in model.model_fields.items()}
    twins = {name + TWIN for name, taken in keys.items() if taken.sort is Sort.SECRET}
    names = frozenset(keys.keys() | twins)
    return Shape(keys, names, {name.casefold(): name for name in names})


def taken_by(field: FieldInfo) -> Taken:
    """Return what a field takes."""
    return _taken(field.annotation, tuple(field.metadata))


def _taken(annotation: Any, metadata: Sequence[object] = ()) -> Taken:
    leaves = [leaf for leaf in _leaves(annotation, tuple(metadata)) if leaf[0] is not type(None)]
    alone_too = any(leaf is str for leaf, _ in leaves)
    for leaf, _ in leaves:
        if get_origin(leaf) in _LISTS:
            return Taken(Sort.LIST, item=_taken(get_args(leaf)[0]), alone_too=alone_too)
        if get_origin(leaf) in (dict, Mapping):
            return Taken(Sort.TABLE, item=_taken(get_args(leaf)[1]), alone_too=alone_too)
        if isinstance(leaf, type) and issubclass(leaf, SettingsModel):
            return Taken(Sort.SECTION, model=leaf)
    sorts = {_sort(leaf, metadata) for leaf, metadata in leaves}
    choices = tuple(choice for leaf, _ in leaves for choice in _choices(leaf))
    if len(sorts) == 1:
        return Taken(sorts.pop(), choices)
    if sorts == {Sort.NUMBER, Sort.CHOICE}:
        return Taken(Sort.NUMBER, choices)
    return Taken(Sort.ENDPOINT if Sort.ENDPOINT in sorts else Sort.OTHER, choices)


def _leaves(annotation: Any, metadata: tuple[object, ...]) -> Iterator[tuple[Any, tuple[object, ...]]]:
    """Yield the plain types in an annotation, each with what is said beside it."""
    if get_origin(annotation) is Annotated:
        inner, *said = get_args(annotation)
        yield from _leaves(inner, (*metadata, *said))
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _leaves(part, metadata)
    else:
        yield annotation, metadata


def _sort(leaf: Any, metadata: tuple[object, ...]) -> Sort:
    validators = {said.func for said in metadata if isinstance(said, BeforeValidator)}
    if parse_duration in validators:
        return Sort.DURATION
    if parse_size in validators:
        return Sort.SIZE
    return Sort.CHOICE if _choices(leaf) else _PLAIN.get(leaf, Sort.OTHER)


def _choices(leaf: Any) -> tuple[str, ...]:
    choices = get_args(leaf) if get_origin(leaf) is Literal else ()
    if isinstance(leaf, type) and issubclass(leaf, enum.Enum):
        choices = tuple(member.value for member in leaf)
    if not all(isinstance(choice, str | bool) for choice in choices):
        return ()
    return tuple(choice if isinstance(choice, str) else str(choice).lower() for choice in choices)
