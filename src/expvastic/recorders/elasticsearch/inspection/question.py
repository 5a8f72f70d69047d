"""Asks a cluster for the layout of a destination: of its newest index, or of that which it would make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ....errors import RecordError
from ..answers import Answer, decode, explain
from .layout import Layout, read_layout

if TYPE_CHECKING:
    from ..client import Cluster


async def ask_layout(cluster: Cluster, name: str) -> Layout | None:
    """The layout of an index, or of the newest behind an alias or a data stream; None if there is none yet.

    Raises RecordError if it may not be asked.
    """
    path = f"/{quote(name, safe='')}"
    answer = await cluster.request("GET", f"{path}/_mapping")
    if answer.status == 404:
        return None
    indices = _read(answer, name)
    newest = max(indices, default="", key=_age)
    if not newest:
        return None
    settings = _read(await cluster.request("GET", f"{path}/_settings"), name)
    return read_layout(_part(indices[newest], "mappings"), _part(settings.get(newest, {}), "settings"))


async def ask_future_layout(cluster: Cluster, name: str) -> Layout:
    """The layout of an index of that name, were it made now by the templates that are there."""
    answer = await cluster.request("POST", f"/_index_template/_simulate_index/{quote(name, safe='')}")
    template = _part(_read(answer, name), "template")
    return read_layout(_part(template, "mappings"), _part(template, "settings"))


def _age(index: str) -> tuple[int, str]:
    """Backing indices end in a number that grows; their date is that of when they were made."""
    number = index.rpartition("-")[2]
    return (int(number) if number.isdecimal() else 0, index)


def _read(answer: Answer, name: str) -> dict[str, Any]:
    if answer.status != 200:
        raise explain(answer, f"looking at the mapping of {name}")
    try:
        return decode(answer.body, dict[str, Any])
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: no usable answer about the mapping of {name}") from error


def _part(content: object, name: str) -> Mapping[str, Any]:
    part = content.get(name) if isinstance(content, Mapping) else None
    return part if isinstance(part, Mapping) else {}
