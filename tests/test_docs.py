"""The documentation says what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from expvastic.config import load
from expvastic.config.catalogue import installed

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page() -> str:
    return (DOCS / "configuration.md").read_text(encoding="utf-8")


def test_the_configuration_reference_is_current(reference: ModuleType) -> None:
    assert page() == reference.render(), "run: python docs/reference.py"


def test_every_type_is_in_the_configuration_reference() -> None:
    types = {*installed().readers, *installed().recorders}

    assert not [kind for kind in types if f"| `{kind}` |" not in page()]


def test_the_example_in_the_configuration_reference_loads(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", page(), re.DOTALL)[0]
    path = tmp_path / "expvastic.yml"
    path.write_text(example, encoding="utf-8")
    config = load(path, {"ES_API_KEY": "aWQ6a2V5"})

    assert config.engines == {"my_app": ("es",), "own": ("es",)}
    assert config.remarks == ()


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for path in DOCS.glob("*.md"):
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        assert not [link for link in links if not (DOCS / link).exists()], path.name
