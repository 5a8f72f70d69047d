"""A reader and a recorder that follow a script, and a log that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

import anyio

from expvastic.datatypes import Container, Page, Reading
from expvastic.reader import Reader
from expvastic.recorder import RECORDED, Recorder, Searched, Verdict
from expvastic.settings import SettingsModel

Step = Exception | bytes | float | Callable[[], Any]
Act = Exception | float | Sequence[Verdict] | Callable[[Sequence[Container]], Sequence[Verdict]]
FOREVER = 1e9


class Nothing(SettingsModel):
    """No settings."""


class FakeReader(Reader[Nothing]):
    """Each read takes the next step: a page, an error to raise, or seconds to sleep before the step after it."""

    settings_type: ClassVar = Nothing
    prefix: ClassVar = "expvar"

    def __init__(self, steps: Iterable[Step] = (), then: bytes = b'{"a":1}') -> None:
        super().__init__(Nothing(), lambda: pytest_fails())
        self.steps = list(steps)
        self.then = then
        self.reads: list[float] = []
        self.wall = 1_795_231_860_000_000_000

    @property
    def target(self) -> str:
        return "http://app.test/debug/vars"

    async def read(self) -> Reading:
        self.reads.append(anyio.current_time())
        step: Step = self.then
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, float):
                await anyio.sleep(step)
                step = self.then
                continue
            break
        if isinstance(step, Exception):
            raise step
        body = step() if callable(step) else step
        self.wall += 1_000_000
        return Reading(self.wall, 5_000_000, (Page(body, "expvar"),))


def pytest_fails() -> Any:
    raise AssertionError("nobody should ask for a snapshot")


class FakeSink:
    """A destination that outlives its recorders. Each record() takes the next act; after the last all is recorded."""

    def __init__(self, acts: Iterable[Act] = (), entries: Iterable[Exception | float | None] = ()) -> None:
        self.acts = list(acts)
        self.entries = list(entries)
        self.batches: list[list[Container]] = []
        self.recorded: list[Container] = []
        self.entered = 0
        self.left = 0
        self.times: list[float] = []
        self.under_way = 0
        self.most_under_way = 0
        self.asked: list[list[str]] = []
        self.found: set[str] | Exception = set()

    def make(self) -> FakeRecorder:
        return FakeRecorder(self)

    def make_wide(self) -> WideRecorder:
        return WideRecorder(self)


class FakeRecorder(Recorder[Nothing]):
    """Records into its sink, by the sink's script."""

    settings_type: ClassVar = Nothing

    def __init__(self, sink: FakeSink) -> None:
        super().__init__(Nothing())
        self.sink = sink

    @property
    def destination(self) -> str:
        return "sink"

    async def __aenter__(self) -> Self:
        step = self.sink.entries.pop(0) if self.sink.entries else None
        if isinstance(step, float):
            await anyio.sleep(step)
        elif step is not None:
            raise step
        self.sink.entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sink.left += 1

    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        self.sink.batches.append(list(batch))
        self.sink.times.append(anyio.current_time())
        act: Act = self.sink.acts.pop(0) if self.sink.acts else [RECORDED] * len(batch)
        if isinstance(act, float):
            await anyio.sleep(act)
            act = [RECORDED] * len(batch)
        if isinstance(act, Exception):
            raise act
        verdicts = act(batch) if callable(act) else act
        known = {container.id for container in self.sink.recorded}
        for container, verdict in zip(batch, verdicts, strict=False):
            if verdict.outcome.value == "recorded" and container.id not in known:
                self.sink.recorded.append(container)
        return verdicts


class WideRecorder(FakeRecorder, Searched):
    """Takes several batches at once, and is asked about what is in doubt."""

    concurrency: ClassVar = 4

    async def record(self, batch: Sequence[Container]) -> Sequence[Verdict]:
        self.sink.under_way += 1
        self.sink.most_under_way = max(self.sink.most_under_way, self.sink.under_way)
        try:
            return await super().record(batch)
        finally:
            self.sink.under_way -= 1

    async def find(self, batch: Sequence[Container]) -> Sequence[bool]:
        self.sink.asked.append([container.id for container in batch])
        if isinstance(self.sink.found, Exception):
            raise self.sink.found
        return [container.id in self.sink.found for container in batch]


class Log:
    """Keeps (level, event, fields) of every line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **fields: self.lines.append((level, event, fields))

    def said(self, *levels: str) -> list[str]:
        """The events of these levels (of all but debug, unless given)."""
        wanted = levels or ("info", "warning", "error")
        return [event for level, event, _ in self.lines if level in wanted]
