"""Which of a cluster's nodes gets the next request. Loaded when a cluster is contacted.

Of the nodes that are well it is the one with the fewest requests under way, so that one that hangs holds up few. A node
that failed is left alone for a while, longer from time to time, and then tried with one request. The official client
asks these nodes for one, and tells of failures that it sees; of a caller who lost patience only the node itself knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from elastic_transport import BaseNode, NodeConfig, NodePool

from .wire import PlainNode

_REFUSED = (1.0, 30.0)  # seconds: the first pause, and the longest
_SILENT = (10.0, 300.0)  # a node that says nothing costs whoever tries it his whole time


class Nodes(NodePool):
    """The nodes of one cluster."""

    def __init__(
        self,
        configs: list[NodeConfig],
        node_class: type[PlainNode],
        *_: Any,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        super().__init__(configs, node_class, **options)
        self._clock = clock
        self._failures: dict[BaseNode, int] = {}  # in a row
        self._ready: dict[BaseNode, float] = {}  # when a node that failed is tried again
        self._turns: list[PlainNode] = self.all()  # type: ignore[assignment]  # that whose turn it is comes first
        for node in self._turns:
            node.when_given_up = self.mark_silent

    def get(self) -> BaseNode:
        """The node for the next request."""
        now = self._clock()
        failed = [node for node in self._turns if node in self._failures]
        due = [node for node in failed if self._ready[node] <= now and not node.under_way]
        well = [node for node in self._turns if node not in self._failures]
        if due:
            chosen = due[0]
        elif well:
            chosen = min(well, key=lambda node: node.under_way)
        else:
            chosen = min(failed, key=lambda node: (node.under_way, self._ready[node]))
        self._turns.remove(chosen)
        self._turns.append(chosen)
        return chosen

    def mark_dead(self, node: BaseNode, _now: float | None = None) -> None:
        """The node could not be reached, or answered that it is not well."""
        self._leave_alone(node, *_REFUSED)

    def mark_silent(self, node: BaseNode) -> None:
        """A caller waited for the node's answer in vain."""
        self._leave_alone(node, *_SILENT)

    def mark_live(self, node: BaseNode) -> None:
        """The node has answered, and is well."""
        self._failures.pop(node, None)

    def _leave_alone(self, node: BaseNode, shortest: float, longest: float) -> None:
        now = self._clock()
        failures = self._failures.get(node, 0)
        if not failures or self._ready[node] <= now:  # of several requests that fail together one counts
            failures += 1
        self._failures[node] = failures
        pause = min(shortest * 2 ** min(failures - 1, 16), longest)
        self._ready[node] = max(self._ready.get(node, now), now + pause)
