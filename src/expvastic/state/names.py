"""Names of readers and recorders as names of files."""

from __future__ import annotations

import hashlib
from urllib.parse import quote, unquote

_LONGEST = 200  # bytes; a file system takes 255, and something is put behind
_KEPT = 160
_CUT = "~"  # in no name that is whole: there it is quoted


def file_name(name: str) -> str:
    """A name that any file system takes, another one for every name: what is not plain is quoted."""
    quoted = quote(name, safe="", errors="surrogatepass").replace(_CUT, "%7E")
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) <= _LONGEST:
        return quoted or "%"
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{quoted[:_KEPT]}{_CUT}{digest}"


def name_of(file: str) -> str:
    """The name that a file is called after, as far as its own name tells: that of a very long one is cut."""
    return unquote(file, errors="replace")
