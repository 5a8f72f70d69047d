"""Kibana's saved objects as they come out of an export."""

from __future__ import annotations

import json
from typing import Any


def nested(found: dict[str, Any]) -> dict[str, Any]:
    """An object whose texts with JSON in them are read, as the shipped file has it."""
    attributes = json.loads(json.dumps(found["attributes"]))
    for place in (attributes, attributes.get("controlGroupInput", {}), attributes.get("kibanaSavedObjectMeta", {})):
        place.update({name: json.loads(place[name]) for name in place if name.endswith(("JSON", "Map"))})
    return {**found, "attributes": attributes}
