"""Ratios that other benchmarks of this folder measure: run as commands, and read from what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent
_NAN = re.compile(r"^(\S+), one NaN\s.*?([\d.]+)\s*$", re.MULTILINE)
_SHIPPING = re.compile(r"^\s*recorder:.*ratio ([\d.]+)", re.MULTILINE)


def page_with_nan(rounds: int) -> float:
    """What a page with one NaN costs, to what it costs clean; the worst of the pages."""
    found = _NAN.findall(_printed("page.py", "--rounds", str(rounds)))
    if not found:
        raise RuntimeError("page.py tells nothing of a page with one NaN")
    return max(float(ratio) for _, ratio in found)


def shipping(seconds: float) -> float:
    """What a recorder costs for a document in batches of 100, to the official client's ``helpers.async_bulk``."""
    found = _SHIPPING.search(_printed("shipping.py", "--batch", "100", "--seconds", str(seconds)))
    if not found:
        raise RuntimeError("shipping.py tells no ratio of the recorder")
    return float(found[1])


def _printed(name: str, *arguments: str) -> str:
    inherited = os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "PYTHONPATH": f"{_FOLDER.parent / 'src'}{os.pathsep}{inherited}"}
    command = [sys.executable, str(_FOLDER / name), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
