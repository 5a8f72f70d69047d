"""``${NAME}`` in values: filled in from the environment after parsing, so that a value can never become structure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .complaints import Complaints, Path, printable
from .tree import Node, Scalar, walk

_PLACE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def fill_in(root: Node, environment: Mapping[str, str], complaints: Complaints) -> None:
    """Fill in every variable of every text in the tree; ``$${`` stands for ``${`` itself."""
    for path, node in walk(root):
        if isinstance(node, Scalar) and isinstance(node.value, str) and "${" in node.value:
            node.value = _filled(node, path, environment, complaints)
            node.filled = True


def _filled(scalar: Scalar, path: Path, environment: Mapping[str, str], complaints: Complaints) -> str:
    def value(place: re.Match[str]) -> str:
        if place[0] == "$${":
            return "${"
        variable = _VARIABLE.fullmatch(place[1]) if place[2] else None
        if variable is None:
            message = "no variable: write ${NAME} or ${NAME:-default}, or $${ for the characters ${"
            complaints.error(path, message, scalar.line)
            return ""
        name, default = variable.groups()
        found = environment.get(name)
        if found is None and default is None:
            message = f"the environment has no {printable(name)}; set it, or write ${{{printable(name)}:-default}}"
            complaints.error(path, message, scalar.line)
        return found or default or ""

    return _PLACE.sub(value, scalar.text)
