"""The event loop of all tests, and the real parts that some of them need."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import go_app as go_program
from expvastic.pages import known_moulds, known_shapes
from expvastic.pages.sightings import Sightings
from node_jars import PRODUCTS, find_parts
from real_nodes import Node
from real_parts import Unavailable
from virtual_clock import VirtualClockLoop

REAL_FIXTURES = {"real_node", "start_node", "go_app"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-nodes",
        default="es9,es8,os3",
        metavar="NAMES",
        help=f"real nodes to test against, of {', '.join(PRODUCTS)}; 'none' for none",
    )
    parser.addoption("--real-nodes-download", action="store_true", help="let Maven fetch the nodes' jars")
    parser.addoption("--require-real", action="store_true", help="a real part that cannot be had is a failure")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: runs on the virtual clock; see tests/virtual_clock.py")
    if unknown := set(wanted_nodes(config)) - set(PRODUCTS):
        raise pytest.UsageError(f"--real-nodes: no {', '.join(sorted(unknown))}; there are {', '.join(PRODUCTS)}")


def wanted_nodes(config: pytest.Config) -> list[str]:
    names = config.getoption("--real-nodes").split(",")
    return [name for name in names if name not in ("", "none")]


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that uses a real part is marked as such; where several processes share the tests, one has all of them."""
    for item in items:
        if REAL_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.real)
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.xdist_group("real"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are numbered and not spelled: packed ones hold the second of the packing, and processes that share the
    tests out must have the same names for them.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Session scope lets pytest sort the tests by node, so that one node runs at a time."""
    if "real_node" in metafunc.fixturenames:
        unwanted = pytest.param("none", marks=pytest.mark.skip(reason="no real nodes asked for; see --real-nodes"))
        metafunc.parametrize(
            "running_node", wanted_nodes(metafunc.config) or [unwanted], indirect=True, scope="session"
        )


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that an earlier test has shown are not seen again."""
    for module in (known_moulds, known_shapes):
        monkeypatch.setattr(module, "_sightings", Sightings())


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """asyncio, on the virtual clock where a test or its module is marked ``virtual_time``."""
    if request.node.get_closest_marker("virtual_time"):
        return "asyncio", {"loop_factory": VirtualClockLoop}
    return "asyncio", {}


@functools.cache
def missing_part(name: str, download: bool) -> str:
    """Why a node, or the Go program, cannot be had here; empty if it can."""
    try:
        if name == "go":
            go_program.build()
        else:
            find_parts(PRODUCTS[name], download=download)
    except Unavailable as missing:
        return str(missing)
    return ""


def require(config: pytest.Config, name: str) -> None:
    """Skip the test, or fail it where real parts are required, if the part cannot be had."""
    reason = missing_part(name, config.getoption("--real-nodes-download"))
    if reason and config.getoption("--require-real"):
        pytest.fail(f"real part {name}: {reason}", pytrace=False)
    if reason:
        pytest.skip(f"real part {name}: {reason}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Here rather than in a fixture, so that the summary has one line for all tests that miss the same part."""
    if isinstance(item, pytest.Function) and "running_node" in item.fixturenames:
        require(item.config, str(item.callspec.params["running_node"]))
    if "go_binary" in getattr(item, "fixturenames", ()):
        require(item.config, "go")


@pytest.fixture(scope="session")
def running_node(request: pytest.FixtureRequest) -> Iterator[Node]:
    node = Node(request.param)
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture
def real_node(running_node: Node) -> Iterator[Node]:
    """An empty node of each kind that is asked for; a test may stop and start it."""
    running_node.start()
    yield running_node
    running_node.wipe()


@pytest.fixture
def start_node(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Mapping[str, str]], Node]]:
    """Starts a node of the test's own, with node settings that only a start can give."""
    nodes: list[Node] = []

    def start(name: str, settings: Mapping[str, str]) -> Node:
        if name not in wanted_nodes(request.config):
            pytest.skip(f"{name} not asked for; see --real-nodes")
        require(request.config, name)
        nodes.append(Node(name, settings))
        nodes[-1].start()
        return nodes[-1]

    yield start
    for node in nodes:
        node.close()


@pytest.fixture(scope="session")
def go_binary() -> Path:
    return go_program.build()


@pytest.fixture
def go_app(go_binary: Path) -> Iterator[Callable[[], go_program.GoApp]]:
    """Starts real Go programs, as many as are called for."""
    apps: list[go_program.GoApp] = []

    def start() -> go_program.GoApp:
        apps.append(go_program.GoApp(go_binary))
        apps[-1].start()
        return apps[-1]

    yield start
    for app in apps:
        app.close()
