"""What a reader is: ``read()`` waits until there is something, and returns it."""

from __future__ import annotations

import abc
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel

from .datatypes import Reading
from .telemetry import Snapshot

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Reader(abc.ABC, Generic[SettingsT]):
    """One target.

    Constructing does no I/O; entering makes ready, leaving closes and may be repeated. The caller sets the deadline of
    a ``read()`` and may cancel it at any time; the reader is usable afterwards. ``snapshot`` tells the state of this
    process, for readers that read it.
    """

    settings_type: ClassVar[type[BaseModel]]
    prefix: ClassVar[str]  # the default for the names of this reader's values
    is_go: ClassVar[bool] = False  # whether its pages are those of Go programs
    reads_itself: ClassVar[bool] = False  # whether what it reads is the process it is in: then every process has it

    def __init__(self, settings: SettingsT, snapshot: Callable[[], Snapshot]) -> None:
        self.settings = settings
        self._snapshot = snapshot

    @property
    @abc.abstractmethod
    def target(self) -> str:
        """What is read, for people and as ``service.address``: no credentials, no query; empty without an address."""

    @abc.abstractmethod
    async def read(self) -> Reading:
        """Wait for the next reading.

        Raises ReadError, and nothing else of its own, if there is none.
        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
