"""Hearing what is asked of the operating system, to prove that nothing is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

_TOUCHING = ("open", "socket.", "os.", "shutil.", "subprocess.", "tempfile.", "fcntl.")


class _Ear:
    """An audit hook stays for ever, so there is one, deaf most of the time."""

    def __init__(self) -> None:
        self.heard: list[str] | None = None
        self._is_installed = False

    def listen(self) -> list[str]:
        if not self._is_installed:
            sys.addaudithook(self._hear)
            self._is_installed = True
        self.heard = []
        return self.heard

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.heard is not None and event.startswith(_TOUCHING):
            self.heard.append(f"{event} {arguments!r}")


_EAR = _Ear()


@contextlib.contextmanager
def heard_by_the_system() -> Iterator[list[str]]:
    """Files, sockets, processes and folders that are asked for meanwhile."""
    try:
        yield _EAR.listen()
    finally:
        _EAR.heard = None
