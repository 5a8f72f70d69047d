"""A unix socket in the file system: for its user alone, made over a stale one, removed at the end."""

from __future__ import annotations

import contextlib
import os
import socket
import stat

from ..errors import ExpvasticError


class UnixSocket:
    """The socket at a path."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._made: os.stat_result | None = None

    def open(self) -> socket.socket:
        """Bind it, ready to listen. Raises ExpvasticError, or OSError."""
        self._clear()
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            bound.setblocking(False)
            bound.bind(self._path)
            os.chmod(self._path, 0o600)  # noqa: PTH101  # nobody can connect before it listens, whatever the umask
            self._made = os.lstat(self._path)
        except BaseException:
            bound.close()
            raise
        return bound

    def remove(self) -> None:
        """Remove it, if it is still the one that was made; harmless when repeated."""
        made, self._made = self._made, None
        if made is not None:
            with contextlib.suppress(OSError):
                if os.path.samestat(made, os.lstat(self._path)):
                    os.unlink(self._path)  # noqa: PTH108  # a socket's path is text throughout

    def _clear(self) -> None:
        """Remove what a process left that is gone; nothing else."""
        try:
            found = os.lstat(self._path)
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise ExpvasticError(
                f"settings.listen: {self._path} is there and no socket; remove it or choose another path"
            )
        if self._answers():
            raise ExpvasticError(f"settings.listen: {self._path} is in use; choose another path")
        os.unlink(self._path)  # noqa: PTH108

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.setblocking(False)
            try:
                asking.connect(self._path)
            except ConnectionRefusedError:
                return False
            except BlockingIOError:  # so many are waiting that there is no room
                return True
            return True
