"""Records by bulk requests that create each document under its id, once.

Made before the first poll, to tell its destination; most of what it takes to write is imported after that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

import anyio
import anyio.to_thread

from ...datatypes import Container
from ...errors import RecordError
from ...recorder import (
    Counted,
    Finding,
    Inspected,
    Outcome,
    Provision,
    Provisioned,
    Recorder,
    Searched,
    Survey,
    Verdict,
)
from .contact import Product, make_contact
from .destination import index_of
from .settings import ElasticsearchSettings, Mode

if TYPE_CHECKING:
    from .client import Cluster
    from .sending import Sender
    from .series import SeriesSender
    from .settling import Settlement

_CLOSE_LIMIT = 1.0  # seconds


class ElasticsearchRecorder(Recorder[ElasticsearchSettings], Searched, Counted, Provisioned, Inspected):
    """One index or data stream of a cluster.

    The template is settled with the first batch, so that entering writes nothing.
    """

    settings_type = ElasticsearchSettings
    concurrency: ClassVar[int] = 8

    def __init__(self, settings: ElasticsearchSettings) -> None:
        super().__init__(settings)
        self.product = Product()
        self._index = index_of(settings)
        self._cluster: Cluster | None = None

    @property
    def destination(self) -> str:
        return f"{self.settings.address}/{self.settings.index_name}"

    @cached_property
    def _settlement(self) -> Settlement:
        from .settling import Settlement

        return Settlement(self.settings, self._index)

    @cached_property
    def _series(self) -> SeriesSender | None:
        if self.settings.mode is not Mode.TIME_SERIES:
            return None
        from .series import SeriesSender

        return SeriesSender(self.settings, self._index)

    @cached_property
    def _sender(self) -> Sender | SeriesSender:
        from .sending import Sender

        return self._series or Sender(self.settings, self._index)

    async def __aenter__(self) -> Self:
        self._cluster = await anyio.to_thread.run_sync(_open, self.settings)
        try:
            with _before_any_bulk():
                self.product = await make_contact(self._cluster)
                from .resolve import learn_names

                await learn_names(self._cluster, self._index)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            with anyio.move_on_after(_CLOSE_LIMIT, shield=True):
                await cluster.close()

    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        from .provision import TemplateRefused

        cluster = self._entered_cluster()
        if not batch:
            return []
        if self._settlement.is_due():
            try:
                with _before_any_bulk():
                    await self._settlement.settle(cluster, self.product)
            except TemplateRefused as error:
                return [self._block(container, str(error)) for container in batch]
        return await self._sender.send(cluster, batch)

    async def find(self, batch: Sequence[Container]) -> Sequence[bool]:
        if self._series:
            return await self._series.find(self._entered_cluster(), batch)
        from .search import find_recorded
        from .whereabouts import whereabouts_of

        destinations = [self._index.of(container) for container in batch]
        ids = [container.id for container in batch]
        return await find_recorded(self._entered_cluster(), whereabouts_of(self.settings), ids, destinations)

    async def count_by_minute(self, agent_id: str, since: int, until: int) -> Mapping[int, int]:
        from .counting import count_by_minute
        from .template import sibling_of

        pattern = f"{self._index.pattern},{sibling_of(self._index).text}" if self._series else self._index.pattern
        return await count_by_minute(self._entered_cluster(), pattern, agent_id, since, until)

    @property
    def outlook(self) -> str:
        from .description import foretell

        return foretell(self._index, self.settings)

    async def describe(self) -> Sequence[str]:
        from .description import describe

        return await describe(self._entered_cluster(), self.product, self._index, self.settings)

    async def survey(self) -> Survey:
        from .survey import survey

        return await survey(self._entered_cluster(), self.product, self._index, self.settings)

    async def provide(self, provision: Provision) -> None:
        from .survey import provide

        await provide(self._entered_cluster(), self.product, self._index, self.settings, provision)

    async def inspect(self, batch: Sequence[Container]) -> Sequence[Finding]:
        from .preflight import inspect

        return await inspect(self._entered_cluster(), self.product, self._index, self.settings, batch)

    def _entered_cluster(self) -> Cluster:
        if self._cluster is None:
            raise RecordError(f"{self.destination}: not entered", in_doubt=False)
        return self._cluster

    def _block(self, container: Container, why: str) -> Verdict:
        """Nothing was sent, and nothing is to be sent soon: types guessed from the first values would stay."""
        destination = self._index.of(container)
        return Verdict(Outcome.BLOCKED, reason="no usable template", detail=why, destination=destination)


@contextlib.contextmanager
def _before_any_bulk() -> Iterator[None]:
    """What fails here, however it does, has written no document."""
    try:
        yield
    except RecordError as error:
        error.in_doubt = False
        raise


def _open(settings: ElasticsearchSettings) -> Cluster:
    from .client import open_cluster  # takes a third of a second, the first time

    return open_cluster(settings)
