"""Brings one batch to a cluster, in as many bulks as it takes.

What a bulk was answered stands, whatever becomes of the next one: nothing that is settled is sent again.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio

from ...datatypes import Container
from ...errors import RecorderLost, RecordError
from ...recorder import Outcome, Verdict
from .answers import Answer, ConnectionCut, explain, is_push_back, read_error, tidy
from .bulks import NDJSON, Bulk, Ceiling
from .contact import make_contact
from .destination import IndexName
from .settings import ElasticsearchSettings
from .suspects import LEAST, suspects_of
from .verdicts import FILTER_PATH, Item, find_written, judge_items, read_items
from .whereabouts import whereabouts_of

if TYPE_CHECKING:
    from .client import Cluster

# No server that is set up well takes less: 413 to a smaller document tells of the server.
_SMALL = 64 * 1024


class Sender:
    """Sends the batches of one recorder; several may be under way at once.

    A bulk that is too large for the server is cut up, and the following ones are no larger than what went through.
    ``build`` makes the bulk of a batch, ``judge`` the verdicts on its items, where they are not to be the usual ones.
    """

    def __init__(
        self,
        settings: ElasticsearchSettings,
        index: IndexName,
        clock: Callable[[], float] = anyio.current_time,
        *,
        build: Callable[[Sequence[Container]], Bulk] | None = None,
        judge: Callable[[Sequence[Item], Sequence[str]], list[Verdict]] = judge_items,
    ) -> None:
        self._build = build or functools.partial(Bulk.of, index=index)
        self._judge = judge
        self._clock = clock
        self._compress = settings.compress
        self._ceiling = Ceiling()
        self._suspects = suspects_of(settings)
        self._whereabouts = whereabouts_of(settings)
        # Ids that are ours need not come back.
        self._target = f"/_bulk?filter_path={FILTER_PATH}{',items.*._id' if build else ''}"
        if settings.pipeline:
            self._target += f"&pipeline={quote(settings.pipeline, safe='')}"

    async def send(self, cluster: Cluster, batch: Sequence[Container]) -> list[Verdict]:
        """The verdicts on a batch. Raises RecordError if not even the first bulk was answered, or if all is lost.

        What is left when half of the caller's time is gone is put off: were it cancelled, the answers would be lost.
        """
        verdicts: list[Verdict] = []
        left = deque(self._build(batch).pieces(self._ceiling.bytes))
        begun = self._clock()
        late = begun + (anyio.current_effective_deadline() - begun) / 2
        refused = math.inf  # bytes; the server takes no documents as large as this
        while left:
            bulk = left.popleft()
            if refused < math.inf and refused <= min(bulk.sizes) and max(bulk.sizes) < _SMALL:
                verdicts += _too_large(bulk)
                continue
            if verdicts and self._clock() > late:
                return [*verdicts, *_put_off([bulk, *left], "no time left")]
            try:
                answered = await self._send(cluster, bulk)
            except RecordError as error:
                if not verdicts or isinstance(error, RecorderLost):
                    error.in_doubt |= bool(verdicts)
                    raise
                failed = _put_off([bulk], "bulk failed", error)
                return [*verdicts, *failed, *_put_off(left, "bulk before it failed")]
            if answered is not None:
                verdicts += answered
            elif len(bulk) > 1:
                left.extendleft(reversed(bulk.halves()))
            else:
                refused = min(refused, bulk.size)
                verdicts += _too_large(bulk)
        return verdicts

    async def _send(self, cluster: Cluster, bulk: Bulk) -> list[Verdict] | None:
        """The verdicts on one bulk; None if it is too large."""
        try:
            answer = await self._request(cluster, bulk)
        except ConnectionCut as error:
            await self._judge_cut(cluster, bulk, error)
            return None
        self._suspects.went_through(bulk.first_action)
        if answer.status == 413:
            self._ceiling.was_refused(bulk)
            return None
        if answer.status != 200:
            if is_push_back(answer.status, read_error(answer.body)[0]):
                self._ceiling.was_pushed_back(bulk)
            raise explain(answer, "bulk")
        items = read_items(answer, len(bulk))
        if any(item.is_push_back for item in items if item.error is not None):
            self._ceiling.was_pushed_back(bulk)
        else:
            self._ceiling.went_through(bulk)
        self._whereabouts.saw(find_written(items, bulk.destinations))
        return self._judge(items, bulk.destinations)

    async def _request(self, cluster: Cluster, bulk: Bulk) -> Answer:
        if not self._compress:
            return await cluster.request("POST", self._target, body=bulk.body, headers=NDJSON)
        body = _compress(bulk.body)
        return await cluster.request("POST", self._target, body=body, headers={**NDJSON, "content-encoding": "gzip"})

    async def _judge_cut(self, cluster: Cluster, bulk: Bulk, error: ConnectionCut) -> None:
        """Next time smaller; only a large document alone, cut again and again by a server that is well, is refused."""
        self._ceiling.was_cut(bulk)
        if len(bulk) > 1 or bulk.size < LEAST or not error.in_body:
            raise error
        try:
            await make_contact(cluster)
        except RecordError as worse:
            self._suspects.clear()
            worse.in_doubt = True
            raise
        if not self._suspects.was_cut(bulk.first_action):
            raise error


def _too_large(bulk: Bulk) -> Iterable[Verdict]:
    """A large document is at fault, a small one tells of a server that takes next to nothing."""
    for size, destination in zip(bulk.sizes, bulk.destinations, strict=True):
        outcome, what = Outcome.REFUSED, "is more than the server, or a proxy before it, takes"
        if size < _SMALL:
            outcome, what = Outcome.BLOCKED, "is too much for the server, or for a proxy before it: raise its limit"
        detail = f"a document of {size} bytes {what}"
        yield Verdict(outcome, reason="413 too large", detail=detail, destination=destination)


def _put_off(bulks: Iterable[Bulk], reason: str, error: RecordError | None = None) -> Iterable[Verdict]:
    """To be tried again: with an error it was sent, without one it was not."""
    detail, in_doubt = (tidy(str(error)), error.in_doubt) if error else ("", False)
    for bulk in bulks:
        for destination in bulk.destinations:
            yield Verdict(Outcome.AGAIN, reason=reason, detail=detail, destination=destination, in_doubt=in_doubt)


def _compress(body: bytes) -> bytes:
    from isal import igzip

    return igzip.compress(body, compresslevel=1)
