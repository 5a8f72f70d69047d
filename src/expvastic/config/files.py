"""The configuration file and the files that hold single secrets: found, and read with limits."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

import msgspec

from .complaints import fault, listed, printable

MAX_BYTES = 10 * 2**20
_MAX_SECRET_BYTES = 64 * 2**10
_ENDINGS = (".yml", ".yaml")


class FileText(msgspec.Struct, frozen=True):
    """What a file says, and whether everybody on the machine may read it."""

    text: str
    is_public: bool


def find(name: str) -> Path:
    """Return the file that ``-c`` names: as given, or with ``.yml`` or ``.yaml`` behind it.

    Raises ConfigError, with the names of files that are near, if there is none.
    """
    try:
        for path in (Path(name), Path(name + ".yml"), Path(name + ".yaml")):
            if path.exists() and not path.is_dir():
                return path
        if name and Path(name).is_dir():
            raise fault(name, "is a directory; name the file in it")
        raise fault(name or "-c", f"no such file{_near(Path(name))}")
    except (OSError, ValueError) as error:
        raise fault(name, f"cannot be read: {_reason(error)}") from error


def read_file(path: Path) -> FileText:
    """Read a configuration file. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
            mode = os.fstat(file.fileno()).st_mode
    except (OSError, ValueError) as error:
        raise fault(str(path), f"cannot be read: {_reason(error)}") from error
    if len(content) > MAX_BYTES:
        raise fault(str(path), f"larger than {MAX_BYTES // 2**20} MB")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise fault(str(path), "not UTF-8 but UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise fault(str(path), "not UTF-8; save it as UTF-8", line) from error
    return FileText(text, is_public=stat.S_ISREG(mode) and bool(mode & stat.S_IROTH))


def read_secret(name: str) -> str:
    """Return what a secret's file holds, without one newline at its end.

    Raises ValueError that says why not; without the name, which may be a secret put behind the wrong key.
    """
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MAX_SECRET_BYTES + 1)
        secret = content.decode()
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"the file cannot be read: {_reason(error)}") from error
    if len(content) > _MAX_SECRET_BYTES:
        raise ValueError("the file is too large for a secret")
    secret = secret.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise ValueError("the file is empty")
    return secret


def _near(path: Path) -> str:
    """Name the configuration files in the same folder: the one that is meant, else some of them."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in _ENDINGS)
    except OSError:
        return ""
    import difflib  # for those who mistype

    near = difflib.get_close_matches(path.name, names[:1_000], n=1)
    if near:
        return f"; did you mean {printable(str(path.with_name(near[0])))}?"
    return f"; here are {listed(map(printable, names[:3]), 'and')}" if names else ""


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "it failed").lower() if isinstance(error, OSError) else "not a file name"
