"""Rows in columns, as text that is safe for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ..logs import visible

_STEPS = ("B", "KiB", "MiB", "GiB", "TiB")


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of equal columns, the last of which is as long as it is."""
    cells = [[visible(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def spell_bytes(count: int) -> str:
    """A size for people: ``1.5 MiB``."""
    size, step = float(count), 0
    while size >= 1024 and step < len(_STEPS) - 1:
        size, step = size / 1024, step + 1
    return f"{size:.1f} {_STEPS[step]}" if step else f"{count} B"


def spell_time(seconds: float) -> str:
    """A moment in UTC, to the second."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return str(seconds)
