"""The table of privileges in the documentation, held against what is really asked and what happens without it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fake_cluster import FakeCluster, error, make_recorder

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch import ElasticsearchRecorder
from samples import make_container
from scripted_http import Answer, AnyAnswer, Request, ScriptedServer

PAGE = Path(__file__).parents[2] / "docs" / "elasticsearch.md"
STREAM = "metrics-expvastic-default"


class Row(NamedTuple):
    """One line of the table."""

    commands: tuple[str, ...]
    request: str
    privileges: frozenset[str]
    without: str  # one of OUTCOMES

    def covers(self, request: str) -> bool:
        return re.fullmatch(re.escape(self.request).replace(r"\*", "[^/]+"), request) is not None


def table() -> list[Row]:
    text = PAGE.read_text(encoding="utf-8").partition("<!-- privileges -->")[2].partition("<!-- end -->")[0]
    rows = [line.strip("| ").split(" | ") for line in text.strip().splitlines()[2:]]
    return [
        Row(
            tuple(re.findall(r"`(.+?)`", commands)),
            request.strip("`"),
            frozenset(re.findall(r"`(.+?)`", privilege)),
            without.partition(":")[0],
        )
        for commands, request, privilege, without in rows
    ]


OUTCOMES = ("goes on", "blocked", "dropped", "fails")
ROWS = table()
ALL = frozenset(privilege for row in ROWS for privilege in row.privileges)


class GuardedCluster(FakeCluster):
    """Allows a command what the table says that it asks for, to who has the privileges; refuses everything else."""

    def __init__(self, command: str, held: frozenset[str] = ALL, *, is_new: bool = False) -> None:
        super().__init__()
        self._is_new = is_new
        self.used: set[Row] = set()
        self._rows = [row for row in ROWS if command in row.commands]
        self._held = held
        self.unlisted: list[str] = []

    def __call__(self, request: Request) -> AnyAnswer:
        asked = f"{request.method} {request.path.partition('?')[0]}".replace("%2C", ",")
        row = next((row for row in self._rows if row.covers(asked)), None)
        if row is None:
            self.unlisted.append(asked)
        else:
            self.used.add(row)
        if row is None or not row.privileges <= self._held:
            return error(403, "security_exception", "action is unauthorized for this user")
        if asked.endswith(("/_refresh", "/_search")):
            return Answer({"_shards": {"failed": 0}, "timed_out": False, "hits": {"hits": []}})
        if asked.endswith(("/_mapping", "/_settings")):
            layout = Answer({".ds-000001": {"mappings": {"properties": {}}, "settings": {"index.mode": "time_series"}}})
            return error(404, "index_not_found_exception") if self._is_new else layout
        return super().__call__(request)


async def run(recorder: ElasticsearchRecorder) -> str:
    verdicts = await recorder.record([make_container()])
    await recorder.find([make_container()])
    return "blocked" if verdicts[0].outcome is Outcome.BLOCKED else "goes on"


async def check(recorder: ElasticsearchRecorder) -> str:
    await recorder.describe()
    with contextlib.suppress(RecordError):  # one line of the command's answer
        await recorder.inspect([make_container()])
    return "goes on"


async def ledger(recorder: ElasticsearchRecorder) -> str:
    await recorder.count_by_minute("me", 0, 1)
    return "goes on"


async def setup(recorder: ElasticsearchRecorder) -> str:
    for provision in (await recorder.survey()).provisions:
        await recorder.provide(provision)
    await recorder.survey()  # as the next one would
    return "goes on"


COMMANDS: dict[str, Callable[[ElasticsearchRecorder], Awaitable[str]]] = {
    "run": run,
    "check": check,
    "check --ledger": ledger,
    "setup": setup,
}
# With which settings a privilege matters most.
SETTINGS: dict[str, dict[str, Any]] = {
    "manage_ilm": {"index_name": "app-%{+yyyy.MM.dd}", "retention": "30d"},
    "view_index_metadata": {"mode": "time_series"},
}
SERIES = {"mode": "time_series"}
DATED = "app-%{+yyyy.MM.dd}"


async def outcome(cluster: GuardedCluster, command: str, **settings: Any) -> str:
    async with ScriptedServer(cluster) as server:
        try:
            async with make_recorder(server.url, **settings) as recorder:
                return await COMMANDS[command](recorder)
        except RecorderLost:
            return "dropped" if command == "run" else "fails"
        except RecordError:
            return "fails"


def prepared(command: str, held: frozenset[str] = ALL, *, is_new: bool = False) -> GuardedCluster:
    """A cluster in which everything in the table is asked for: a stream that rolled over, another's template."""
    cluster = GuardedCluster(command, held, is_new=is_new)
    cluster.templates["theirs"] = {"index_patterns": ["*"], "priority": 9_999, "data_stream": {}}
    cluster.streams.add(STREAM)
    cluster.roll_over(STREAM)
    cluster.roll_over(STREAM)
    return cluster


def test_the_table_is_there_and_names_known_commands_only() -> None:
    assert len(ROWS) > 12
    assert {command for row in ROWS for command in row.commands} == set(COMMANDS)
    assert {row.without for row in ROWS} == set(OUTCOMES)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "settings", [{}, {"index_name": DATED, "retention": "30d"}, SERIES], ids=["stream", "dated", "series"]
)
async def test_with_the_privileges_of_the_table_everything_works_and_nothing_else_is_asked(
    command: str, settings: dict[str, Any]
) -> None:
    cluster = prepared(command)

    assert await outcome(cluster, command, **settings) == "goes on"
    assert cluster.unlisted == []


@pytest.mark.parametrize("command", COMMANDS)
async def test_every_row_of_the_table_is_asked_for_by_the_commands_that_it_names(command: str) -> None:
    used: set[Row] = set()
    variants: list[dict[str, Any]] = [{}, {"index_name": DATED, "retention": "30d"}, {"manage_template": False}, SERIES]
    for settings in variants:
        for is_new in (False, True):
            cluster = prepared(command, is_new=is_new)
            await outcome(cluster, command, **settings)
            used |= cluster.used

    assert {row.request for row in ROWS if command in row.commands} == {row.request for row in used}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("missing", sorted(ALL))
async def test_without_a_privilege_what_the_table_says_happens(command: str, missing: str) -> None:
    cluster = prepared(command, ALL - {missing})
    settings = SETTINGS.get(missing, {}) if command != "check --ledger" else {}

    rows = [row for row in ROWS if command in row.commands and missing in row.privileges]
    worst = max((row.without for row in rows), key=OUTCOMES.index, default="goes on")
    # A destination that would be blocked is a failure of the command that does nothing else.
    expected = "fails" if command == "setup" and worst == "blocked" else worst

    assert await outcome(cluster, command, **settings) == expected
    assert worst == "goes on" or cluster.documents == []


async def test_the_least_that_run_needs_is_the_right_to_write() -> None:
    cluster = GuardedCluster("run", frozenset({"create_doc", "auto_configure"}))

    assert await outcome(cluster, "run", manage_template=False) == "goes on"
    assert len(cluster.documents) == 1


@pytest.mark.parametrize("missing", ["create_doc", "auto_configure"])
async def test_without_the_right_to_write_nothing_is_written(missing: str) -> None:
    cluster = prepared("run", ALL - {missing})

    assert await outcome(cluster, "run") == "dropped"
    assert cluster.documents == []
