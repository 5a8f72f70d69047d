"""``schema``: the JSON Schema of the configuration."""

from __future__ import annotations

import argparse
import json

from ..config import json_schema
from .flags import say


def main(_options: argparse.Namespace) -> int:
    """Print it."""
    say(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
