"""What is known of every field of Go's ``runtime.MemStats``: counter or gauge, unit, meaning, since which Go.

Source: https://pkg.go.dev/runtime#MemStats, and the api files of the Go distribution for the versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

FieldKind = Literal["counter", "gauge", "ring", "table"]
Unit = Literal["bytes", "ns", "ns since epoch", "fraction", "count", ""]


class FieldFacts(msgspec.Struct, frozen=True):
    """What a field is.

    A ``counter`` never falls in one life of a program, a ``gauge`` goes up and down, a ``ring`` holds the latest 256
    of something, a ``table`` one row per size class. ``unit`` is empty for what has none; ``since`` is the first
    version of Go that has the field.
    """

    kind: FieldKind
    unit: Unit
    meaning: str
    since: str = "1.0"


FIELDS: Mapping[str, FieldFacts] = MappingProxyType(
    {
        "Alloc": FieldFacts("gauge", "bytes", "Objects on the heap that are not freed yet, like HeapAlloc."),
        "TotalAlloc": FieldFacts("counter", "bytes", "Ever allocated for objects on the heap, freed ones included."),
        "Sys": FieldFacts("gauge", "bytes", "Address space taken from the system; the sum of all the Sys fields."),
        "Lookups": FieldFacts("counter", "count", "Pointers that the runtime looked up; zero with a current Go."),
        "Mallocs": FieldFacts("counter", "count", "Objects ever allocated on the heap."),
        "Frees": FieldFacts("counter", "count", "Objects ever freed on the heap; Mallocs less Frees are alive."),
        "HeapAlloc": FieldFacts("gauge", "bytes", "Objects on the heap, be they reachable or not yet swept."),
        "HeapSys": FieldFacts("gauge", "bytes", "Address space of the heap; about the largest that it ever was."),
        "HeapIdle": FieldFacts("gauge", "bytes", "Spans of the heap without any object."),
        "HeapInuse": FieldFacts("gauge", "bytes", "Spans of the heap with at least one object."),
        "HeapReleased": FieldFacts("gauge", "bytes", "Memory of idle spans that was given back to the system."),
        "HeapObjects": FieldFacts("gauge", "count", "How many objects are on the heap."),
        "StackInuse": FieldFacts("gauge", "bytes", "Spans that hold stacks of goroutines."),
        "StackSys": FieldFacts("gauge", "bytes", "StackInuse, and stacks of threads taken from the system directly."),
        "MSpanInuse": FieldFacts("gauge", "bytes", "The runtime's descriptions of spans, those in use."),
        "MSpanSys": FieldFacts("gauge", "bytes", "Taken from the system for descriptions of spans."),
        "MCacheInuse": FieldFacts("gauge", "bytes", "The runtime's caches per processor, those in use."),
        "MCacheSys": FieldFacts("gauge", "bytes", "Taken from the system for caches per processor."),
        "BuckHashSys": FieldFacts("gauge", "bytes", "Hash tables of the profiler."),
        "GCSys": FieldFacts("gauge", "bytes", "What the garbage collector needs for itself.", "1.2"),
        "OtherSys": FieldFacts("gauge", "bytes", "Other memory of the runtime outside of the heap.", "1.2"),
        "NextGC": FieldFacts("gauge", "bytes", "Size of the heap that the next collection aims at."),
        "LastGC": FieldFacts("gauge", "ns since epoch", "End of the latest collection; zero before the first."),
        "PauseTotalNs": FieldFacts("counter", "ns", "Time for which the collector ever stopped the program."),
        "PauseNs": FieldFacts("ring", "ns", "Time for which each of the latest collections stopped the program."),
        "PauseEnd": FieldFacts("ring", "ns since epoch", "End of the last pause of each of them.", "1.4"),
        "NumGC": FieldFacts("counter", "count", "Collections completed."),
        "NumForcedGC": FieldFacts("counter", "count", "Collections that the program itself asked for.", "1.8"),
        "GCCPUFraction": FieldFacts("gauge", "fraction", "Collector's part of all CPU time since the start.", "1.5"),
        "EnableGC": FieldFacts("gauge", "", "Always true, even with the collector switched off."),
        "DebugGC": FieldFacts("gauge", "", "Not used."),
        "BySize": FieldFacts("table", "count", "Objects ever allocated and freed, per class of size."),
    }
)


def look_up(name: str) -> FieldFacts | None:
    """What is known of a value by the page's own dotted name, such as ``memstats.NumGC``; None if nothing is."""
    above, _, field = name.rpartition(".")
    return FIELDS.get(field) if above == "memstats" else None


def is_counter(name: str) -> bool:
    """Whether a value, by the page's own dotted name, is known to never fall in one life of the program."""
    facts = look_up(name)
    return facts is not None and facts.kind == "counter"
