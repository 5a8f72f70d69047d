"""One section of a file to settings: keys in any case, numbers where text is meant, secrets from files, validation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
from pydantic import ValidationError

from ..settings import SettingsModel
from .complaints import Complaints, Path
from .credentials import Credentials
from .files import read_secret
from .shapes import TWIN, Shape, Sort, Taken, shape_of
from .tree import Entry, Listing, Node, Scalar, Section, to_python
from .wording import joined, worded

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SettingsT = TypeVar("SettingsT", bound=SettingsModel)
_TEXTS = (Sort.TEXT, Sort.ENDPOINT, Sort.SECRET, Sort.CHOICE)

_PLAIN = (str, bool, int, float, type(None))

Explain = Callable[[str], str]  # from an unknown key to what is known of it after all, or nothing
Made = dict[Hashable, SettingsModel]  # settings by their class and all that was said of them


class SectionReader(msgspec.Struct, eq=False):
    """A section whose keys belong to one or several settings classes; ``line`` is where its name stands.

    Settings of which the same was said are the same, in all sections that have ``made`` in common: of a thousand
    readers most have the interval and the mapping of many others.
    """

    section: Section
    path: Path
    line: int
    shape: Shape
    values: dict[str, object]
    complaints: Complaints
    made: Made = {}

    def make(self, model: type[SettingsT]) -> SettingsT | None:
        """Return the settings of one of the classes, or None with the complaints noted."""
        keys = shape_of(model).keys
        own = {name: value for name, value in self.values.items() if name in keys}
        said = _told_apart(model, own)
        known = self.made.get(said) if said else None
        if known is not None:
            return cast("SettingsT", known)
        try:
            settings = model.model_validate(own) if own or model.needs_validator() else model.unsaid()
            if said:
                self.made[said] = settings
            return settings
        except ValidationError as error:
            self._complain(error)
        except OverflowError:  # of a validator that reckons with what it was given
            self.complaints.error(self.path, "a number in it is too large", self.line)
        return None

    def line_of(self, key: str) -> int:
        """Return the line of a key, or of the section if it does not have it."""
        entry = _find(self.section, key)
        return entry.line if entry else self.line

    def _complain(self, error: ValidationError) -> None:
        verdicts: dict[tuple[Path, int, tuple[str, ...], str], list[str]] = {}
        for detail in error.errors(include_url=False, include_input=False):
            steps, line, node = self._place(detail)
            if detail["type"] == "missing":
                self.complaints.is_missing((*self.path, *steps), line)
                continue
            taken = _taken_at(self.shape, steps)
            choices = taken.choices or (taken.item.choices if taken.item else ()) if taken else ()
            text = node.text if isinstance(node, Scalar) else ""
            verdicts.setdefault((steps, line, choices, text), []).append(worded(detail, choices))
        for (steps, line, choices, text), messages in verdicts.items():
            if not self.complaints.refuses((*self.path, *steps)):
                message = joined(messages) + (self.complaints.suggest(text, choices) if choices else "")
                self.complaints.error((*self.path, *steps), message, line)

    def _place(self, detail: ErrorDetails) -> tuple[Path, int, Node]:
        """Return the steps from the section to what is wrong, its line and itself.

        The validator also names the alternatives of a type; steps that lead nowhere in the file are left out.
        """
        node: Node = self.section
        steps: list[str] = []
        line = self.line
        *_, last = ("", *detail["loc"])
        for step in detail["loc"]:
            entry = _find(node, str(step)) if isinstance(node, Section) else None
            if entry:
                node = entry.node
                line = node.line if isinstance(node, Scalar) else entry.line
                steps.append(str(step))
            elif isinstance(node, Listing) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                line = node.line
            elif step is last and detail["type"] == "missing":
                steps.append(str(step))
        return tuple(steps), line, node


def open_section(
    entry: Entry,
    path: Path,
    models: Sequence[type[SettingsModel]],
    credentials: Credentials,
    explain: Explain | None = None,
    made: Made | None = None,
) -> SectionReader | None:
    """Return a reader for the section that stands under a key, or None if it is none."""
    complaints = credentials.complaints
    if not isinstance(entry.node, Section):
        complaints.error(path, "must be a mapping, like {name: value}", entry.line)
        return None
    shape = shape_of(*models)
    values = _Values(credentials).of_section(entry.node, path, shape, explain)
    return SectionReader(entry.node, path, entry.line, shape, values, complaints, {} if made is None else made)


class _Values(msgspec.Struct, eq=False):
    """Turns nodes into what the settings classes take."""

    credentials: Credentials

    def of_section(
        self, section: Section, path: Path, shape: Shape, explain: Explain | None = None
    ) -> dict[str, object]:
        complaints = self.credentials.complaints
        found: dict[str, Entry] = {}
        for entry in section.entries.values():
            key = shape.key_of(entry.name)
            if key is None:
                if said := explain(entry.name) if explain else "":
                    complaints.error((*path, entry.name), said, entry.line)
                else:
                    complaints.unknown_key((*path, entry.name), entry.line, shape.names)
            elif key in found:
                complaints.error((*path, entry.name), f"given before, in line {found[key].line}", entry.line)
            elif not entry.is_blank:
                found[key] = entry
        values: dict[str, object] = {}
        for key, entry in found.items():
            secret = shape.secret_of(key)
            if secret is None:
                values[key] = self._of(entry.node, shape.keys[key], (*path, key))
            elif secret in found:
                complaints.error((*path, key), f"give either {secret} or {key}", entry.line)
            else:
                values[secret] = self._of_file(entry, (*path, key), (*path, secret))
        return values

    def _of(self, node: Node, taken: Taken, path: Path) -> object:
        if taken.sort is Sort.SECTION and taken.model and isinstance(node, Section):
            return self.of_section(node, path, shape_of(taken.model))
        if taken.sort is Sort.TABLE and taken.item and isinstance(node, Section):
            return self._of_table(node, taken.item, path)
        if taken.sort is Sort.LIST and taken.item:
            return self._of_list(node, taken.item, path, alone_too=taken.alone_too)
        if isinstance(node, Scalar) and taken.sort in _TEXTS:
            return self._of_text(node, taken, path)
        return to_python(node)

    def _of_list(self, node: Node, item: Taken, path: Path, *, alone_too: bool) -> object:
        """Return a list; one text is split at blanks where a list alone is meant."""
        if isinstance(node, Listing):
            return [self._of(part, item, path) for part in node.items]
        if isinstance(node, Section):
            return to_python(node)
        if alone_too:
            return self._of_text(node, item, path)
        words = (node.value if isinstance(node.value, str) else node.text).split()
        return [self._of_text(Scalar(node.line, word, word, node.filled), item, path) for word in words]

    def _of_text(self, scalar: Scalar, taken: Taken, path: Path) -> object:
        """Return a scalar as it is written, where the settings want text: a password may well look like a number."""
        if scalar.value is None:
            return None
        text = scalar.value if isinstance(scalar.value, str) else scalar.text
        if taken.sort is Sort.SECRET:
            self.credentials.keep(text, path, scalar)
        elif taken.sort is Sort.CHOICE:
            return _choice(scalar, text, taken.choices)
        elif taken.sort is Sort.ENDPOINT or "@" in text:
            self.credentials.look_at(text, path, scalar)
        return text

    def _of_table(self, section: Section, item: Taken, path: Path) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, entry in section.entries.items():
            own = name.removesuffix(TWIN)
            if item.sort is not Sort.SECRET or own == name:
                values[name] = self._of(entry.node, item, (*path, name))
            elif own in section.entries:
                self.credentials.complaints.error((*path, name), f"give either {own} or {name}", entry.line)
            else:
                values[own] = self._of_file(entry, (*path, name), (*path, own))
        return values

    def _of_file(self, entry: Entry, path: Path, secret_path: Path) -> str:
        """Return the secret in the file that a twin names; empty, with a complaint noted, if there is none."""
        value = entry.node.value if isinstance(entry.node, Scalar) else None
        try:
            if not isinstance(value, str):
                raise ValueError("must be the name of a file")
            secret = read_secret(value)
        except ValueError as error:
            self.credentials.complaints.error(path, str(error), entry.line)
            self.credentials.complaints.spoil(secret_path)
            return ""
        self.credentials.keep(secret, secret_path, None)
        return secret


def _told_apart(model: type[SettingsModel], own: Mapping[str, object]) -> Hashable:
    """Return what tells these settings from all others, or None if that is not worth the while.

    Values that are equal and of different types (1, 1.0, true) are told apart, for a validator may do so.
    """
    if not all(isinstance(value, _PLAIN) for value in own.values()):
        return None
    return model, *((name, type(value), value) for name, value in own.items())


def _choice(scalar: Scalar, text: str, choices: Sequence[str]) -> object:
    """Return the choice that is meant, in any case; `yes` and `true` are the same where a choice is true."""
    is_truth = isinstance(scalar.value, bool) and "true" in choices
    written = str(scalar.value).lower() if is_truth else text.casefold()
    choice = next((choice for choice in choices if choice.casefold() == written), text)
    return choice == "true" if choice in ("true", "false") and "true" in choices else choice


def _find(section: Section, key: str) -> Entry | None:
    """Return the entry that a key, or its twin, stands in, however it is written."""
    for name in (key, key + TWIN):
        for written, entry in section.entries.items():
            if written.casefold() == name.casefold():
                return entry
    return None


def _taken_at(shape: Shape, steps: Path) -> Taken | None:
    taken = None
    for step in steps:
        taken = shape.keys.get(step)
        if taken and taken.model:
            shape = shape_of(taken.model)
    return taken
