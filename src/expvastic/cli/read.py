"""``read URL``: one page's names, kinds and values; a table on a terminal, NDJSON otherwise."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import msgspec
from pydantic import ValidationError

from ..datatypes import Kind, Reading
from ..errors import Complaint, ConfigError, ReadError
from ..logs import visible
from ..pages.decode import decode
from ..pages.flatten import Flattener
from ..reader import Reader
from ..readers.expvar import ExpvarReader, ExpvarSettings
from ..readers.http import HttpReader, HttpSettings
from ..settings import parse_duration
from .flags import say

Row = tuple[str, str, Any]  # name, kind (or why it is left out), value


def main(options: argparse.Namespace) -> int:
    """Poll the page once and print it. Raises ReadError if it cannot be had."""
    reading = anyio.run(_read, *_reader(options))
    rows = list(_rows(reading))
    lines = _table(rows) if sys.stdout.isatty() else map(_json, rows)
    for line in lines:
        say(line)
    return 0


def _reader(options: argparse.Namespace) -> tuple[Reader[Any], float]:
    """A reader of the page, and its deadline; as for Go's pages, a URL without a path means ``/debug/vars``."""
    given = {"endpoint": options.url, "headers": dict(map(_header, options.header))}
    try:
        timeout = parse_duration(options.timeout)
        if options.pointer is None:
            return ExpvarReader(ExpvarSettings.model_validate(given), _no_snapshot), timeout
        return HttpReader(HttpSettings.model_validate({**given, "pointer": options.pointer}), _no_snapshot), timeout
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(map(str, found["loc"])) or "options"
        raise ConfigError([Complaint(f"read {where}", found["msg"].removeprefix("Value error, "))]) from None
    except ValueError as error:
        raise ConfigError([Complaint("read --timeout", str(error))]) from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigError([Complaint("read --header", "write it like 'Name: value'")])
    return name.strip(), value.strip()


async def _read(reader: Reader[Any], timeout: float) -> Reading:
    async with reader:
        try:
            with anyio.fail_after(timeout):
                return await reader.read()
        except TimeoutError:
            raise ReadError("timeout", f"{reader.target}: no complete answer within {timeout:g} s") from None


def _no_snapshot() -> Any:
    raise AssertionError("a page has no use for our own state")


def _rows(reading: Reading) -> Iterator[Row]:
    left_out: list[Row] = []
    flattener = Flattener("", lambda name, reason: left_out.append((name, f"left out: {reason}", None)))
    for page in reading.pages:
        values, kinds = flattener.flatten(decode(page.body))
        yield from ((name, Kind(kinds[name]).name.lower(), value) for name, value in values.items())
    yield from left_out


def _table(rows: list[Row]) -> Iterator[str]:
    """Rows in columns, cut to the width of the terminal."""
    width = shutil.get_terminal_size().columns
    shown = [(visible(name), kind, "" if value is None else visible(_text(value))) for name, kind, value in rows]
    names = min(max((len(name) for name, _, _ in shown), default=4), width // 2)
    kinds = max((len(kind) for _, kind, _ in shown), default=4)
    yield f"{'NAME':{names}}  {'KIND':{kinds}}  VALUE"[:width]
    for name, kind, value in shown:
        line = f"{name:{names}}  {kind:{kinds}}  {value}".rstrip()
        yield line if len(line) <= width else line[: width - 1] + "…"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _json(row: Row) -> str:
    name, kind, value = row
    return msgspec.json.encode({"name": name, "kind": kind} | ({} if value is None else {"value": value})).decode()
