"""New allocations per class of size, from the table that Go's runtime keeps of all since its start.

Source: ``BySize`` in the documentation of runtime.MemStats, https://pkg.go.dev/runtime#MemStats.
"""

from __future__ import annotations

CLASSES = 61  # as many rows has the table
_UNSIGNED = 2**64  # above all numbers of Go's

Table = dict[int, tuple[int, int]]  # by the size of the class: mallocs, frees


class SizeClasses:
    """The last table of one target, and what is new in the next one."""

    def __init__(self) -> None:
        self._seen: Table = {}

    @property
    def seen(self) -> Table:
        """The last table, for a successor."""
        return self._seen

    def restore(self, seen: Table) -> None:
        """Go on after the last table of a predecessor."""
        self._seen = seen

    def reset(self) -> None:
        """Forget the table: the target lives another life, in which nothing can be compared with it."""
        self._seen = {}

    def derive(self, by_size: object) -> dict[str, dict[str, int]] | None:
        """The objects allocated and freed since the last table, by size; None if this is no such table of Go's.

        Empty for the first table, and after a reset. Classes without news are not there. A count that fell, or
        other classes than before, are those of another life: empty as well, whether or not a reset said so.
        """
        table = _table(by_size)
        if table is None:
            return None
        before, self._seen = self._seen, table
        if before.keys() != table.keys():
            return {}
        news = {size: (table[size][0] - before[size][0], table[size][1] - before[size][1]) for size in table}
        if any(mallocs < 0 or frees < 0 for mallocs, frees in news.values()):
            return {}
        return {
            str(size): {"Mallocs": mallocs, "Frees": frees}
            for size, (mallocs, frees) in news.items()
            if mallocs or frees
        }


def _table(by_size: object) -> Table | None:
    """The table, if it is Go's: whole numbers, in rows of rising size."""
    if not isinstance(by_size, list) or not 0 < len(by_size) <= CLASSES:
        return None
    table: Table = {}
    last = -1
    for row in by_size:
        if not isinstance(row, dict):
            return None
        size, mallocs, frees = row.get("Size"), row.get("Mallocs"), row.get("Frees")
        if not (type(size) is type(mallocs) is type(frees) is int) or not last < size < _UNSIGNED:
            return None
        if not (0 <= mallocs < _UNSIGNED and 0 <= frees < _UNSIGNED):
            return None
        table[size] = (mallocs, frees)
        last = size
    return table
