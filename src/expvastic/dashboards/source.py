"""The shipped dashboards: ``bin/dashboard.json`` of a checkout, and the same file within an installed package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ExpvasticError

_PACKAGE = Path(__file__).parent
# Where a wheel has it, and where a checkout has it.
PLACES = (_PACKAGE / "dashboard.json", _PACKAGE.parents[2] / "bin" / "dashboard.json")


def shipped_objects() -> list[dict[str, Any]]:
    """Kibana's objects, members nested. Raises ExpvasticError if the file is not there, or is none."""
    path = next((place for place in PLACES if place.is_file()), None)
    if path is None:
        raise ExpvasticError(f"dashboard: {PLACES[0]} is missing; install expvastic again")
    try:
        objects: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["objects"]
    except (ValueError, KeyError, TypeError) as error:
        raise ExpvasticError(f"dashboard: {path} is no file of dashboards ({error}); install expvastic again") from None
    return objects
