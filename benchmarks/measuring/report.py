"""The benchmark's report, as a piece of Markdown that can be put into a page."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import go_parts, musts, starts, tables
from .contestants import GO, MEMORY
from .musts import Measured
from .sections import Section, Sizes


def report(seen: Measured, sections: Sequence[Section], sizes: Sizes) -> str:
    """All tables, what must be reached first; the name of the piece is ``tables``."""
    parts = [about(), "### What must be reached\n", musts.table(seen, sizes.targets)]
    for section in sections:
        costs = seen.costs[section.key]
        parts += [f"### {section.title}\n", tables.of_costs(costs, section.columns, GO)]
    if len(seen.costs) > 1:
        parts += ["### Memory\n", tables.markdown([*_memory(seen, sections)])]
    if seen.starts:
        parts += [f"### Start ({sizes.starts} starts of each)\n", starts.table(seen.starts)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _memory(seen: Measured, sections: Sequence[Section]) -> Iterator[list[str]]:
    """The same numbers once more, by how many targets there are."""
    yield ["targets, 10 KB", "Go, first", "Go, end", "expvastic, first", "expvastic, end"]
    for section in sorted(sections, key=lambda section: section.scene.targets):
        if section.key in ("idle-1", "few", "paced-10k", "many"):
            numbers = (seen.of(section.key, who, at) for who in (GO, MEMORY) for at in ("memory_first", "memory"))
            yield [f"{section.scene.targets:,}", *(f"{tables.spell(number, 0)} MB" for number in numbers)]


def about() -> str:
    """When, with what and on what it was measured, and how to do it again."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    how = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    names = ("elasticsearch", "httptools", "msgspec", "isal", *(["uvloop"] if "--uvloop" in sys.argv else []))
    found = [f"{name} {importlib.metadata.version(name)}" for name in names if importlib.util.find_spec(name)]
    versions = [f"Python {platform.python_version()}", go_parts.version(), *found]
    return (
        f"Measured on {today.isoformat()}: {', '.join(versions)}; {_machine()}.\n\nRepeat with `{how}`, on a machine "
        f"that does nothing else; load when this was begun: {_LOAD:.1f}."
    )


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.release().partition('-')[0]}, loopback"


_LOAD = os.getloadavg()[0]


def write(path: Path, name: str, text: str) -> None:
    """Put what was measured between the markers of that name in a page; at its end, with markers, if it has none."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    first, last = markers(name)
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if begin and not end:
        raise ValueError(f"{path}: {first} without {last}; put the second one back")
    path.write_text(f"{before}{first}\n{text}{last}{after if end else chr(10)}", encoding="utf-8")


def markers(name: str) -> tuple[str, str]:
    """What stands before and after a measured piece of a page."""
    return f"<!-- measured: {name} -->", f"<!-- end of measured: {name} -->"
