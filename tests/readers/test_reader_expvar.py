"""The reader of Go's pages: the contract, where it looks, and what it hands on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from contracts.reader import ReaderContract
from expvastic.readers.expvar import ExpvarReader, ExpvarSettings
from expvastic.telemetry import Snapshot
from scripted_http import Answer, ScriptedServer

PAGE = b'{\n"cmdline": ["/bin/app"],\n"memstats": {"Alloc": 1, "PauseNs": [1, 0]}\n}\n'


def no_snapshot() -> Snapshot:
    raise AssertionError("nobody asked for a snapshot")


def reader_of(endpoint: str, **settings: object) -> ExpvarReader:
    return ExpvarReader(ExpvarSettings.model_validate({"endpoint": endpoint, **settings}), no_snapshot)


class TestExpvarReader(ReaderContract):
    secrets = ("s3cret", "t0ken")

    @contextlib.asynccontextmanager
    async def make(self) -> AsyncIterator[ExpvarReader]:
        async with ScriptedServer(Answer(PAGE, chunk=32)) as server:
            yield reader_of(
                f"user:s3cret@{server.endpoint}/debug/vars", routepath="x?key=t0ken", headers={"X-Key": "s3cret"}
            )

    def make_absent(self) -> ExpvarReader:
        return reader_of("user:s3cret@127.0.0.1:1/debug/vars?key=t0ken")

    @contextlib.asynccontextmanager
    async def make_misled(self) -> AsyncIterator[ExpvarReader]:
        async with ScriptedServer(Answer("s3cret", status=500)) as server:
            yield reader_of(f"user:s3cret@{server.endpoint}", bearer_token=None)


async def test_the_page_is_handed_on_untouched() -> None:
    async with ScriptedServer(Answer(PAGE, chunk=32)) as server, reader_of(server.url) as reader:
        reading = await reader.read()

    [page] = reading.pages
    assert (page.body, page.dataset, dict(page.labels)) == (PAGE, "expvar", {})


@pytest.mark.parametrize(
    ("path", "routepath", "asked"),
    [
        ("", "", "/debug/vars"),
        ("/", "", "/"),
        ("/status", "", "/status"),
        ("", "status/", "/status/"),
        ("/debug", "/vars?x=1", "/debug/vars?x=1"),
    ],
)
async def test_without_a_path_it_asks_where_go_publishes(path: str, routepath: str, asked: str) -> None:
    async with ScriptedServer(Answer(PAGE)) as server, reader_of(server.url + path, routepath=routepath) as reader:
        await reader.read()

    assert server.requests[0].path == asked
    assert reader.target == server.url + asked.partition("?")[0]


def test_a_unix_socket_without_a_path_means_go_s_path_too() -> None:
    assert reader_of("unix:///run/app.sock").target == "unix:///run/app.sock:/debug/vars"


def test_its_names_stand_below_expvar() -> None:
    assert ExpvarReader.prefix == "expvar"
