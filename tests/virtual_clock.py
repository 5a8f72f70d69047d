"""An event loop whose clock jumps to the next timer when there is nothing else to wait for.

A test asks for it with ``@pytest.mark.virtual_time`` (on a module: ``pytestmark = pytest.mark.virtual_time``); its own
async fixtures run on the same loop. ``anyio.current_time()``, sleeps and deadlines then follow the loop's clock;
``time.monotonic()`` and ``time.time()`` do not.

The rule: the clock stands still while code runs. When every task waits and the earliest timer is ahead, the clock is
set to it at once, unless the world is at work for this loop: a socket or pipe is being watched, or a worker thread
(anyio's ``to_thread`` or an executor) has not answered yet. Then the loop really waits, and the clock advances by what
that took. A thread that the loop did not start is not seen: it wakes the loop only from a wait without any timer.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from anyio._backends._asyncio import WorkerThread

START = 1_000.0  # not 0, which code under test may take for "never"


class _Selector(selectors.DefaultSelector):
    """Waits for real things really, and for timers not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.is_world_at_work: Callable[[], bool] = lambda: False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        if timeout is None or self.is_world_at_work():
            before = time.monotonic()
            ready = super().select(timeout)
            self.now += time.monotonic() - before
            return ready
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """See the module's rule."""

    def __init__(self) -> None:
        self._calls = 0  # into executors, unanswered
        self._waiting = _Selector()
        super().__init__(self._waiting)
        self._own = len(self._waiting.get_map())  # the pipe that wakes this loop
        self._waiting.is_world_at_work = self._is_world_at_work

    def time(self) -> float:
        return self._waiting.now

    def run_in_executor(  # type: ignore[override]  # the parent's answer is a future, too
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._calls += 1
        future.add_done_callback(self._answered)
        return future

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        self._calls += 1  # it waits for a thread, with a deadline from Python 3.12 on
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._calls -= 1

    def _answered(self, _: asyncio.Future[Any]) -> None:
        self._calls -= 1

    def _is_world_at_work(self) -> bool:
        return (
            self._calls > 0
            or len(self._waiting.get_map()) > self._own
            or any(map(self._is_busy, threading.enumerate()))
        )

    def _is_busy(self, thread: threading.Thread) -> bool:
        if not isinstance(thread, WorkerThread) or thread.loop is not self:
            return False
        return thread in thread.workers and thread not in thread.idle_workers
