"""The house keeps its plan: what imports what, how long things are, and that nothing registered is forgotten."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from expvastic.buffers import BUFFERS
from expvastic.readers import READERS
from expvastic.recorders import RECORDERS
from house import PACKAGE, ROOT, Import, Module, eager_closure, modules, own

# A module imports from rungs below its own; on its own rung only from its own folder, or along an arrow.
# A longer name goes before a shorter one: outcomes.verdicts has its own place.
RUNGS = {
    0: "errors datatypes cores registry",
    1: "settings telemetry accounts pacing routes shards interpreter document pages outcomes",
    2: "reader recorder buffer state",
    3: "engine slots turns deadline delivery batches handover syncing waiting outcomes.verdicts outcomes.refusals "
    "outcomes.standing outcomes.quarantine readers recorders buffers clients views listener",
    4: "config logs",
    5: "pipeline assembly upkeep surplus workers",
    6: "cli dashboards __main__",
}
ARROWS = {
    *(
        ("interpreter", "pages"),
        ("interpreter", "document"),
        ("interpreter", "settings"),
        ("pages", "settings"),
        ("outcomes", "settings"),
        ("accounts", "telemetry"),
        ("telemetry", "outcomes"),
    ),
    *(
        ("engine", "delivery"),
        ("engine", "deadline"),
        ("engine", "slots"),
        ("slots", "turns"),
        ("delivery", "batches"),
        ("batches", "waiting"),
        ("batches", "outcomes"),
        ("delivery", "handover"),
        ("delivery", "syncing"),
        ("delivery", "waiting"),
    ),
    *(("delivery", "outcomes"), ("handover", "outcomes"), ("listener", "views")),
    *(("pipeline", "assembly"), ("pipeline", "upkeep"), ("assembly", "upkeep")),
    *(("surplus", "assembly"), ("surplus", "upkeep")),
    *(("workers", "pipeline"), ("workers", "assembly")),
    *(("readers", "clients"), ("recorders", "clients"), ("__main__", "cli"), ("cli", "dashboards")),
}
PLACES = {name: rung for rung, names in RUNGS.items() for name in names.split()}
IMPURE = {"anyio", "asyncio", "elastic_transport", "elasticsearch", "h11", "httptools", "httpx", "socket", "structlog"}
HEAVY = {"elastic_transport", "elasticsearch", "h11", "httpcore", "httpx", "structlog"}
LAZY_FOR_HELP = HEAVY | {"anyio", "pydantic", "yaml"}
HOUSE = modules()
REGISTRIES: Mapping[str, Mapping[str, object]] = {"readers": READERS, "recorders": RECORDERS, "buffers": BUFFERS}
PLUG_INS = [(plural, key) for plural, registry in REGISTRIES.items() for key in registry]


def rung_of(name: str) -> int:
    """A module's rung: that of the longest name in the plan that it is or lies in. The package itself is below all."""
    parts = name.split(".")
    places = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return -1 if name == "" else next(PLACES[place] for place in places if place in PLACES)


def may_import(importer: str, imported: str) -> bool:
    here, there = importer.split(".")[0], imported.split(".")[0]
    if rung_of(importer) != rung_of(imported):
        return rung_of(importer) > rung_of(imported)
    return here == there or (here, there) in ARROWS


def where(module: Module, found: Import) -> str:
    return f"{module.path.relative_to(ROOT)}:{found.line} imports {found.target}"


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("engine", "reader", True),
        ("engine", "delivery", True),
        ("delivery", "engine", False),
        ("engine", "recorders.file", False),
        ("readers.http", "readers.expvar", True),
        ("readers.http", "recorders.file", False),
        ("readers.http", "clients.http", True),
        ("clients.http", "readers.http", False),
        ("views.prometheus", "readers", False),
        ("interpreter", "pages.flatten", True),
        ("pages.flatten", "interpreter", False),
        ("outcomes.verdicts", "recorder", True),
        ("outcomes.ledger", "recorder", False),
        ("recorder", "config", False),
        ("config.document", "readers", True),
        ("pipeline", "cli", False),
    ],
)
def test_the_plan_says_who_may_import_whom(importer: str, imported: str, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed


def test_every_module_has_a_place_in_the_plan() -> None:
    homeless = [name for name in HOUSE if name and not {name, name.split(".")[0]} & set(PLACES)]

    assert homeless == []


def test_a_module_imports_only_what_the_plan_allows() -> None:
    wrong = [
        where(module, found)
        for name, module in HOUSE.items()
        for found in module.imports
        if (target := own(found.target)) is not None and not may_import(name, target)
    ]

    assert wrong == []


def test_the_package_is_imported_by_relative_imports_within() -> None:
    wrong = [
        f"{module.path.relative_to(ROOT)}:{node.lineno}"
        for module in HOUSE.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "expvastic"
    ]

    assert wrong == []


def test_what_is_pure_knows_no_event_loop_no_client_and_no_logger() -> None:
    wrong = [
        where(module, found)
        for name, module in HOUSE.items()
        if rung_of(name) <= 1
        for found in module.imports
        if found.target.split(".")[0] in IMPURE
    ]

    assert wrong == []


def test_heavy_modules_are_imported_only_when_they_are_needed() -> None:
    """At the top of a module they may stand only if that module, too, is imported within functions alone."""
    commands = {name for name in HOUSE if name.split(".")[0] == "cli"}
    loaded = eager_closure({*commands, "__main__", "pipeline", "config", *REGISTRIES}, HOUSE)
    wrong = [
        where(HOUSE[name], found)
        for name in sorted(loaded)
        for found in HOUSE[name].imports
        if found.eager and found.target.split(".")[0] in HEAVY
    ]

    assert wrong == []


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_nothing_that_takes_time(flag: str) -> None:
    program = (
        "import sys\n"
        "import expvastic.cli\n"
        f"sys.argv = ['expvastic', {flag!r}]\n"
        "try:\n"
        "    code = expvastic.cli.main()\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        "assert not code, code\n"
        f"print('loaded:', *sorted({LAZY_FOR_HELP!r} & set(sys.modules)))\n"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "loaded:"


def test_no_module_is_longer_than_300_lines() -> None:
    long = {name: lines for name, module in HOUSE.items() if (lines := len(module.text.splitlines())) > 300}

    assert long == {}


def test_no_function_is_longer_than_40_lines() -> None:
    long = [
        f"{module.path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for module in HOUSE.values()
        for function in module.functions
        if (function.end_lineno or 0) - function.lineno >= 40
    ]

    assert long == []


def test_every_module_says_in_its_docstring_what_lives_in_it() -> None:
    silent = [name for name, module in HOUSE.items() if not ast.get_docstring(module.tree)]

    assert silent == []


@pytest.mark.parametrize(("plural", "key"), PLUG_INS)
def test_a_registered_type_has_a_module_of_its_name(plural: str, key: str) -> None:
    module = PACKAGE / plural / f"{key}.py"

    assert module.exists() or (PACKAGE / plural / key / "__init__.py").exists()


@pytest.mark.parametrize(("plural", "key"), PLUG_INS)
def test_a_registered_type_runs_the_contract_suite(plural: str, key: str) -> None:
    singular = plural.removesuffix("s")
    suite = ROOT / "tests" / plural / f"test_{singular}_{key}.py"

    assert suite.exists()
    assert contract_tests(suite, f"contracts.{singular}"), f"{suite.name} has no class that inherits the contract"


def contract_tests(suite: Path, contract: str) -> list[str]:
    """The test classes of a file that have a base from the module of the contract."""
    tree = ast.parse(suite.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == contract]
    contracts = {alias.asname or alias.name for node in imports for alias in node.names}
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
        if contracts & {ast.unparse(base).split("[")[0] for base in node.bases}
    ]


@pytest.mark.parametrize(("plural", "key"), [pair for pair in PLUG_INS if pair[0] != "buffers"])
def test_a_registered_type_has_an_example(plural: str, key: str) -> None:
    example = (ROOT / "examples" / "expvastic.yml").read_text(encoding="utf-8")

    assert re.search(rf"\btype: *{key}\b", example), f"examples/expvastic.yml shows no {plural} of type {key}"


@pytest.mark.parametrize(("plural", "key"), PLUG_INS)
def test_a_registered_type_is_in_the_configuration_reference(plural: str, key: str) -> None:
    reference = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert re.search(rf"`{key}`", reference), f"docs/configuration.md says nothing of {plural} of type {key}"
