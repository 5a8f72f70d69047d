"""What a destination is taken for, why, and how its template stands: as it will be, and as it is; for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contact import Product
from .destination import IndexName
from .doubts import find_doubts
from .provision import check_series, find_destination, look, wanted_pieces
from .settings import ElasticsearchSettings, Mode
from .template import VERSION, Condition, Shape, template_name

if TYPE_CHECKING:
    from .client import Cluster

_KINDS = {
    Mode.DATA_STREAM: "a data stream: mode says data_stream",
    Mode.INDEX: "an index: mode says index",
    Mode.TIME_SERIES: "a time series: mode says time_series",
}
_BECOMES = {
    Condition.MISSING: "is installed before the first document",
    Condition.OLDER: "is updated before the next document",
    Condition.UNSUITED: "is replaced before the next document",
}
_LEFT = "types are up to the templates that are there (manage_template: false)"


def foretell(index: IndexName, settings: ElasticsearchSettings) -> str:
    """As it will be, as far as the settings tell."""
    kind = _KINDS.get(settings.mode)
    if kind is None and index.dated:
        kind = "an index: there is a date in its name"
    elif kind is None:
        of = "of it; each of its names is one" if index.fields else "of that name"
        kind = f"a data stream, unless there is an index or alias {of}"
    if not settings.manage_template:
        return f"{kind}; {_LEFT}"
    return f"{kind}; index template {template_name(index)} (version {VERSION}) is installed if it is missing or older"


async def describe(cluster: Cluster, product: Product, index: IndexName, settings: ElasticsearchSettings) -> list[str]:
    """As it is, and then what an operator should know. Raises RecordError if nothing would be written to it."""
    destination = await find_destination(cluster, index, settings.mode)
    about = f"{product}, {index.text} is {destination.shape.value}: {destination.reason}"
    if destination.is_there:
        return [f"{about}; it gets no template"]
    pieces = wanted_pieces(product, index, settings, destination) if settings.manage_template else ()
    if destination.shape is Shape.SERIES:
        await check_series(cluster, index, is_settled=not pieces)
    if not pieces:
        return [f"{about}; {_LEFT}"]
    piece = pieces[-1]
    condition, _ = await look(cluster, piece)
    shape, is_installed = destination.shape, condition is not Condition.MISSING
    doubts = await find_doubts(cluster, product, index, settings, shape, is_installed=is_installed)
    return [f"{about}; {piece.words} is {condition.value}{_what_next(condition)}", *doubts]


def _what_next(condition: Condition) -> str:
    return f" and {_BECOMES[condition]}" if condition in _BECOMES else " and stays as it is"
