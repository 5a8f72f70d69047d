"""Whether a recorder's templates are settled, and for how long that is believed.

Somebody may delete a template while we are at work, or a stream and its template: the next index would have types that
are guessed, and a stream that is made anew need not be a time series. So they are looked at again now and then, and
when documents went to another index than before. What cannot be seen then, though it could be, stops nothing: the
index that is written to has its types. Only a time series is not written to before it is sure to be one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from ...errors import RecorderLost, RecordError
from .contact import Product
from .destination import IndexName
from .doubts import tell_once
from .provision import Destination, TemplateRefused, check_series, settle_templates
from .settings import ElasticsearchSettings, Mode
from .template import Shape
from .whereabouts import whereabouts_of

if TYPE_CHECKING:
    from .client import Cluster

_BELIEVED = 600.0  # seconds
_CHANGING = 60.0  # seconds; documents of a time series go to several indices in turn


class Settlement:
    """What one recorder knows of its templates. Several batches may ask at once; one of them looks."""

    def __init__(
        self, settings: ElasticsearchSettings, index: IndexName, clock: Callable[[], float] = anyio.current_time
    ) -> None:
        self._settings = settings
        self._index = index
        self._clock = clock
        self._is_series = settings.mode is Mode.TIME_SERIES
        self._is_needed = settings.manage_template or self._is_series
        self._whereabouts = whereabouts_of(settings)
        self._looked = -math.inf
        self._holder = ""  # the index that was written to when that was last compared
        self._found: Destination | None = None
        self._lock = anyio.Lock()

    def is_due(self) -> bool:
        """Whether to look before the next bulk; takes note of the index that was written to."""
        if not self._is_needed:
            return False
        holder = self._whereabouts.last(self._index.text)
        self._holder = self._holder or holder
        age = self._clock() - self._looked
        return age >= _BELIEVED or (age >= _CHANGING and holder != self._holder)

    async def settle(self, cluster: Cluster, product: Product) -> None:
        """Return when bulks may leave. Raises RecordError, or TemplateRefused if trying again soon is of no use."""
        if self._found and self._lock.locked():
            return
        async with self._lock:
            if not self.is_due():
                return
            try:
                await self._look(cluster, product)
            except RecorderLost:
                raise
            except RecordError as error:
                if self._found is None or self._is_series:
                    raise
                if isinstance(error, TemplateRefused):
                    tell_once(self._settings, self._index.text, [str(error)])
            self._looked = self._clock()
            self._holder = self._whereabouts.last(self._index.text)

    async def _look(self, cluster: Cluster, product: Product) -> None:
        before = self._found
        found = None
        if self._settings.manage_template:
            found = await settle_templates(cluster, product, self._index, self._settings, is_first=before is None)
        if self._is_series:
            await check_series(cluster, self._index)
        self._found = found or Destination(Shape.SERIES, "mode says time_series")
        if before and before.shape is not Shape.PLAIN and self._found.shape is Shape.PLAIN:
            was = f"it was {before.shape.value}, and is {self._found.shape.value} now: {self._found.reason}"
            tell_once(self._settings, self._index.text, [f"{was}; its types may be guessed ones"])
