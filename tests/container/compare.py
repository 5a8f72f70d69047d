"""Whether the container's file holds exactly what its console showed, once each, and its log says that nothing is lost.

Arguments: the console's lines, the file, the log. Prints one line; ends with 1 if something is wrong.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

FEWEST = 10


def lines(path: str) -> list[dict[str, Any]]:
    text = Path(path).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def verdict(console: str, file: str, log: str) -> str:
    """Empty if all is well."""
    shown = Counter(line["_id"] for line in lines(console))
    kept = Counter(line["_id"] for line in lines(file))
    if shown != kept:
        return f"{(shown - kept).total()} samples are not in the file, {(kept - shown).total()} are in it too often"
    if twice := [name for name, times in kept.items() if times > 1]:
        return f"{len(twice)} samples are in the file twice"
    if len(kept) < FEWEST:
        return f"only {len(kept)} samples"
    if [line["lost"] for line in lines(log) if line["event"] == "stopped"] != [0]:
        return "the log does not end with a stop that lost nothing"
    return ""


if complaint := verdict(*sys.argv[1:4]):
    sys.exit(f"drained: {complaint}")
print(f"drained: all {len(lines(sys.argv[1]))} samples are in the file, once each")
