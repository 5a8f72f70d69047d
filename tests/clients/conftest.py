"""The ways in which a page is fetched; a test that uses ``way`` runs once for each."""

from __future__ import annotations

import importlib.util

import pytest

import fetching
from expvastic.clients.fetch import Fetcher
from expvastic.clients.paths import make_fetcher

UVLOOP = "lean on uvloop"
WAYS = {"httpx": Fetcher, "lean": make_fetcher, UVLOOP: make_fetcher}


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Over httpx, or as the settings decide, which is the lean way unless it cannot do what they ask for."""
    name = str(request.param)
    if name == UVLOOP and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    monkeypatch.setattr(fetching, "make", WAYS[name])
    return name


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """The loop that the way runs on."""
    callspec = getattr(request.node, "callspec", None)
    wanted = callspec is not None and callspec.params.get("way") == UVLOOP
    return "asyncio", {"use_uvloop": wanted and importlib.util.find_spec("uvloop") is not None}
