"""What was made of one reader's pages, in numbers: containers, values by kind, values left out by name and reason."""

from __future__ import annotations

from collections import Counter

from ..datatypes import Kind

_NAMES_COUNTED = 1_000  # left-out values are counted by name up to here, the rest together
_NAMES_TOLD = 50
_COLUMNS_KEPT = 256  # of kinds, counted by column; above it by kind
_FORMS_KEPT = 16
_OTHER = "_other"
# Said of nearly every page of Go's; counted like the others, but nobody is told.
_EXPECTED = {"not_asked_for", "array_of_objects", "null", "empty_object", "empty_array", "no_next_gc"}

News = tuple[str, dict[str, object]]  # an event and its fields, for the log


class Form:
    """What many pages have in common: the kinds of their values, and what is left out of them."""

    __slots__ = ("kinds", "left_out")

    def __init__(self, kinds: bytes, left_out: tuple[tuple[str, str], ...]) -> None:
        self.kinds = kinds
        self.left_out = left_out


class Tally:
    """Counts; pages of a form that has come before are counted as such, and told apart when somebody asks."""

    __slots__ = ("_columns", "_containers", "_forms", "_left_out", "news")

    def __init__(self) -> None:
        self._containers = 0
        self._columns: dict[bytes, int] = {}
        self._forms: dict[Form, int] = {}
        self._left_out: dict[tuple[str, str], int] = {}  # (name, reason)
        self.news: list[News] = []
        """What an operator should hear of."""

    @property
    def containers(self) -> int:
        """How many were made."""
        self._settle()
        return self._containers

    @property
    def kinds(self) -> Counter[Kind]:
        """How many values there were of each kind."""
        self._settle()
        return self._by_kind()

    @property
    def left_out(self) -> Counter[tuple[str, str]]:
        """How many values were left out, by name and reason."""
        self._settle()
        return Counter(self._left_out)

    def count(self, form: Form) -> None:
        """Count a container of this form, and what is left out of its page."""
        forms = self._forms
        if form in forms:
            forms[form] += 1
            return
        if len(forms) >= _FORMS_KEPT:
            self._settle()
            forms.clear()
        forms[form] = 0
        self.count_column(form.kinds)
        for name, reason in form.left_out:
            self.leave_out(name, reason)

    def count_column(self, kinds: bytes) -> None:
        """Count a container whose values are of these kinds."""
        self._containers += 1
        self._add(kinds, 1)

    def leave_out(self, name: str, reason: str) -> None:
        """Count a value that is left out; tell of it once, if it is worth telling, and of few of them."""
        key = (name, reason)
        if key not in self._left_out:
            if len(self._left_out) >= _NAMES_COUNTED:
                key = (_OTHER, reason)
            elif reason not in _EXPECTED and len(self._left_out) < _NAMES_TOLD:
                self.news.append(("value left out", {"name": name, "reason": reason}))
        self._left_out[key] = self._left_out.get(key, 0) + 1

    def _settle(self) -> None:
        """Tell apart what was counted by form."""
        for form, times in self._forms.items():
            if times:
                self._forms[form] = 0
                self._containers += times
                self._add(form.kinds, times)
                for name, reason in form.left_out:
                    key = (name, reason) if (name, reason) in self._left_out else (_OTHER, reason)
                    self._left_out[key] += times

    def _add(self, kinds: bytes, times: int) -> None:
        if kinds not in self._columns and len(self._columns) >= _COLUMNS_KEPT:
            self._columns = {bytes([kind]): count for kind, count in self._by_kind().items()}
        self._columns[kinds] = self._columns.get(kinds, 0) + times

    def _by_kind(self) -> Counter[Kind]:
        counted: Counter[Kind] = Counter()
        for column, times in self._columns.items():
            for kind in set(column):
                counted[Kind(kind)] += times * column.count(kind)
        return counted
