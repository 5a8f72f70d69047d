"""Fetching a page in a test, and the failure that comes instead."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import anyio
import pytest

from expvastic.clients.failures import REASONS
from expvastic.clients.fetch import Fetched, Fetcher
from expvastic.clients.target import TargetSettings
from expvastic.errors import ReadError

PATIENCE = 10  # seconds until a test that hangs is ended


@contextlib.asynccontextmanager
async def fetching(endpoint: str, **settings: object) -> AsyncIterator[Fetcher]:
    """A fetcher that asks by GET, closed at the end."""
    async with _closing(Fetcher(settings_of(endpoint, **settings))) as fetcher:
        yield fetcher


@contextlib.asynccontextmanager
async def posting(endpoint: str, content: bytes, **settings: object) -> AsyncIterator[Fetcher]:
    """A fetcher that asks by POST, closed at the end."""
    async with _closing(Fetcher(settings_of(endpoint, **settings), "POST", content, "text/plain")) as fetcher:
        yield fetcher


async def fetch_once(endpoint: str, **settings: object) -> Fetched:
    async with fetching(endpoint, **settings) as fetcher:
        return await fetcher.fetch()


async def fail_once(endpoint: str, **settings: object) -> ReadError:
    """The failure of one fetch."""
    async with fetching(endpoint, **settings) as fetcher:
        return await failure_of(fetcher)


async def failure_of(fetcher: Fetcher) -> ReadError:
    """The failure of the next fetch; it must be one line, with a reason that is documented."""
    with pytest.raises(ReadError) as caught:
        await fetcher.fetch()
    assert caught.value.reason in REASONS
    assert str(caught.value).isprintable()
    return caught.value


def settings_of(endpoint: str, **settings: object) -> TargetSettings:
    return TargetSettings.model_validate({"endpoint": endpoint, **settings})


@contextlib.asynccontextmanager
async def _closing(fetcher: Fetcher) -> AsyncIterator[Fetcher]:
    with anyio.fail_after(PATIENCE):
        try:
            yield fetcher
        finally:
            await fetcher.aclose()
