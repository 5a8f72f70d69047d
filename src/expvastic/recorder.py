"""What a recorder is: ``record(batch)`` writes, and answers with one verdict per container."""

from __future__ import annotations

import abc
import enum
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

import msgspec
from pydantic import BaseModel

from .datatypes import Container

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Outcome(enum.Enum):
    """What became of one container."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"  # it was there already, under the same id
    AGAIN = "again"  # not now: try this one again
    REFUSED = "refused"  # never: the fault is the document's
    BLOCKED = "blocked"  # not now, and the fault is the destination's


class Verdict(msgspec.Struct, frozen=True):
    """One container's outcome, with the reason where it is not plainly recorded.

    ``reason`` is a short fixed phrase fit for counting (a status and an error type, say), ``detail`` the destination's
    own words, ``field`` the name of the value that was refused, if the destination named one, and ``destination`` the
    index, stream or file. ``in_doubt`` goes with AGAIN: the container may have been recorded all the same.
    """

    outcome: Outcome
    reason: str = ""
    detail: str = ""
    field: str = ""
    destination: str = ""
    in_doubt: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the container is recorded, as it was sent, where it was sent to."""
        return self.outcome is Outcome.RECORDED and not self.reason


RECORDED = Verdict(Outcome.RECORDED)
DUPLICATE = Verdict(Outcome.DUPLICATE)


class Recorder(abc.ABC, Generic[SettingsT]):
    """One place to write to.

    Constructing does no I/O. Entering makes contact and raises RecordError if there is none; it writes no samples and
    creates nothing that ``check`` would have to undo. Leaving always closes, even when it fails, and may be repeated.
    A broken recorder is not repaired: the delivery enters a fresh one made from the same settings. The caller sets
    every deadline, and may cancel a ``record()`` at any time; the recorder is usable afterwards.
    """

    settings_type: ClassVar[type[BaseModel]]
    concurrency: ClassVar[int] = 1  # how many calls of record() may overlap
    is_exclusive: ClassVar[bool] = False  # whether a destination has room for one recorder only

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @classmethod
    def of_shard(cls, settings: SettingsT, word: str, *, is_alone: bool) -> SettingsT:
        """The settings for one of several processes over one configuration, which ``word`` tells from the others.

        Raises ValueError, with what to do, if they cannot have the destination together; ``is_alone`` says that there
        is but one process.
        """
        del word, is_alone
        return settings

    @property
    @abc.abstractmethod
    def destination(self) -> str:
        """Where it writes, for people: no credentials. Equal for two recorders that write to the same place."""

    @abc.abstractmethod
    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        """Write the batch in order; the answer has one verdict per container, in the same order.

        Raises RecordError, and nothing else of its own, if it is not known what became of the batch.
        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Searched(abc.ABC):
    """What a recorder can besides, whose destination may hold a container that ``record()`` would write again."""

    @abc.abstractmethod
    async def find(self, batch: Sequence[Container]) -> Sequence[bool]:
        """Which of these, whose last try has an unknown outcome, are recorded already though nobody would notice.

        True only for those that must not be sent again; false where it does not matter or may not be known. Raises
        RecordError if it cannot be told now.
        """


class Counted(abc.ABC):
    """What a recorder can besides, whose destination can tell how much it holds of whom."""

    @abc.abstractmethod
    async def count_by_minute(self, agent_id: str, since: int, until: int) -> Mapping[int, int]:
        """How many documents of one ``agent.id`` there are of each minute of ``@timestamp``; none where it is left out.

        Minutes are numbered from the epoch, ``until`` is not asked for any more. Whatever ``record()`` has answered
        for is counted. Raises RecordError.
        """


class Provision(msgspec.Struct, frozen=True):
    """One thing that a destination is to have.

    ``request`` and ``body`` are how it is made, for people who do it by other means; ``condition`` says in words how it
    stands, ``difference`` is what installing it would change (``+``) and take away (``-``). ``is_due`` says that it
    would change something, and may; ``is_seen`` is false if what is there may not be looked at.
    """

    name: str
    request: str
    body: str
    condition: str
    difference: tuple[str, ...]
    is_due: bool
    is_seen: bool = True


class Survey(msgspec.Struct, frozen=True):
    """What a destination is, what it is to have, in the order of installing, and what an operator should know of it."""

    about: str
    provisions: tuple[Provision, ...] = ()
    remarks: tuple[str, ...] = ()


class Provisioned(abc.ABC):
    """What a recorder can besides, whose destination needs something that may take stronger credentials to install."""

    @property
    @abc.abstractmethod
    def outlook(self) -> str:
        """What the destination will be and what is installed for it, as far as that can be told without asking."""

    @abc.abstractmethod
    async def describe(self) -> Sequence[str]:
        """One line that says what the destination is, why, and how what it needs stands; then what else is to be known.

        Raises RecordError if nothing would be written to it as things are.
        """

    @abc.abstractmethod
    async def survey(self) -> Survey:
        """What there is and what is missing; changes nothing. Raises RecordError."""

    @abc.abstractmethod
    async def provide(self, provision: Provision) -> None:
        """Install one thing of the survey; what is newer, or not ours, is left alone. Raises RecordError."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that a destination would not take as it is: the name, what would become of it, what to do about it."""

    field: str
    problem: str
    advice: str


class Inspected(abc.ABC):
    """What a recorder can besides, whose destination has opinions on types that can be asked for beforehand."""

    @abc.abstractmethod
    async def inspect(self, batch: Sequence[Container]) -> Sequence[Finding]:
        """What would be refused or changed of these containers, each name's problems once; nothing is recorded.

        Raises RecordError if it cannot be told.
        """
