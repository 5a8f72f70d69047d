"""How many cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # what a container, or a service manager, allows: microseconds, per so many


def usable_cores(quota: Path = _QUOTA) -> int:
    """The cores that the system lets this process have: those it may run on, and not more than its share of time."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _granted(quota)))


def _granted(quota: Path) -> int:
    """The cores that a limit of CPU time amounts to, rounded up; very many where there is none."""
    try:
        most, period = quota.read_text(encoding="ascii").split()
        return math.ceil(int(most) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # "max", no such limit, another system
        return 2**16
