"""The sections of a configuration to settings: the process, each reader, each recorder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..buffer import LEAST_DISK_BYTES, BufferSettings
from ..delivery import DeliverySettings
from ..engine import EngineSettings
from ..errors import ConfigError
from ..pages.mapping import MappingSettings
from ..pages.settings import InterpreterSettings
from ..routes import Names
from ..settings import SettingsModel
from .catalogue import elsewhere, settings_of
from .complaints import Complaints, Path, listed
from .credentials import Credentials
from .plans import ReaderPlan, RecorderNaming, RecorderPlan, Settings
from .sections import Made, SectionReader, open_section
from .tree import Entry, Node, Scalar, Section

_OLD_LOG_LEVEL = "debug_evel"  # as the ancestor spelt it


class PartReader(msgspec.Struct, eq=False):
    """Reads the parts of one configuration; a part with errors gives None, the errors being noted."""

    complaints: Complaints
    credentials: Credentials
    made: Made = {}
    _lacks_state_dir: bool = False  # known once the settings were read
    _has_state_dir: bool = False

    def settings(self, entry: Entry | None) -> Settings | None:
        """Return the settings of the process."""
        if entry is None or entry.is_blank:
            self._lacks_state_dir = True
            return Settings.unsaid()
        if isinstance(entry.node, Section):
            entry = Entry(entry.name, entry.line, self._without_old_keys(entry.node))
        opened = open_section(entry, ("settings",), (Settings,), self.credentials)
        if opened is None:
            return None
        settings = opened.make(Settings)
        self._lacks_state_dir = settings is not None and settings.state_dir is None
        self._has_state_dir = settings is not None and settings.state_dir is not None
        return settings

    def reader(self, entry: Entry, classes: Mapping[str, type[Any]]) -> ReaderPlan | None:
        """Return the plan of one reader, its type name as it is written."""
        kind, opened = self._open(entry, "readers", classes, EngineSettings, InterpreterSettings)
        if opened is None:
            return None
        engine, interpreter = opened.make(EngineSettings), opened.make(InterpreterSettings)
        plugin = opened.make(settings_of(classes[kind]))
        map_file = self._map_file(opened, interpreter.map_file) if interpreter and interpreter.map_file else None
        if engine is None or interpreter is None or plugin is None:
            return None
        return ReaderPlan(entry.name, kind, engine, interpreter, plugin, map_file)

    def _map_file(self, opened: SectionReader, name: str) -> MappingSettings | None:
        from .mapfiles import lines_of, read_map_file

        try:
            return read_map_file(name)
        except ConfigError as error:
            self.complaints.error((*opened.path, "map_file"), lines_of(error), opened.line_of("map_file"))
            return None

    def recorder(self, entry: Entry, classes: Mapping[str, type[Any]]) -> RecorderPlan | None:
        """Return the plan of one recorder."""
        kind, opened = self._open(entry, "recorders", classes, DeliverySettings, RecorderNaming)
        if opened is None:
            return None
        delivery, naming = opened.make(DeliverySettings), opened.make(RecorderNaming)
        plugin = opened.make(settings_of(classes[kind]))
        if delivery is None or naming is None or plugin is None:
            return None
        self._check_buffer(delivery.buffer, opened)
        for key, message in plugin.remarks():
            self.complaints.remark((*opened.path, key), message, opened.line_of(key))
        return RecorderPlan(entry.name, kind, delivery, plugin, naming.type_name)

    def _check_buffer(self, buffer: BufferSettings, opened: SectionReader) -> None:
        if buffer.type == "disk" and self._lacks_state_dir:
            path = (*opened.path, "buffer", "type")
            self.complaints.error(path, "disk needs settings.state_dir", _line_of(opened, "buffer", "type"))
        is_on_disk = self._has_state_dir and buffer.type != "memory"
        if is_on_disk and buffer.max_bytes is not None and buffer.max_bytes < LEAST_DISK_BYTES:
            path = (*opened.path, "buffer", "max_bytes")
            message = "must be at least 1 MiB on disk, where the books are kept beside the data"
            self.complaints.error(path, message, _line_of(opened, "buffer", "max_bytes"))

    def entries(self, part: str, entry: Entry | None) -> list[Entry]:
        """Return what stands under ``readers`` or ``recorders``, with a complaint about each name that cannot be."""
        if entry is None:
            return []
        if not isinstance(entry.node, Section):
            self.complaints.error((part,), "must be a mapping from names to what they are", entry.line)
            return []
        entries = entry.node.entries
        if not entries:
            self.complaints.error((part,), f"is empty; describe at least one {part[:-1]}", entry.line)
        for first, name in Names(entries).alike():
            message = f"differs in case alone from {first} in line {entries[first].line}"
            self.complaints.error((part, name), message, entries[name].line)
        for name, found in entries.items():
            if not name.strip() or not name.isprintable():
                self.complaints.error((part, name), "a name needs letters, and no control characters", found.line)
        return list(entries.values())

    def _without_old_keys(self, section: Section) -> Section:
        """Return settings with the old name of the log level replaced."""
        entries = {}
        names = {name.casefold() for name in section.entries}
        for name, entry in section.entries.items():
            if name.casefold() != _OLD_LOG_LEVEL:
                entries[name] = entry
            elif "log_level" not in names:
                entries["log_level"] = Entry("log_level", entry.line, entry.node)
            else:
                self.complaints.remark(("settings", name), "ignored: log_level is given", entry.line)
        return Section(section.line, entries, section.repeats)

    def _open(
        self, entry: Entry, part: str, classes: Mapping[str, type[Any]], *models: type[SettingsModel]
    ) -> tuple[str, SectionReader | None]:
        path = (part, entry.name)
        if entry.is_blank:
            self.complaints.error(path, "is empty; give it a type", entry.line)
            return "", None
        if not isinstance(entry.node, Section):
            return "", open_section(entry, path, models, self.credentials)
        kind = self._type(entry.node, path, entry.line, classes)
        if kind is None:
            return "", None
        types = _types_in(entry.node)
        section = Section(entry.node.line, {name: one for name, one in entry.node.entries.items() if one not in types})
        all_models = (*models, settings_of(classes[kind]))
        explain = elsewhere(kind, classes)
        typed = Entry(entry.name, entry.line, section)
        return kind, open_section(typed, path, all_models, self.credentials, explain, self.made)

    def _type(self, section: Section, path: Path, line: int, classes: Mapping[str, type[Any]]) -> str | None:
        found = _types_in(section)
        path = (*path, "type")
        if len(found) > 1:
            self.complaints.error(path, f"given before, in line {found[0].line}", found[1].line)
        if not found and (misspelt := self.complaints.nearest("type", section.entries)):
            self.complaints.unknown_key((*path[:-1], misspelt), section.entries[misspelt].line, ("type",))
            return None
        if not found or found[0].is_blank:
            self.complaints.is_missing(path, line, hint=f"; write {listed(classes)}")
            return None
        node = found[0].node
        text = (node.value if isinstance(node.value, str) else node.text) if isinstance(node, Scalar) else ""
        if text in classes:
            return text
        for name in classes:
            if name.casefold() == text.casefold():
                return name
        if not self.complaints.refuses(path):
            message = f"must be {listed(classes)}" + self.complaints.suggest(text, classes)
            self.complaints.error(path, message, found[0].line)
        return None


def _types_in(section: Section) -> list[Entry]:
    return [entry for name, entry in section.entries.items() if name == "type" or name.casefold() == "type"]


def _line_of(opened: SectionReader, *keys: str) -> int:
    """Return the line of a key in a section in a section."""
    node: Node = opened.section
    line = opened.line
    for key in keys:
        entries = node.entries.items() if isinstance(node, Section) else ()
        for entry in (entry for name, entry in entries if name.casefold() == key):
            node, line = entry.node, entry.line
    return line
