"""The preset ``classic``: documents like the ancestor's, for dashboards that were made for them.

Names stand at the top level, memory of Go's runtime is in megabytes (a division by 1024²), and GC lists are without
zeros and in whole microseconds, as the ancestor had them. ``@timestamp`` and the other metadata stay ours, and names
that ECS reserves are moved below ``expvar.`` as with any empty prefix. What differs on purpose are repairs:

- D9: names and texts are escaped; a quote or a line break costs nothing.
- D10: numbers are exact. Integers stay integers, and floats are written so that they read back the same; the
  ancestor wrote six decimals of everything. A scaled value is one correctly rounded division.
- D11: the unit ``b`` leaves bytes as they are.
- D12: names are matched whole or by their last part, in any case. The preset's own are whole (``memstats.Sys``), so
  that an application's unrelated ``Sys`` or ``Alloc`` is not scaled.
- D13: ``gb`` is a unit, and an unknown one is an error.
- D14: a map file upon this preset adds to it, name by name; a section that it lacks stays.
- D15: nothing is invented and nothing vanishes unsaid. Booleans and arrays of strings are shipped, also a text that
  stands where memory was expected; a mixed array is left out and counted, without zeros in it; a name that a page
  spells twice has one value.
- D16: each pause of Go's collector is shipped once, when it is new, instead of the whole ring every time.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Tag

from .mapping import MappingSettings

PREFIX = ""

_MEMORY = "Alloc TotalAlloc Sys HeapAlloc HeapSys HeapIdle HeapInuse HeapReleased StackInuse".split()

CLASSIC = MappingSettings.model_construct(
    gc_types=("memstats.PauseEnd", "memstats.PauseNs"),
    memory_bytes={f"memstats.{name}": "mb" for name in _MEMORY},
)


def _preset(name: str) -> str:
    if name.strip().lower() != "classic":
        raise ValueError(f"{name[:40]!r} is no preset; write classic, or a mapping with gc_types or memory_bytes")
    return "classic"


MappingChoice = Annotated[
    Annotated[Literal["classic"], BeforeValidator(_preset), Tag("preset")] | Annotated[MappingSettings, Tag("own")],
    Discriminator(lambda value: "preset" if isinstance(value, str) else "own"),
]
"""What the key ``mapping`` takes: the preset's name, or the keys of a map file. A complaint is about one of the two."""


def whole_microseconds(pauses: list[Any]) -> list[Any]:
    """A GC list as the ancestor shipped it: zeros (slots never used) removed, then microseconds, rounded down.

    A pause of 1 to 999 ns so becomes 0, and stays.
    """
    return [int(pause) // 1000 for pause in pauses if pause]
