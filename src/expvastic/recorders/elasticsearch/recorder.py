"""Records by bulk requests that create each document under its id, once."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

import anyio
import anyio.to_thread

from ...datatypes import Container
from ...errors import RecordError
from ...recorder import Outcome, Recorder, Verdict
from .answers import ConnectionCut, explain
from .bulks import NDJSON, Bulk, Ceiling
from .contact import Product, make_contact
from .destination import IndexName
from .provision import settle_template
from .settings import ElasticsearchSettings
from .suspects import LEAST, suspects_of
from .verdicts import FILTER_PATH, read_verdicts

if TYPE_CHECKING:
    from .client import Cluster

_CLOSE_LIMIT = 1.0  # seconds


class ElasticsearchRecorder(Recorder[ElasticsearchSettings]):
    """One index or data stream of a cluster.

    The template is settled with the first batch, so that entering writes nothing. A bulk that is too large for the
    server is cut up, and the following ones are no larger than what went through.
    """

    settings_type = ElasticsearchSettings

    def __init__(self, settings: ElasticsearchSettings) -> None:
        super().__init__(settings)
        self.product = Product()
        self._index = IndexName(settings.index_name)
        self._cluster: Cluster | None = None
        self._is_settled = not settings.manage_template
        self._ceiling = Ceiling()
        self._suspects = suspects_of(settings)
        self._target = f"/_bulk?filter_path={FILTER_PATH}"
        if settings.pipeline:
            self._target += f"&pipeline={quote(settings.pipeline, safe='')}"

    @property
    def destination(self) -> str:
        return f"{self.settings.address}/{self.settings.index_name}"

    async def __aenter__(self) -> Self:
        self._cluster = await anyio.to_thread.run_sync(_open, self.settings)
        try:
            self.product = await make_contact(self._cluster)
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
        if self._cluster is None:
            raise RecordError(f"{self.destination}: not entered")
        if not batch:
            return []
        if not self._is_settled:
            await settle_template(self._cluster, self._index, self.settings.mode)
            self._is_settled = True
        verdicts: list[Verdict] = []
        for bulk in Bulk.of(batch, self._index).pieces(self._ceiling.bytes):
            verdicts += await self._send(self._cluster, bulk)
        return verdicts

    async def _send(self, cluster: Cluster, bulk: Bulk) -> list[Verdict]:
        body, headers = bulk.body, NDJSON
        if self.settings.compress:
            body, headers = _compress(body), {**NDJSON, "content-encoding": "gzip"}
        try:
            answer = await cluster.request("POST", self._target, body=body, headers=headers)
        except ConnectionCut as error:
            return await self._judge_cut(cluster, bulk, error)
        self._suspects.went_through(bulk.first_action)
        if answer.status == 413:
            return await self._send_halves(cluster, bulk)
        if answer.status != 200:
            raise explain(answer, "bulk")
        return read_verdicts(answer, bulk.destinations)

    async def _send_halves(self, cluster: Cluster, bulk: Bulk) -> list[Verdict]:
        if len(bulk) == 1:
            return [_too_large(bulk)]
        self._ceiling.was_refused(bulk.size)
        first, second = bulk.halves()
        return [*await self._send(cluster, first), *await self._send(cluster, second)]

    async def _judge_cut(self, cluster: Cluster, bulk: Bulk, error: ConnectionCut) -> list[Verdict]:
        """Next time smaller; only a large document alone, cut again and again by a server that is well, is refused."""
        self._ceiling.was_cut(bulk.size)
        if len(bulk) > 1 or bulk.size < LEAST or not error.in_body:
            raise error
        try:
            await make_contact(cluster)
        except RecordError:
            self._suspects.clear()
            raise
        if not self._suspects.was_cut(bulk.first_action):
            raise error
        return [_too_large(bulk)]


def _open(settings: ElasticsearchSettings) -> Cluster:
    from .client import open_cluster  # takes a third of a second, the first time

    return open_cluster(settings)


def _too_large(bulk: Bulk) -> Verdict:
    detail = f"a document of {bulk.size} bytes is more than the server, or a proxy before it, takes"
    return Verdict(Outcome.REFUSED, reason="413 too large", detail=detail, destination=bulk.destinations[0])


def _compress(body: bytes) -> bytes:
    from isal import igzip

    return igzip.compress(body, compresslevel=1)
