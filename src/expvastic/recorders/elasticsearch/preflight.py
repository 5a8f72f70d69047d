"""The pre-flight: what would become of some documents at their destination, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...datatypes import Container
from ...recorder import Finding
from .contact import Product
from .destination import IndexName
from .inspection import Layout, ask_future_layout, ask_layout, find_faults, read_layout
from .provision import find_destination, look, wanted_pieces
from .settings import ElasticsearchSettings
from .template import Shape, build_mappings, build_settings, features_of

if TYPE_CHECKING:
    from .client import Cluster


async def inspect(
    cluster: Cluster,
    product: Product,
    index: IndexName,
    settings: ElasticsearchSettings,
    batch: Sequence[Container],
) -> list[Finding]:
    """What the destination would not take of a batch as it is, each name's problems once.

    A name with fields or dates stands for several indices: each is compared with what would go to it. Raises
    RecordError if it cannot be told.
    """
    by_name: dict[str, list[bytes]] = {}
    for container in batch:
        by_name.setdefault(index.of(container), []).append(container.document)
    future: Layout | None = None
    findings: dict[Finding, None] = {}
    for name, documents in by_name.items():
        layout = await ask_layout(cluster, name)
        if layout is None:
            layout = future = future or await _foresee(cluster, product, index, settings, name)
        findings |= dict.fromkeys(find_faults(layout, documents))
    return list(findings)


async def _foresee(
    cluster: Cluster, product: Product, index: IndexName, settings: ElasticsearchSettings, name: str
) -> Layout:
    """The layout that the destination will have: by our template, if it is still to be installed."""
    if settings.manage_template:
        features = features_of(product)
        destination = await find_destination(cluster, index, settings.mode)
        condition, _ = await look(cluster, wanted_pieces(product, index, settings, destination)[-1])
        if condition.wants_install:
            is_series = destination.shape is Shape.SERIES
            return read_layout(
                build_mappings(features, is_series=is_series), build_settings(features, is_series=is_series)
            )
    return await ask_future_layout(cluster, name)
