"""What a configuration comes to: settings of the process, plans of readers and recorders, and who goes with whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from ..delivery import DeliverySettings
from ..engine import EngineSettings, LogLevel
from ..errors import Complaint
from ..pages.mapping import MappingSettings
from ..pages.settings import InterpreterSettings
from ..settings import ByteSize, Duration, SettingsModel

if TYPE_CHECKING:
    from ..shards import Shard

MOST_WORKERS = 256


def _check_folder(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("not the name of a folder; write it like /var/lib/expvastic")
    return text


def _parse_workers(value: Any) -> int | str:
    if isinstance(value, str) and value.casefold() == "auto":
        return "auto"
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 9 else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_WORKERS:
        raise ValueError(f"must be a number from 1 to {MOST_WORKERS}, or auto")
    return number


Workers = Annotated[
    int | Literal["auto"],
    BeforeValidator(_parse_workers),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}, {"const": "auto"}]}),
]


def _check_listen(text: str) -> str:
    from ..listener.address import parse_listen  # for those who listen

    parse_listen(text)
    return text


class Settings(SettingsModel):
    """The process as a whole."""

    log_level: LogLevel = "info"
    """The least that is logged. A reader may have its own."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """How a log line looks: `text` for people, `json` for programs; `auto` is `text` on a terminal."""
    state_dir: Annotated[str, AfterValidator(_check_folder)] | None = None
    """A folder for this process alone: buffers are on disk in it, and what is known of the readers' targets outlives a
    restart. It is made if only its last part is missing; a relative one counts from the working directory. Unless
    given, all that is in memory, and lost with the process."""
    listen: Annotated[str, AfterValidator(_check_listen)] | None = None
    """Where `/healthz`, `/readyz`, `/metrics` and `/debug/vars` are served: a loopback address and port such as
    `127.0.0.1:8642`, or a unix socket as `unix:/path`; any address with `public://` before it. Nowhere, unless
    given."""
    grace: Duration = 10.0
    """Time to deliver what was read, after the signal to stop."""
    memory: ByteSize = 256 * 2**20
    """Bytes that all buffers in memory may hold together, those on disk not counted; if their limits add up to more,
    each has its share."""
    workers: Workers = 1
    """How many processes share the readers, on this machine and with one status: for thousands of readers, where one
    core is not enough. A number, or `auto`: one for each core that may be used. See [more than one
    process](scaling.md)."""


class RecorderNaming(SettingsModel):
    """What a recorder says about its readers."""

    type_name: str = ""
    """The `type_name` of readers that are routed here and have none of their own. The recorders of one reader must
    agree."""


class ReaderPlan(msgspec.Struct, frozen=True):
    """One reader as configured; its interpreter's settings are complete."""

    name: str
    type: str
    engine: EngineSettings
    interpreter: InterpreterSettings
    plugin: SettingsModel
    map_file: MappingSettings | None = None  # what the file says that the interpreter's settings name

    def __repr__(self) -> str:
        return f"ReaderPlan({self.name!r})"  # there are secrets in it


class RecorderPlan(msgspec.Struct, frozen=True):
    """One recorder as configured. ``type_name`` is what it gives to readers that have none, empty for nothing."""

    name: str
    type: str
    delivery: DeliverySettings
    plugin: SettingsModel
    type_name: str

    def __repr__(self) -> str:
        return f"RecorderPlan({self.name!r})"


class Config(msgspec.Struct, frozen=True):
    """A valid configuration.

    ``readers`` and ``recorders`` are all that are described, in the order of the file; ``engines`` are those that a
    route names: each reader with its recorders. ``shared`` are the recorders that write where another one of them does.
    ``remarks`` are for the user to know, ``secrets`` for nobody. ``elsewhere`` are the readers that other processes
    poll where several share one configuration, of which this is ``shard``.
    """

    source: str
    settings: Settings
    readers: Mapping[str, ReaderPlan]
    recorders: Mapping[str, RecorderPlan]
    engines: Mapping[str, tuple[str, ...]]
    shared: frozenset[str]
    remarks: tuple[Complaint, ...]
    secrets: frozenset[str]
    shard: Shard | None = None
    elsewhere: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Config({self.source!r})"

    @property
    def polled(self) -> dict[str, tuple[str, ...]]:
        """The readers that this process polls, each with its recorders."""
        return {name: recorders for name, recorders in self.engines.items() if name not in self.elsewhere}
