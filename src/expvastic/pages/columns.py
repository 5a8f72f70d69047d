"""From the object of a page to its columns: the short way where its shape is known, else the general one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..datatypes import Kind
from .flatten import Flattener, LeaveOut, Limits
from .known_moulds import KnownMoulds
from .known_shapes import KnownShapes
from .moulding import Rules
from .shapes import Columns
from .strict import Content

Values = dict[str, Any]
Kinds = dict[str, Kind]


class PageColumns:
    """Flattens one reader's pages, and learns their shapes.

    ``rules`` are what the settings say, ``limits`` among them. ``moulds`` are shown the pages that none of them took.
    """

    __slots__ = ("_cmdline", "_flattener", "_gc_names", "_known", "_leave_out", "_moulds", "_ships_cmdline", "taken")

    def __init__(self, rules: Rules, limits: Limits, leave_out: LeaveOut, moulds: KnownMoulds | None = None) -> None:
        prefix = rules.prefix
        self._cmdline = f"{prefix}.cmdline" if prefix else "cmdline"
        self._ships_cmdline = rules.cmdline
        self._gc_names = rules.gc_names
        self._moulds = moulds
        self._leave_out = leave_out
        self._flattener = Flattener(prefix, leave_out, limits)
        self._known = KnownShapes(rules)
        self.taken = 0  # pages that went the short way

    def take(self, content: Content) -> Columns | None:
        """The columns of a page whose shape is known; then what is left out of it is counted."""
        columns = self._known.columns(content) if content.strict else None
        if columns:
            self.taken += 1
            for name, reason in columns.shape.left_out:
                self._leave_out(name, reason)
            if self._moulds:
                self._moulds.learn(content, columns.shape.names, columns.values, columns.kinds)
        return columns

    def flatten(self, content: Content, columns: Columns | None) -> tuple[Values, Kinds]:
        """Values and kinds by name, of the columns if they were taken; a command line with its secrets masked."""
        values, kinds = columns.as_dicts() if columns else self._flatten(content)
        kind = kinds.get(self._cmdline)
        if kind in (Kind.STRING_LIST, Kind.STRING):
            values[self._cmdline] = _masked(values[self._cmdline])
        return values, kinds

    def _flatten(self, content: Content) -> tuple[Values, Kinds]:
        values, kinds = self._flattener.flatten(self._without_odd_cmdline(content.without_marks()))
        if self._cmdline in values and not self._ships_cmdline:
            del values[self._cmdline], kinds[self._cmdline]
            self._leave_out(self._cmdline, "not_asked_for")
        kinds.update((name, Kind.GC_LIST) for name in self._gc_names if kinds.get(name) is Kind.FLOAT_LIST)
        if content.strict and self._learn(content, values, kinds):
            self._flattener.forget()
        return values, kinds

    def _learn(self, content: Content, values: Values, kinds: Kinds) -> bool:
        """Whether a page like this one goes another way from now on. A target's first page fits no mould, so that its
        shape is learned as well: that of other targets' first pages, too.
        """
        has_mould = self._moulds is not None and self._moulds.learn(
            content, tuple(values), [*values.values()], bytes(kinds.values())
        )
        return self._known.learn(content, values, kinds) or has_mould

    def _without_odd_cmdline(self, page: Mapping[str, object]) -> Mapping[str, object]:
        if not any(key.startswith("cmdline.") for key in page) and not isinstance(page.get("cmdline"), Mapping):
            return page
        self._leave_out(self._cmdline, "not_a_command_line")
        return {key: value for key, value in page.items() if key.partition(".")[0] != "cmdline"}


def _masked(cmdline: str | list[str]) -> str | list[str]:
    from .masking import mask  # has much to compile

    return " ".join(mask(cmdline.split(" "))) if isinstance(cmdline, str) else mask(cmdline)
