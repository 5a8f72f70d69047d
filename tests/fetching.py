"""Fetching a page in a test, and the failure that comes instead."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from expvastic.clients.failures import REASONS
from expvastic.clients.fetch import Fetched, Fetcher
from expvastic.clients.lean import LeanFetcher
from expvastic.clients.paths import make_fetcher
from expvastic.clients.target import TargetSettings
from expvastic.errors import ReadError

PATIENCE = 10  # seconds until a test that hangs is ended

AnyFetcher = Fetcher | LeanFetcher
make: Callable[..., AnyFetcher] = make_fetcher  # the fixture ``way`` sets it to one way or the other


@contextlib.asynccontextmanager
async def fetching(endpoint: str, **settings: object) -> AsyncIterator[AnyFetcher]:
    """A fetcher that asks by GET, closed at the end."""
    async with _closing(make(settings_of(endpoint, **settings))) as fetcher:
        yield fetcher


@contextlib.asynccontextmanager
async def posting(endpoint: str, content: bytes, **settings: object) -> AsyncIterator[AnyFetcher]:
    """A fetcher that asks by POST, closed at the end."""
    async with _closing(make(settings_of(endpoint, **settings), "POST", content, "text/plain")) as fetcher:
        yield fetcher


async def fetch_once(endpoint: str, **settings: object) -> Fetched:
    async with fetching(endpoint, **settings) as fetcher:
        return await fetcher.fetch()


async def fail_once(endpoint: str, **settings: object) -> ReadError:
    """The failure of one fetch."""
    async with fetching(endpoint, **settings) as fetcher:
        return await failure_of(fetcher)


async def failure_of(fetcher: AnyFetcher) -> ReadError:
    """The failure of the next fetch; it must be one line, with a reason that is documented."""
    with pytest.raises(ReadError) as caught:
        await fetcher.fetch()
    assert caught.value.reason in REASONS
    assert str(caught.value).isprintable()
    return caught.value


def settings_of(endpoint: str, **settings: object) -> TargetSettings:
    return TargetSettings.model_validate({"endpoint": endpoint, **settings})


@contextlib.asynccontextmanager
async def _closing(fetcher: AnyFetcher) -> AsyncIterator[AnyFetcher]:
    with anyio.fail_after(PATIENCE):
        try:
            yield fetcher
        finally:
            await fetcher.aclose()
