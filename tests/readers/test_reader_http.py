"""The reader of any JSON page: the contract, POST, and pointers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import date

import pytest
from pydantic import ValidationError

from contracts.reader import ReaderContract
from expvastic.errors import InvalidPayload
from expvastic.readers.http import HttpReader, HttpSettings
from expvastic.telemetry import Snapshot
from scripted_http import Answer, ScriptedServer


def no_snapshot() -> Snapshot:
    raise AssertionError("nobody asked for a snapshot")


def reader_of(endpoint: str, **settings: object) -> HttpReader:
    return HttpReader(HttpSettings.model_validate({"endpoint": endpoint, **settings}), no_snapshot)


async def read_below(pointer: str, page: bytes) -> object:
    async with ScriptedServer(Answer(page)) as server, reader_of(server.url, pointer=pointer) as reader:
        reading = await reader.read()
    return reading.pages[0].body


class TestHttpReader(ReaderContract):
    secrets = ("s3cret", "t0ken")

    @contextlib.asynccontextmanager
    async def make(self) -> AsyncIterator[HttpReader]:
        async with ScriptedServer(Answer({"a": 1})) as server:
            yield reader_of(
                server.url, routepath="?key=t0ken", bearer_token="s3cret", method="POST", body={"api_key": "s3cret"}
            )

    def make_absent(self) -> HttpReader:
        return reader_of("http://127.0.0.1:1?key=t0ken", bearer_token="s3cret", proxy="user:s3cret@127.0.0.1:1")

    @contextlib.asynccontextmanager
    async def make_misled(self) -> AsyncIterator[HttpReader]:
        async with ScriptedServer(Answer("[1]")) as server:
            yield reader_of(server.url, bearer_token="s3cret", pointer="/a")


class TestHttpReaderWithPointer(TestHttpReader):
    @contextlib.asynccontextmanager
    async def make(self) -> AsyncIterator[HttpReader]:
        async with ScriptedServer(Answer({"a": {"b": 1}})) as server:
            yield reader_of(server.url, pointer="/a")


async def test_the_page_is_handed_on_untouched() -> None:
    async with ScriptedServer(Answer('{"a": NaN }')) as server, reader_of(f"{server.url}/status") as reader:
        reading = await reader.read()

    [page] = reading.pages
    assert (page.body, page.dataset, dict(page.labels)) == (b'{"a": NaN }', "http", {})
    assert server.requests[0].path == "/status"


def test_its_names_stand_below_json() -> None:
    assert HttpReader.prefix == "json"


@pytest.mark.parametrize(
    ("settings", "body", "content_type"),
    [
        ({"body": {"size": 0}}, b'{"size": 0}', "application/json"),
        ({"body": "a=1&b=2", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, b"a=1&b=2", "form"),
        ({"body": "ü"}, "ü".encode(), "application/json"),
        ({}, b"", ""),
    ],
)
async def test_a_post_carries_its_body_each_time(settings: dict[str, object], body: bytes, content_type: str) -> None:
    async with ScriptedServer(Answer()) as server, reader_of(server.url, method="POST", **settings) as reader:
        await reader.read()
        await reader.read()

    assert [(each.method, each.body) for each in server.requests] == [("POST", body)] * 2
    assert all(content_type in each.headers.get("content-type", "") for each in server.requests)
    assert {each.headers["content-length"] for each in server.requests} == {str(len(body))}


@pytest.mark.parametrize(
    ("pointer", "page"),
    [
        ("/a", {"a": {"x": 1}}),
        ("/a/b", {"a": {"b": {"x": 1}}}),
        ("/list/1", {"list": [{}, {"x": 1}]}),
        ("/0", {"0": {"x": 1}}),
        ("/a~1b/~0/~01", {"a/b": {"~": {"~1": {"x": 1}}}}),
        ("/", {"": {"x": 1}}),
        ("//a", {"": {"a": {"x": 1}}}),
        ("/ü é", {"ü é": {"x": 1}}),
    ],
)
async def test_a_pointer_leads_to_the_object_that_is_read(pointer: str, page: object) -> None:
    assert await read_below(pointer, json.dumps(page).encode()) == {"x": 1}


async def test_integers_below_a_pointer_stay_exact() -> None:
    assert await read_below("/a", b'{"a": {"x": 18446744073709551615}}') == {"x": 2**64 - 1}


@pytest.mark.parametrize(
    "pointer",
    ["/b", "/a/b", "/list", "/list/2", "/list/01", "/list/-", "/list/x", f"/list/{'9' * 20}", "/s/0"],
)
async def test_a_pointer_that_leads_to_no_object_is_a_failed_poll(pointer: str) -> None:
    with pytest.raises(InvalidPayload, match="pointer") as caught:
        await read_below(pointer, b'{"a": 1, "list": [1, 2], "s": "text"}')

    assert caught.value.reason == "pointer"


@pytest.mark.parametrize(("page", "reason"), [(b"<nothing>", "not_json"), (b"[1]", "not_object")])
async def test_below_a_pointer_a_page_must_be_a_json_object_as_well(page: bytes, reason: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        await read_below("/a", page)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"pointer": "a.b"}, "JSON Pointer"),
        ({"pointer": "/a~2"}, "JSON Pointer"),
        ({"method": "PUT"}, "GET"),
        ({"body": "x"}, "method: POST"),
        ({"method": "POST", "body": 5}, "must be text, or a mapping"),
        ({"method": "POST", "body": {"on": date(2026, 1, 1)}}, "quotes"),
        ({"method": "POST", "body": {"x": float("nan")}}, "quotes"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint) as caught:
        HttpSettings.model_validate({"endpoint": "host", **settings})

    assert caught.value.error_count() == 1


def test_the_method_may_be_written_small() -> None:
    assert HttpSettings.model_validate({"endpoint": "host", "method": "post"}).method == "POST"
