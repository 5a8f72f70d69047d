"""From the object of a page to its columns: the short way where its shape is known, else the general one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..datatypes import Kind
from .cmdline import mask
from .flatten import Flattener, LeaveOut, Limits
from .known_shapes import KnownShapes, Rules
from .shapes import Columns
from .strict import Content

_NAMES_KEPT_FROM = 8  # pages in a row: names take most of a reader's memory, and few readers go on the long way

Values = dict[str, Any]
Kinds = dict[str, Kind]


class PageColumns:
    """Flattens one reader's pages, and learns their shapes.

    ``gc_names`` are those of lists of pauses; ``cmdline`` says whether the command line is shipped.
    """

    def __init__(
        self, prefix: str, limits: Limits, leave_out: LeaveOut, *, gc_names: Collection[str], cmdline: bool
    ) -> None:
        self._cmdline = f"{prefix}.cmdline" if prefix else "cmdline"
        self._ships_cmdline = cmdline
        self._gc_names = gc_names
        self._leave_out = leave_out
        self._flattener = Flattener(prefix, leave_out, limits)
        bounds = (limits.keys, limits.depth, limits.string, limits.list)
        self._known = KnownShapes(Rules(prefix, bounds, tuple(gc_names), cmdline))
        self._long_ways = 0  # in a row
        self.taken = 0  # pages that went the short way

    def take(self, content: Content) -> Columns | None:
        """The columns of a page whose shape is known; then what is left out of it is counted."""
        columns = self._known.columns(content) if content.strict else None
        if columns:
            self.taken += 1
            self._long_ways = 0
            for name, reason in columns.shape.left_out:
                self._leave_out(name, reason)
        return columns

    def flatten(self, content: Content, columns: Columns | None) -> tuple[Values, Kinds]:
        """Values and kinds by name, of the columns if they were taken; a command line with its secrets masked."""
        values, kinds = columns.as_dicts() if columns else self._flatten(content)
        kind = kinds.get(self._cmdline)
        if kind is Kind.STRING_LIST:
            values[self._cmdline] = mask(values[self._cmdline])
        elif kind is Kind.STRING:
            values[self._cmdline] = " ".join(mask(values[self._cmdline].split(" ")))
        return values, kinds

    def _flatten(self, content: Content) -> tuple[Values, Kinds]:
        values, kinds = self._flattener.flatten(self._without_odd_cmdline(content.without_marks()))
        if self._cmdline in values and not self._ships_cmdline:
            del values[self._cmdline], kinds[self._cmdline]
            self._leave_out(self._cmdline, "not_asked_for")
        kinds.update((name, Kind.GC_LIST) for name in self._gc_names if kinds.get(name) is Kind.FLOAT_LIST)
        is_learnt = content.strict and self._known.learn(content, values, kinds)
        self._long_ways += 1
        if is_learnt or self._long_ways < _NAMES_KEPT_FROM:
            self._flattener.forget()
        return values, kinds

    def _without_odd_cmdline(self, page: Mapping[str, object]) -> Mapping[str, object]:
        if not any(key.startswith("cmdline.") for key in page) and not isinstance(page.get("cmdline"), Mapping):
            return page
        self._leave_out(self._cmdline, "not_a_command_line")
        return {key: value for key, value in page.items() if key.partition(".")[0] != "cmdline"}
