"""Map files: what names mean, in a file of its own, as the ancestor had it."""

from __future__ import annotations

from ..errors import ConfigError
from ..pages.mapping import MappingSettings
from .complaints import Complaints
from .credentials import Credentials
from .document import read_yaml
from .files import find, read_file
from .sections import open_section
from .tree import Entry, Scalar


def read_map_file(name: str) -> MappingSettings:
    """The settings in a map file, found as ``-c`` finds its file. Raises ConfigError with all that is wrong."""
    path = find(name)
    complaints = Complaints(str(path))
    root = read_yaml(read_file(path).text, complaints)
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return MappingSettings()
    opened = open_section(Entry("", root.line, root), (), (MappingSettings,), Credentials(complaints))
    settings = opened.make(MappingSettings) if opened else None
    complaints.raise_errors()
    assert settings is not None
    return settings


def lines_of(error: ConfigError) -> str:
    """All complaints as one line."""
    return "; ".join(map(str, error.complaints))
