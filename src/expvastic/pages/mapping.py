"""Units for memory and kinds for GC lists by name: the ancestor's map file, and the same keys inline.

A name is a page's own, without prefix, in any case: either whole and dotted (``memstats.Alloc``) or a last part alone
(``Alloc``), which is meant wherever it stands. Where both fit, the whole name wins.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BeforeValidator, ValidationError

from ..datatypes import Kind
from ..settings import SettingsModel, Words

_NAMES_KEPT = 20_000  # names of one reader; above it the memory is started afresh
_LONGEST_SHOWN = 40

PauseRule = Callable[[list[Any]], list[Any]]  # from a GC list as it was read to what is shipped of it


class Unit(msgspec.Struct, frozen=True):
    """What a number of bytes is shipped in. ``kind`` is FLOAT for gigabytes: no kind says so, and none may lie."""

    name: str
    kind: Kind
    divisor: int

    def scaled(self, value: float) -> float:
        """The bytes in this unit: by one, correctly rounded division; untouched, and so exact, if they are bytes."""
        return value if self.divisor == 1 else value / self.divisor


UNITS = {
    "b": Unit("b", Kind.BYTE, 1),
    "kb": Unit("kb", Kind.KILOBYTE, 2**10),
    "mb": Unit("mb", Kind.MEGABYTE, 2**20),
    "gb": Unit("gb", Kind.FLOAT, 2**30),
}


def _known_unit(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in UNITS:
        return value.strip().lower()
    raise ValueError(f"{repr(value)[:_LONGEST_SHOWN]} is no unit; write b, kb, mb or gb")


def _filled(name: str) -> str:
    if not all(map(str.strip, name.split("."))):
        raise ValueError("a name, or a part of it between dots, is empty")
    return name


def _told_apart(units: dict[str, str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for name in units:
        first = seen.setdefault(name.casefold(), name)
        if units[first] != units[name]:
            raise ValueError(f"{first} and {name} differ in case alone, but have different units; case has no meaning")
    return units


UnitName = Annotated[Literal["b", "kb", "mb", "gb"], BeforeValidator(_known_unit)]
FieldName = Annotated[str, AfterValidator(_filled)]


class MappingSettings(SettingsModel):
    """What names mean: units of memory and lists of GC pauses, by whole name or its last part, in any case."""

    gc_types: Annotated[Words, AfterValidator(lambda names: tuple(map(_filled, names)))] = ()
    """Lists of GC pauses or their ends, in nanoseconds."""
    memory_bytes: Annotated[dict[FieldName, UnitName], AfterValidator(_told_apart)] = {}  # noqa: RUF012
    """Numbers of bytes, and what they are shipped in: `b` as they are, `kb`, `mb` and `gb` divided by 1024, 1024² and
    1024³."""

    def over(self, defaults: MappingSettings) -> MappingSettings:
        """These settings upon others: GC names are added, units override those of the same name.

        A unit for a last part overrides also whole names that end in it: the word was the user's.
        """
        own = {name.casefold() for name in self.memory_bytes}
        kept = {
            name: unit for name, unit in defaults.memory_bytes.items() if not own & {name.casefold(), _last_part(name)}
        }
        names = tuple(dict.fromkeys((*defaults.gc_types, *self.gc_types)))
        return MappingSettings(gc_types=names, memory_bytes={**kept, **self.memory_bytes})


def parse_map_file(content: object, defaults: MappingSettings | None = None) -> MappingSettings:
    """The settings in a map file, already decoded from YAML; what it does not say stays as in ``defaults``.

    Raises ValueError, in one line with all that is wrong, if it is none.
    """
    defaults = defaults or MappingSettings()
    if content is None:
        return defaults
    if not isinstance(content, abc.Mapping):
        raise ValueError("a map file must be a mapping with gc_types or memory_bytes")
    sections = {str(name).lower(): section for name, section in content.items() if section is not None}
    try:
        return MappingSettings.model_validate(sections).over(defaults)
    except ValidationError as error:
        raise ValueError("; ".join(_complaints(error))) from None


def _complaints(error: ValidationError) -> Iterable[str]:
    for detail in error.errors(include_url=False, include_input=False):
        where = ".".join(str(step) for step in detail["loc"])
        said = detail.get("ctx", {}).get("error", detail["msg"])
        yield f"{where}: " + ("unknown key" if detail["type"] == "extra_forbidden" else str(said))


class FieldMapping:
    """Answers, for one reader, what its names mean; ``prefix`` stands before the names that ``apply`` is given.

    ``pause_rule`` makes of a GC list what is shipped; without one the lists keep their numbers, in nanoseconds.
    """

    def __init__(self, settings: MappingSettings, prefix: str = "", pause_rule: PauseRule | None = None) -> None:
        self._units = {name.casefold(): UNITS[unit] for name, unit in settings.memory_bytes.items()}
        self._pauses = {name.casefold() for name in settings.gc_types}
        self._prefix = prefix
        self._pause_rule = pause_rule
        self._known: dict[str, Unit | bool] = {}

    def __bool__(self) -> bool:
        """Whether it has anything to say."""
        return bool(self._units or self._pauses)

    def unit_of(self, own_name: str) -> Unit | None:
        """The unit that a number of this name is shipped in, if it is one of bytes."""
        return self._units.get(own_name.casefold()) or self._units.get(_last_part(own_name))

    def is_gc(self, own_name: str) -> bool:
        """Whether a list of numbers of this name is one of pauses, or of their ends."""
        return own_name.casefold() in self._pauses or _last_part(own_name) in self._pauses

    def apply(self, values: dict[str, Any], kinds: dict[str, Kind]) -> None:
        """Give a page's values, in place, their units and kinds. What is of another type than its name says stays."""
        for name, kind in kinds.items():
            meaning = self._known.get(name)
            if meaning is None:
                meaning = self._learn(name)
            if not meaning:
                continue
            if isinstance(meaning, Unit):
                if kind is Kind.INTEGER or kind is Kind.FLOAT:
                    values[name], kinds[name] = meaning.scaled(values[name]), meaning.kind
            elif kind is Kind.FLOAT_LIST or kind is Kind.GC_LIST:
                values[name] = self._pause_rule(values[name]) if self._pause_rule else values[name]
                kinds[name] = Kind.GC_LIST

    def _learn(self, name: str) -> Unit | bool:
        """The unit of a name, or whether it is a GC list; kept, since a service's names are the same every time."""
        if len(self._known) >= _NAMES_KEPT:
            self._known.clear()
        own = name.removeprefix(self._prefix)
        meaning = self._known[name] = self.unit_of(own) or self.is_gc(own)
        return meaning


def _last_part(name: str) -> str:
    return name.casefold().rpartition(".")[2]
