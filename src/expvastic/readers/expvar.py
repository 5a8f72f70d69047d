"""Reads the page that a Go program publishes with ``expvar``."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import ClassVar

from ..clients.paths import make_fetcher
from ..clients.target import TargetSettings
from ..datatypes import Page, Reading
from ..reader import Reader
from ..telemetry import Snapshot


class ExpvarSettings(TargetSettings):
    """A Go program's page. An endpoint without a path means `/debug/vars`, where Go puts it."""

    default_path: ClassVar[str] = "/debug/vars"


class ExpvarReader(Reader[ExpvarSettings]):
    """One Go program, polled."""

    settings_type = ExpvarSettings
    prefix = "expvar"
    is_go = True

    def __init__(self, settings: ExpvarSettings, snapshot: Callable[[], Snapshot]) -> None:
        super().__init__(settings, snapshot)
        self._fetcher = make_fetcher(settings)

    @property
    def target(self) -> str:
        return self.settings.target.address

    async def read(self) -> Reading:
        body, time, duration = await self._fetcher.fetch()
        return Reading(time, duration, (Page(body, "expvar"),))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._fetcher.aclose()
