"""What the source says about itself: its modules, what each imports and when, and how long things are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "expvastic"


@dataclass(frozen=True)
class Import:
    """``target`` is absolute; ``eager`` says that importing the module carries it out."""

    target: str
    line: int
    eager: bool


@dataclass(frozen=True)
class Module:
    """One source file; ``name`` is relative to the package, ``readers.http`` for one, and empty for the package."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def package(self) -> str:
        """What a single leading dot stands for."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        found: list[Import] = []
        _collect(self, self.tree, True, found)
        return tuple(found)


def _collect(module: Module, node: ast.AST, eager: bool, found: list[Import]) -> None:
    for child in ast.iter_child_nodes(node):
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_for_types(child)
        if isinstance(child, ast.Import):
            found += [Import(alias.name, child.lineno, eager) for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            found += [Import(target, child.lineno, eager) for target in _targets(module, child)]
        _collect(module, child, eager and not deferred, found)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _targets(module: Module, node: ast.ImportFrom) -> list[str]:
    """Both the source and its names, since ``from .pages import flatten`` may name a module or what is in one."""
    source = node.module or ""
    if node.level:
        parts = ["expvastic", *filter(None, module.package.split("."))]
        source = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [source])])
    names = [f"{source}.{alias.name}" for alias in node.names]
    return [name if _is_module(name) else source for name in names]


def _is_module(absolute: str) -> bool:
    top, *rest = absolute.split(".")
    path = PACKAGE.joinpath(*rest)
    return top == "expvastic" and (path.with_suffix(".py").exists() or (path / "__init__.py").exists())


def modules() -> dict[str, Module]:
    """Every module of the package by its relative name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path)
    return found


def own(target: str) -> str | None:
    """The relative name of a module of ours, nothing for those of others."""
    if target == "expvastic":
        return ""
    return target.removeprefix("expvastic.") if target.startswith("expvastic.") else None


def eager_closure(start: set[str], everything: dict[str, Module]) -> set[str]:
    """All modules of ours that are loaded when these are imported."""
    seen: set[str] = set()
    waiting = set(start) & set(everything)
    while waiting:
        name = waiting.pop()
        seen.add(name)
        parents = {name.rpartition(".")[0]}
        targets = {
            target for each in everything[name].imports if each.eager and (target := own(each.target)) is not None
        }
        waiting |= ((targets | parents) & set(everything)) - seen
    return seen
