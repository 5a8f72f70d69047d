"""What a running expvastic says of itself, read from its unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE = 10.0  # seconds for an answer
_PARTS = ("recorded", "refused", "shed", "waiting", "out")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def page(path: Path) -> dict[str, Any]:
    """All that it says. Raises OSError, ValueError or HTTPException if nobody answers."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/debug/vars")
        answer: dict[str, Any] = json.load(connection.getresponse())
        return answer
    finally:
        connection.close()


def recorders(path: Path) -> dict[str, dict[str, Any]]:
    """The numbers of each recorder by name; empty if nobody answers."""
    try:
        return {recorder["name"]: recorder for recorder in page(path)["recorders"]}
    except (OSError, ValueError, http.client.HTTPException):
        return {}


def is_drained(numbers: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether there are recorders, and nothing waits for any of them."""
    return bool(numbers) and not any(of_one["waiting"] or of_one["out"] for of_one in numbers.values())


def imbalances(numbers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every recorder for which offered = recorded + refused + shed + waiting + out does not hold."""
    return [
        f"{name}: offered {of_one['offered']}, but " + ", ".join(f"{part} {of_one[part]}" for part in _PARTS)
        for name, of_one in numbers.items()
        if of_one["offered"] != sum(of_one[part] for part in _PARTS)
    ]
