"""What a name stands for in a cluster: an index, an alias, a data stream, or nothing yet."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from ...errors import RecordError
from .answers import Answer, decode, explain

if TYPE_CHECKING:
    from .client import Cluster
    from .destination import IndexName


_BUSY = (401, 408, 429)  # explained as they are, like all from 500 on


class _Index(msgspec.Struct):
    name: str


class _Alias(msgspec.Struct):
    name: str
    indices: list[str] = []


class _DataStream(msgspec.Struct):
    name: str
    backing_indices: list[str] = []


class Resolved(msgspec.Struct):
    """What was found under one name, or under several."""

    indices: list[_Index] = []
    aliases: list[_Alias] = []
    data_streams: list[_DataStream] = []

    def is_index(self, name: str) -> bool:
        return any(found.name == name for found in self.indices)

    def is_alias(self, name: str) -> bool:
        return any(found.name == name for found in self.aliases)

    def is_data_stream(self, name: str) -> bool:
        return any(found.name == name for found in self.data_streams)

    @property
    def names(self) -> list[str]:
        """Everything that was found, by name."""
        names = [index.name for index in self.indices] + [alias.name for alias in self.aliases]
        return names + [stream.name for stream in self.data_streams]

    @property
    def aliased(self) -> list[str]:
        """What the aliases stand for."""
        return [name for alias in self.aliases for name in alias.indices]

    @property
    def holders(self) -> list[str]:
        """The indices that hold the documents, each stream's oldest first."""
        backing = [name for stream in self.data_streams for name in stream.backing_indices]
        return [index.name for index in self.indices] + backing


async def learn_names(cluster: Cluster, index: IndexName) -> None:
    """Tell a name with fields which of its names are there; nothing is known where that may not be asked.

    Raises RecordError if the cluster cannot tell now.
    """
    if not index.wants_names:
        return
    path = f"/_resolve/index/{quote(index.pattern, safe='')}?filter_path=*.name"  # streams have many indices
    answer = await cluster.request("GET", path)
    if answer.status >= 500 or answer.status in _BUSY:
        raise explain(answer, f"looking for {index.pattern}")
    found = read_resolved(answer, index.pattern) if answer.status == 200 else Resolved()
    index.learn(found.names)


async def resolve(cluster: Cluster, *names: str) -> Answer:
    """Ask what names stand for. All products and versions answer this, and bare privileges on the name suffice."""
    return await cluster.request("GET", f"/_resolve/index/{','.join(quote(name, safe='') for name in names)}")


def read_resolved(answer: Answer, name: str) -> Resolved:
    """What an answer with status 200 says. Raises RecordError if it is none."""
    try:
        return decode(answer.body, Resolved)
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: no usable answer about what {name} is") from error
