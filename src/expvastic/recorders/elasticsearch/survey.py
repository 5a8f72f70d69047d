"""What a destination has of what it needs, for people; and installing it by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...recorder import Provision, Survey
from .contact import Product
from .destination import IndexName
from .doubts import find_doubts
from .provision import TemplateRefused, find_destination, install, look, wanted_pieces
from .settings import ElasticsearchSettings
from .template import Condition, Piece, compare

if TYPE_CHECKING:
    from .client import Cluster


async def survey(cluster: Cluster, product: Product, index: IndexName, settings: ElasticsearchSettings) -> Survey:
    """What the destination is and what it is to have. Raises RecordError."""
    destination = await find_destination(cluster, index, settings.mode)
    about = f"{product}, {index.text} is {destination.shape.value}: {destination.reason}"
    if destination.is_there:
        return Survey(f"{about}, which gets no template")
    provisions = [await _look_at(cluster, piece) for piece in wanted_pieces(product, index, settings, destination)]
    shape, is_installed = destination.shape, provisions[-1].condition != Condition.MISSING.value
    remarks = await find_doubts(cluster, product, index, settings, shape, is_installed=is_installed)
    return Survey(about, tuple(provisions), tuple(remarks))


async def provide(
    cluster: Cluster, product: Product, index: IndexName, settings: ElasticsearchSettings, provision: Provision
) -> None:
    """Install one piece, even if an equal version of ours, but with other settings, is there. Raises RecordError."""
    destination = await find_destination(cluster, index, settings.mode)
    for piece in wanted_pieces(product, index, settings, destination):
        if piece.words == provision.name:
            await install(cluster, piece, anew=True)


async def _look_at(cluster: Cluster, piece: Piece) -> Provision:
    difference: tuple[str, ...] = ()
    try:
        condition, installed = await look(cluster, piece)
    except TemplateRefused as error:  # the request may be for somebody who is allowed more
        words, is_due, is_seen = f"not to be seen: {error}", True, False
    else:
        difference = compare(piece, installed)
        is_due = condition.wants_install or (condition is Condition.CURRENT and bool(difference))
        words, is_seen = condition.value, True
    body = json.dumps(piece.content, indent=2, ensure_ascii=False)
    return Provision(piece.words, f"PUT {piece.path}", body, words, difference, is_due, is_seen)
