"""A whole configuration: its parts, the routes between them, and what the user should know of it."""

from __future__ import annotations

import msgspec
import msgspec.structs

from ..routes import Names, Routing
from .catalogue import Catalogue
from .complaints import Complaints, fault, listed
from .credentials import Credentials
from .parts import PartReader
from .plans import Config, ReaderPlan, RecorderPlan, Settings
from .routing import RouteReader
from .tree import Entry, Node, Scalar, Section, walk

_PARTS = ("settings", "readers", "recorders", "routes")


def build(root: Node | None, complaints: Complaints, catalogue: Catalogue, *, file_is_public: bool = False) -> Config:
    """Return the configuration that a tree describes. Raises ConfigError with all complaints."""
    if root is None or (isinstance(root, Scalar) and root.value is None):
        raise fault(complaints.source, "empty configuration; write readers, recorders and routes")
    if not isinstance(root, Section):
        raise fault(complaints.source, "must be a mapping with readers, recorders and routes", root.line)
    _judge_repeats(root, complaints)
    draft = _Draft(complaints, catalogue, Credentials(complaints))
    draft.read(root)
    complaints.raise_errors()
    config = draft.config()
    complaints.raise_errors()
    draft.credentials.remark(file_is_public=file_is_public)
    return msgspec.structs.replace(config, remarks=complaints.remarks)


def _judge_repeats(root: Section, complaints: Complaints) -> None:
    """A route that is there twice counts twice; any other key that is there twice is an error."""
    for path, node in walk(root) if root.is_repetitive else ():
        for repeat in node.repeats if isinstance(node, Section) else ():
            first = node.entries[repeat.name].line if isinstance(node, Section) else 0
            if path == ("routes",):
                message = f"repeated: it is in line {first} too; both count"
                complaints.remark((*path, repeat.name), message, repeat.line)
            else:
                complaints.error((*path, repeat.name), f"repeated: it is in line {first} already", repeat.line)


class _Draft(msgspec.Struct, eq=False):
    """A configuration that is being read; with errors noted it is never made into one."""

    complaints: Complaints
    catalogue: Catalogue
    credentials: Credentials
    settings: Settings | None = None
    readers: dict[str, ReaderPlan] = {}
    recorders: dict[str, RecorderPlan] = {}
    routing: Routing | None = None
    lines: dict[tuple[str, str], int] = {}

    def read(self, root: Section) -> None:
        top = self._top(root)
        parts = PartReader(self.complaints, self.credentials)
        self.settings = parts.settings(top.get("settings"))
        reader_entries = parts.entries("readers", top.get("readers"))
        recorder_entries = parts.entries("recorders", top.get("recorders"))
        for entry in reader_entries:
            self.lines["readers", entry.name] = entry.line
            if reader := parts.reader(entry, self.catalogue.readers):
                self.readers[entry.name] = reader
        for entry in recorder_entries:
            self.lines["recorders", entry.name] = entry.line
            if recorder := parts.recorder(entry, self.catalogue.recorders):
                self.recorders[entry.name] = recorder
        # Names that are described with errors are names nonetheless.
        names = (Names(entry.name for entry in reader_entries), Names(entry.name for entry in recorder_entries))
        self.routing = RouteReader(self.complaints).read(top["routes"], *names) if "routes" in top else None

    def config(self) -> Config:
        """Return the configuration, which has no errors but perhaps those that are noted now."""
        assert self.settings
        assert self.routing
        self._remark_on_unused(self.routing)
        return Config(
            source=self.complaints.source,
            settings=self.settings,
            readers={
                name: self._named(plan, self.routing.engines.get(name, ())) for name, plan in self.readers.items()
            },
            recorders=self.recorders,
            engines=self.routing.engines,
            shared=self._shared(self.routing),
            remarks=(),
            secrets=frozenset(self.complaints.secrets - {""}),
        )

    def _top(self, root: Section) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for name, entry in root.entries.items():
            part = name.casefold()
            if part not in _PARTS:
                self.complaints.unknown_key((name,), entry.line, _PARTS)
            elif part in found:
                self.complaints.error((name,), f"given before, in line {found[part].line}", entry.line)
            elif not entry.is_blank:
                found[part] = entry
        for part in _PARTS[1:]:
            if part not in found:
                line = next((entry.line for name, entry in root.entries.items() if name.casefold() == part), 0)
                self.complaints.is_missing((part,), line)
        return found

    def _named(self, plan: ReaderPlan, recorders: tuple[str, ...]) -> ReaderPlan:
        """Return the reader's plan with a type name: its own, else its recorders', else the reader's name."""
        if plan.interpreter.type_name:
            return plan
        said = {name: self.recorders[name].type_name for name in recorders if self.recorders[name].type_name}
        if len(set(said.values())) > 1:
            what = listed((f"{name} says {type_name}" for name, type_name in said.items()), "and")
            message = f"has no type_name of its own, and its recorders disagree: {what}; give the reader one"
            self.complaints.error(("readers", plan.name), message, self.lines["readers", plan.name])
        type_name = next(iter(said.values()), plan.name)
        interpreter = plan.interpreter.model_copy(update={"type_name": type_name})
        return msgspec.structs.replace(plan, interpreter=interpreter)

    def _remark_on_unused(self, routing: Routing) -> None:
        for part, names in (("readers", routing.unused_readers), ("recorders", routing.unused_recorders)):
            for name in names:
                self.complaints.remark((part, name), "no route names it; it is not started", self.lines[part, name])

    def _shared(self, routing: Routing) -> frozenset[str]:
        """Return the recorders in use that write to the same place, and say so."""
        groups: dict[tuple[str, str], list[str]] = {}
        for name, plan in self.recorders.items():
            if name not in routing.unused_recorders:
                destination = self.catalogue.recorders[plan.type](plan.plugin).destination
                groups.setdefault((plan.type, destination), []).append(name)
        shared = {place: names for place, names in groups.items() if len(names) > 1}
        for (kind, destination), names in shared.items():
            message = f"{listed(names, 'and')} write to the same place, {destination}"
            line = self.lines["recorders", names[1]]
            if self.catalogue.recorders[kind].is_exclusive:
                self.complaints.error(("recorders", names[1]), f"{message}; it takes one recorder only", line)
            else:
                self.complaints.remark(("recorders",), message, line)
        return frozenset(name for names in shared.values() for name in names)
