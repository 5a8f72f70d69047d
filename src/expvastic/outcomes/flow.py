"""How much is sent at once: more as long as it is taken, less as soon as it is not.

=====================  ==============================  =================================
what was answered      batches at once                 containers of a batch
=====================  ==============================  =================================
all was taken          one more; above the threshold   twice as many, up to the setting
                       one more per round
some, not now          half, which is the threshold    the same
a failure              one; half is the threshold      ten
=====================  ==============================  =================================

As TCP does with segments (RFC 5681): a slow start, then a careful rise.
"""

from __future__ import annotations

PROBE = 10  # containers in the first batch after a failure


class Flow:
    """Bounds for one recorder: at most ``lanes`` batches at once, of at most ``count`` containers."""

    def __init__(self, lanes: int, count: int) -> None:
        self._most_lanes = lanes
        self._most = count
        self._lanes = 1.0
        self._threshold = float(lanes)
        self._count = count

    @property
    def lanes(self) -> int:
        """Batches that may be under way at once."""
        return int(self._lanes)

    @property
    def count(self) -> int:
        """Containers of the next batch, at most."""
        return self._count

    def taken(self, *, was_full: bool) -> None:
        """A batch was taken; ``was_full`` says that as many were under way as might be, so that more may help."""
        self._count = min(self._most, self._count * 2)
        if was_full:
            self._lanes = min(
                self._most_lanes, self._lanes + (1.0 if self._lanes < self._threshold else 1 / self._lanes)
            )

    def pushed_back(self) -> None:
        """Some of a batch was not taken for now."""
        self._threshold = self._lanes = max(1.0, self._lanes / 2)

    def failed(self) -> None:
        """A batch was not answered."""
        self._threshold = max(1.0, self._lanes / 2)
        self._lanes = 1.0
        self._count = min(self._most, PROBE)
