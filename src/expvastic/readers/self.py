"""Reads expvastic itself: what it costs, what it reads and what became of it, without a socket."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import anyio

from ..accounts import Fields, lag_seconds, process_fields, reader_fields, recorder_fields
from ..datatypes import Page, Reading
from ..reader import Reader
from ..settings import Duration, SettingsModel
from ..telemetry import Snapshot


class SelfSettings(SettingsModel):
    """expvastic's own telemetry: a document about the process, one about each recorder, and one about each reader."""

    reader_interval: Duration = 60.0
    """Each reader has a document at most that often."""


class SelfReader(Reader[SelfSettings]):
    """This process, read from its own snapshot. Names of readers and recorders become labels, never field names."""

    settings_type = SelfSettings
    prefix = "expvar"
    reads_itself = True

    def __init__(self, settings: SelfSettings, snapshot: Callable[[], Snapshot]) -> None:
        super().__init__(settings, snapshot)
        self._readers_due = -math.inf

    @property
    def target(self) -> str:
        return ""

    async def read(self) -> Reading:
        started = time.perf_counter_ns()
        snapshot = self._snapshot()
        pages = [Page(process_fields(snapshot), "expvastic.process")]
        for name, recorder in snapshot.recorders.items():
            lag: Fields = {"lag_seconds": lag_seconds(recorder, snapshot.time, snapshot.started)}
            pages.append(Page(_filled(recorder_fields(recorder)) | lag, "expvastic.recorder", {"recorder": name}))
        if self._are_readers_due():
            for name, reader in snapshot.readers.items():
                pages.append(Page(_filled(reader_fields(reader)), "expvastic.reader", {"reader": name}))
        return Reading(time.time_ns(), time.perf_counter_ns() - started, tuple(pages))

    def _are_readers_due(self) -> bool:
        now = anyio.current_time()
        if now < self._readers_due:
            return False
        self._readers_due = now + self.settings.reader_interval
        return True


def _filled(fields: Fields) -> Fields:
    """Without the maps that are empty: they would only be left out again, and counted each time."""
    return {name: value for name, value in fields.items() if value != {}}
