"""A start is quick: nothing is imported before the first poll that the poll does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from program import spell

LATER = {"elastic_transport", "elasticsearch", "h11", "httpcore", "httpx", "urllib.request"}
UNTIL_THE_FIRST_POLL = """\
import gc, importlib, os, sys
from expvastic.cli import main

async def poll(self):
    print("loaded:", *sorted(LATER & set(sys.modules)))
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


def until_the_first_poll(folder: Path, kind: str, *, state: bool) -> list[str]:
    settings = {"state_dir": str(folder / "state")} if state else {}
    text = spell(
        {
            "settings": settings,
            "readers": {"app": {"type": kind, "endpoint": "localhost:1/page"}},
            "recorders": {"es": {"type": "elasticsearch", "endpoint": "localhost:1"}},
            "routes": {"main": {"readers": ["app"], "recorders": ["es"]}},
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


@pytest.mark.parametrize("kind", ["expvar", "http"])
@pytest.mark.parametrize("state", [False, True])
def test_before_the_first_poll_no_client_of_a_recorder_is_imported(kind: str, state: bool, tmp_path: Path) -> None:
    assert until_the_first_poll(tmp_path, kind, state=state)[0] == "loaded:"


def test_what_was_imported_before_the_first_poll_is_never_collected(tmp_path: Path) -> None:
    assert until_the_first_poll(tmp_path, "expvar", state=False)[1] == "collector: True True"
