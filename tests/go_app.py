"""A real Go program that publishes expvar, built once per source and started as often as a test wants."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real_parts import CACHE, Unavailable, locked

SOURCES = Path(__file__).resolve().parent / "go"


def build() -> Path:
    """The program's binary; raises Unavailable where there is no Go that can build it."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SOURCES.iterdir()))).hexdigest()[:12]
    binary = CACHE / "go" / f"app-{digest}"
    with locked(binary.parent):
        if not binary.exists():
            _compile(binary)
    return binary


def go() -> str:
    """The command; there may be none."""
    return shutil.which("go") or "/usr/local/go/bin/go"


def _compile(binary: Path) -> None:
    if not Path(go()).exists():
        raise Unavailable("no Go on the PATH; install Go 1.21 or newer (Debian: apt-get install golang-go)")
    draft = binary.with_suffix(".draft")
    built = subprocess.run(
        [go(), "build", "-trimpath", "-o", draft, "."],
        cwd=SOURCES,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if built.returncode:
        raise RuntimeError(f"go build failed:\n{built.stdout}{built.stderr}")
    draft.replace(binary)


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A page that was sent to its last byte. ``time`` is nanoseconds since the epoch, when it was made."""

    serial: int
    time: int
    page: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Collection:
    """A garbage collection: its number from 1 in its life, its pause's end and length in nanoseconds.

    ``lost`` collections before it were overwritten before the program could log them.
    """

    life: int
    number: int
    end: int
    duration: int
    lost: int


class GoApp:
    """One running program, on a port of the kernel's choice that it keeps over ``stop()`` and ``start()``."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self._folder = Path(tempfile.mkdtemp(prefix="go-app-"))
        self._log = self._folder / "served.ndjson"
        self._gc_log = self._folder / "collections.ndjson"
        self.life = 0
        self.address = "127.0.0.1:0"
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The expvar page."""
        return f"http://{self.address}/debug/vars"

    def start(self, *flags: str) -> None:
        """Start, again if need be: the pages' serials go on in the next thousand, all else begins anew.

        Every page says which start it is of, as ``life``, from 1.
        """
        newest = max((page.serial for page in self.served()), default=-1)
        before_first = max((newest // 1000 + 1) * 1000, self.life * 1000)
        self.life += 1
        for_this_start = {
            "APP_ADDRESS": self.address,
            "APP_SERIAL": str(before_first),
            "APP_LIFE": str(self.life),
        }
        self._process = subprocess.Popen(
            [self._binary, "-log", self._log, "-gc-log", self._gc_log, *flags],
            env={**os.environ, **for_this_start},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        first_line = self._process.stdout.readline().strip()
        if not re.fullmatch(r"127\.0\.0\.1:\d+", first_line):
            self.kill()
            raise RuntimeError(f"the Go program did not start on {self.address}; its own words are above")
        self.address = first_line

    def stop(self) -> None:
        """End it in order: the pages under way are served, and are then in ``served()``."""
        if self._process and self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._ended(timeout=15)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()
        self._ended(timeout=15)

    def _ended(self, timeout: float) -> None:
        if self._process is None:
            return
        with self._process as process:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
        self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def served(self) -> list[ServedPage]:
        """Every page that was sent completely, over all starts.

        A page is noted just after its last byte was sent: while the program runs, the newest may be missing for a
        moment.
        """
        return sorted((ServedPage(**line) for line in _lines(self._log)), key=lambda page: page.serial)

    def collections(self) -> list[Collection]:
        """Every garbage collection, over all starts; but for those after the last page of a start that was killed."""
        return [Collection(**line) for line in _lines(self._gc_log)]

    def gc(self, count: int = 1) -> int:
        """Force garbage collections; answers with the number of all so far."""
        with urllib.request.urlopen(f"http://{self.address}/gc?n={count}", timeout=30) as answer:
            return int(answer.read())


def _lines(path: Path) -> list[Any]:
    if not path.exists():
        return []
    complete, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in complete.splitlines() if line]
