"""The configuration: a YAML file, or flags, to settings and plans. Everything that is wrong is said at once.

A file's way through the house: ``files`` reads it, ``document`` makes a ``tree`` with lines of it, ``variables`` are
filled in, ``parts`` (with ``sections`` and ``shapes``) makes settings of its sections, ``routing`` reads the routes,
``loading`` puts it all together into the ``plans``, of which ``sharing`` takes one process's part. ``complaints``
collects what is wrong, in the ``wording`` of users.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .catalogue import Catalogue, installed
from .complaints import Complaints
from .document import read_yaml
from .files import find, read_file
from .loading import build
from .plans import Config, ReaderPlan, RecorderPlan, Settings
from .sharing import count_workers, for_workers, take_share
from .tree import from_python

__all__ = [
    "Catalogue",
    "Config",
    "ReaderPlan",
    "RecorderPlan",
    "Settings",
    "count_workers",
    "find",
    "for_workers",
    "from_values",
    "json_schema",
    "load",
    "take_share",
]


def load(path: Path, environment: Mapping[str, str] = os.environ, catalogue: Catalogue | None = None) -> Config:
    """Return the configuration in a file. Raises ConfigError with every complaint about it."""
    file = read_file(path)
    complaints = Complaints(str(path))
    root = read_yaml(file.text, complaints)
    if root is not None and "${" in file.text:
        from .variables import fill_in

        fill_in(root, environment, complaints)
    return build(root, complaints, catalogue or installed(), file_is_public=file.is_public)


def json_schema(catalogue: Catalogue | None = None) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration file."""
    from . import schema  # for those who write files

    return schema.json_schema(catalogue)


def from_values(values: Mapping[str, object], source: str, catalogue: Catalogue | None = None) -> Config:
    """Return the configuration that plain values describe, as a file would. Raises ConfigError.

    ``source`` stands where complaints about a file have its name. Variables are not filled in: shells do that.
    """
    return build(from_python(values), Complaints(source), catalogue or installed())
