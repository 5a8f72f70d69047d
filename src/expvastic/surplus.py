"""Delivers what processes left on the disk that are no more, when fewer share a configuration than did before.

Theory of operation: each of several processes has a state directory of its own in the common one. Whoever finds one
there that belongs to no process of today, and that nobody has locked, takes it as its owner would, but without readers,
and lets it go when all is delivered. The locks see to it that one process does so. It is looked for now and then, for
the last one may end long after the first one has started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from . import logs
from .assembly import make_deliveries
from .config import Config
from .delivery import Delivery
from .errors import ExpvasticError
from .shards import Shard
from .state import State, find_shards, is_made, peek
from .upkeep import go_on, holds_data, take_up

LOOK_AGAIN = 60.0  # seconds until folders are looked for again
GLANCE = 0.2  # seconds between looks at what is being delivered


class Surplus:
    """The folders below ``root`` of processes that are none of ``shard``'s count; None is the only process.

    ``config_of`` gives the configuration of another shard, or of the only process.
    """

    def __init__(
        self,
        root: Path,
        shard: Shard | None,
        config_of: Callable[[Shard | None], Config],
        *,
        wall: Callable[[], float] = time.time,
        look_again: float = LOOK_AGAIN,
    ) -> None:
        self._root = root
        self._shard = shard
        self._config_of = config_of
        self._wall = wall
        self._look_again = look_again
        self._given_up: set[Path] = set()  # what is in there waits for the user, who was told
        self._log = logs.logger()

    async def run(self) -> None:
        """Deliver until cancelled; then what is left stays for the next process."""
        while True:
            for folder, owner in await anyio.to_thread.run_sync(self._find):
                try:
                    await self._take_over(folder, owner)
                except ExpvasticError as error:
                    self._give_up(folder, str(error))
                except Exception as bug:  # noqa: BLE001  # a loop boundary: it must not cost what is polled here
                    self._give_up(folder, f"unexpected {type(bug).__name__}: {bug}")
            await anyio.sleep(self._look_again)

    def _find(self) -> list[tuple[Path, Shard | None]]:
        """The folders with data that nobody works with, and whose they were."""
        return [found for found in self._folders() if found[0] not in self._given_up and self._is_left(found[0])]

    def _folders(self) -> Iterator[tuple[Path, Shard | None]]:
        with suppress(ExpvasticError):  # the disk may be well again at the next look
            if self._shard and is_made(self._root):
                yield self._root, None
            for number, folder in sorted(find_shards(self._root).items()):
                if self._shard is None or number >= self._shard.count:
                    yield folder, Shard(number, number + 1)

    def _is_left(self, folder: Path) -> bool:
        try:
            if not is_made(folder):  # empty, or about to be made by a process that has just started
                return False
            seen = peek(folder)
            return not seen.is_running and any(holds_data(path / "buffer") for path in seen.marks.values())
        except (ExpvasticError, OSError) as error:
            self._give_up(folder, str(error))
            return False

    async def _take_over(self, folder: Path, owner: Shard | None) -> None:
        config = self._config_of(owner)
        try:
            state = await anyio.to_thread.run_sync(lambda: State.open(folder, patience=0.0))
        except ExpvasticError:
            if not peek(folder).is_running:
                raise
            return  # another process was faster
        with state:
            deliveries = make_deliveries(config, state, close_limit=1.0, wall=self._wall)
            try:
                await self._deliver(folder, config, state, deliveries)
            finally:
                for delivery in deliveries.values():
                    delivery.end()
        if await anyio.to_thread.run_sync(self._is_left, folder):
            self._give_up(folder, "some of it waits for you; see expvastic buffer list with --shard")

    async def _deliver(self, folder: Path, config: Config, state: State, deliveries: Mapping[str, Delivery]) -> None:
        types = {name: plan.type for name, plan in config.recorders.items()}
        await anyio.to_thread.run_sync(take_up, state, deliveries, types, anyio.current_time())
        go_on(state, {}, config.engines, deliveries)
        left = sum(map(_left, deliveries.values()))
        self._log.info("delivering what another process left", folder=str(folder), containers=left)
        async with anyio.create_task_group() as group:
            for delivery in deliveries.values():
                group.start_soon(delivery.run)
            while any(_left(delivery) for delivery in deliveries.values() if not delivery.held):  # noqa: ASYNC110
                await anyio.sleep(GLANCE)
            for delivery in deliveries.values():
                delivery.close()
        if not any(map(_left, deliveries.values())):
            self._log.info("delivered what another process left", folder=str(folder))

    def _give_up(self, folder: Path, reason: str) -> None:
        if folder not in self._given_up:
            self._log.error("what another process left is not delivered", folder=str(folder), reason=reason)
        self._given_up.add(folder)


def _left(delivery: Delivery) -> int:
    return delivery.buffer.waiting + delivery.buffer.out
