"""``read URL``: what a page holds, for whoever writes a configuration; with ``--watch`` what changes in it."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import anyio
from pydantic import ValidationError

from ..config.mapfiles import read_map_file
from ..datatypes import Reading
from ..errors import Complaint, ConfigError, ReadError
from ..reader import Reader
from ..readers.expvar import ExpvarReader, ExpvarSettings
from ..readers.http import HttpReader, HttpSettings
from ..settings import parse_duration
from .flags import say
from .rows import PageRows, Row, changed, spell_json, spell_table

_CLEAR = "\x1b[H\x1b[J"


def main(options: argparse.Namespace) -> int:
    """Poll the page and print it: once, or until interrupted. Raises ReadError if it cannot be had."""
    reader, timeout = _reader(options)
    every = _duration(options.interval, "--interval") if options.watch else None
    rows = PageRows(None if options.mapping is None else read_map_file(options.mapping))
    anyio.run(_read, reader, rows, timeout, every, options.count)
    return 0


async def _read(reader: Reader[Any], rows: PageRows, timeout: float, every: float | None, count: int | None) -> None:
    before = None
    async with reader:
        while True:
            now = rows.rows(await _poll(reader, timeout))
            _show(now, before)
            before = now
            count = None if count is None else count - 1
            if every is None or count == 0:
                return
            await anyio.sleep(every)


async def _poll(reader: Reader[Any], timeout: float) -> Reading:
    try:
        with anyio.fail_after(timeout):
            return await reader.read()
    except TimeoutError:
        raise ReadError("timeout", f"{reader.target}: no complete answer within {timeout:g} s") from None


def _show(now: Sequence[Row], before: Sequence[Row] | None) -> None:
    """All rows on a terminal, with changes marked; as JSON all of them at first, then those that changed."""
    news = now if before is None else changed(before, now)
    if not sys.stdout.isatty():
        for row in news:
            say(spell_json(row))
        sys.stdout.flush()
        return
    marks = frozenset() if before is None else frozenset(row.name for row in news)
    size = shutil.get_terminal_size()
    lines = list(spell_table(now, size.columns, marks))
    if before is not None:
        lines = lines[: size.lines - 1]
        sys.stdout.write(_CLEAR)
    for line in lines:
        say(line)
    sys.stdout.flush()


def _reader(options: argparse.Namespace) -> tuple[Reader[Any], float]:
    """A reader of the page, and its deadline; as for Go's pages, a URL without a path means ``/debug/vars``."""
    given = {"endpoint": options.url, "headers": dict(map(_header, options.header))}
    timeout = _duration(options.timeout, "--timeout")
    try:
        if options.pointer is None:
            return ExpvarReader(ExpvarSettings.model_validate(given), _no_snapshot), timeout
        return HttpReader(HttpSettings.model_validate({**given, "pointer": options.pointer}), _no_snapshot), timeout
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(map(str, found["loc"])) or "options"
        raise ConfigError([Complaint(f"read {where}", found["msg"].removeprefix("Value error, "))]) from None


def _duration(text: str, option: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError([Complaint(f"read {option}", str(error))]) from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ConfigError([Complaint("read --header", "write it like 'Name: value'")])
    return name.strip(), value.strip()


def _no_snapshot() -> Any:
    raise AssertionError("a page has no use for our own state")
