"""A node that goes and comes back at random moments."""

from __future__ import annotations

import threading
from random import Random
from typing import Self

from real_nodes import Node


class Outages:
    """Stops a node and starts it again at random moments, while entered; it runs afterwards."""

    def __init__(self, node: Node, rng: Random) -> None:
        self._node = node
        self._rng = rng
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._enough.wait(self._rng.uniform(1, 8)):
            self._node.stop()
            self.count += 1
            self._enough.wait(self._rng.uniform(0.1, 4))
            self._node.start()
