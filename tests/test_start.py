"""A start is quick: nothing is imported before the first poll that the poll does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from program import spell

# Of the clients' libraries none, nothing to log with, and nothing of what pydantic looks for plug-ins with.
LATER = {
    *("elastic_transport", "elasticsearch", "h11", "httpcore", "httpx", "urllib.request"),
    *("structlog", "email", "importlib.metadata", "zipfile"),
}
READER = {"type": "expvar", "endpoint": "localhost:1/page"}
RECORDER = {"type": "elasticsearch", "endpoint": "localhost:1"}
STATE = {"buffers.disk", "outcomes.quarantine", "state", "surplus", "upkeep"}
# What is imported for a configuration, and for no other: the modules, and how it is written.
PARTS: dict[str, tuple[set[str], dict[str, Any]]] = {
    "state_dir": (STATE, {"settings": {"state_dir": "state"}}),
    "listen": ({"listener"}, {"settings": {"listen": "127.0.0.1:0"}}),
    "http": ({"readers.http"}, {"readers": {"page": {**READER, "type": "http"}}}),
    "self": ({"readers.self"}, {"readers": {"page": {"type": "self"}}}),
    "file": ({"recorders.file"}, {"recorders": {"es": {"type": "file", "path": "out.ndjson"}}}),
    "console": ({"recorders.console"}, {"recorders": {"es": {"type": "console"}}}),
    "map_file": ({"config.mapfiles"}, {"readers": {"page": {**READER, "map_file": "map.yml"}}}),
    "variable": ({"config.variables"}, {"readers": {"page": {**READER, "endpoint": "${HOST:-localhost:1}"}}}),
}
NEVER = {
    *("config.schema", "dashboards", "listener.conversation", "recorders.elasticsearch.client", "views.prometheus"),
    *("interpreter", "pages.masking", "pages.moulding", "pages.strict"),
}
UNTIL_THE_FIRST_POLL = """\
import gc, importlib, os, sys
from expvastic.cli import main

async def poll(self):
    print("loaded:", *sorted(LATER & set(sys.modules)))
    print("own:", *sorted(name for name in sys.modules if name.startswith("expvastic.")))
    print("collector:", gc.isenabled(), gc.get_freeze_count() > 10_000)
    sys.stdout.flush()
    os._exit(0)

def import_command(name, package=None):
    module = import_module(name, package)
    if name == ".run":
        sys.modules["expvastic.engine"].Engine._poll = poll
    return module

import_module, importlib.import_module = importlib.import_module, import_command
sys.exit(main(["run", "-c", "expvastic.yml"]))
"""


def until_the_first_poll(folder: Path, **parts: dict[str, Any]) -> list[str]:
    """What a run prints when its first poll is due; ``parts`` are those of its configuration."""
    (folder / "map.yml").write_text("gc_types: [pauses]\n", encoding="utf-8")
    text = spell(
        {
            "settings": parts.get("settings", {}),
            "readers": parts.get("readers", {"page": READER}),
            "recorders": parts.get("recorders", {"es": RECORDER}),
            "routes": {"main": {"readers": ["page"], "recorders": ["es"]}},
        }
    )
    (folder / "expvastic.yml").write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYDANTIC"))}
    program = f"LATER = {LATER!r}\n{UNTIL_THE_FIRST_POLL}"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def own_modules(printed: list[str]) -> set[str]:
    return {name.removeprefix("expvastic.") for name in printed[1].split()[1:]}


@pytest.mark.parametrize("kind", ["expvar", "http"])
@pytest.mark.parametrize("settings", [{}, {"state_dir": "state"}, {"listen": "127.0.0.1:0"}])
def test_nothing_that_the_first_poll_can_do_without_is_imported_before_it(
    kind: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    readers = {"page": {**READER, "type": kind}}

    assert until_the_first_poll(tmp_path, settings=settings, readers=readers)[0] == "loaded:"


def test_nothing_is_imported_for_what_a_configuration_does_not_name(tmp_path: Path) -> None:
    own = own_modules(until_the_first_poll(tmp_path))

    assert not own & NEVER.union(*(modules for modules, _ in PARTS.values()))
    assert {"readers.expvar", "recorders.elasticsearch"} <= own


@pytest.mark.parametrize("part", PARTS)
def test_what_a_configuration_names_is_imported(part: str, tmp_path: Path) -> None:
    modules, written = PARTS[part]

    assert modules <= own_modules(until_the_first_poll(tmp_path, **written))


def test_what_was_imported_before_the_first_poll_is_never_collected(tmp_path: Path) -> None:
    assert until_the_first_poll(tmp_path)[2] == "collector: True True"


def test_of_the_official_client_only_the_transport_is_imported_to_write() -> None:
    program = (
        "import sys, expvastic.recorders.elasticsearch.client\n"
        "print({'elastic_transport', 'elasticsearch'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert run.stdout == "{'elastic_transport'}\n"


def test_typed_dicts_are_what_they_were_once_pydantic_is_imported() -> None:
    program = (
        "from expvastic.cli.starting import import_pydantic\n"
        "import_pydantic()\n"
        "import typing, typing_extensions, pydantic, pydantic_core.core_schema as core\n"
        "print(core.int_schema(ge=1), hasattr(core.IntSchema, '__required_keys__'))\n"
        "print([sorted(made.TypedDict('Own', {'a': int}).__required_keys__) for made in (typing, typing_extensions)])\n"
        "print(pydantic.TypeAdapter(typing_extensions.TypedDict('Own', {'a': int})).validate_python({'a': '5'}))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert run.stdout == "{'type': 'int', 'ge': 1} False\n[['a'], ['a']]\n{'a': 5}\n", run.stderr
