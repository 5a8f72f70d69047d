"""``expvastic check`` tells what a destination is taken for, and what it would not take of what was polled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from expvastic.cli.preflight import inspect_all
from expvastic.config import from_values
from expvastic.datatypes import Container
from expvastic.recorders.elasticsearch.template import VERSION
from program import run
from recorders.fake_cluster import FakeCluster, error
from samples import make_container
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"
TEMPLATE = f"expvastic-{STREAM}"
ABOUT = f"recorder es: Elasticsearch 9.5.3, {STREAM} is "
MAPPING = {"properties": {"expvar": {"properties": {"count": {"type": "long"}}}}}


async def look(
    cluster: FakeCluster, batch: Sequence[Container], capsys: pytest.CaptureFixture[str], **settings: Any
) -> tuple[bool, list[str]]:
    """What is said of an elasticsearch recorder, and whether something would be written."""
    async with ScriptedServer(cluster) as server:
        es = {"type": "elasticsearch", "endpoint": server.url, **settings}
        recorders = {"es": es, "out": {"type": "console"}}
        routes = {"all": {"readers": ["own"], "recorders": list(recorders)}}
        values = {"readers": {"own": {"type": "self"}}, "recorders": recorders, "routes": routes}
        config = from_values(values, "test")
        is_fine = await inspect_all(config.recorders, {"es": batch, "out": batch})
        return is_fine, capsys.readouterr().out.replace(server.url, "URL").splitlines()


async def preflight(cluster: FakeCluster, batch: Sequence[Container], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines about types."""
    is_fine, lines = await look(cluster, batch, capsys)
    assert is_fine
    assert lines[0].startswith(ABOUT)
    return lines[1:]


def with_mapping(answer: Answer | None = None) -> FakeCluster:
    cluster = FakeCluster()
    cluster.faults[f"GET /{STREAM}/_mapping"] = [answer or Answer({".ds-a-000001": {"mappings": MAPPING}})]
    cluster.faults[f"GET /{STREAM}/_settings"] = [Answer({".ds-a-000001": {"settings": {}}})]
    return cluster


async def test_a_table_says_what_would_be_cut_off_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(), [make_container(**{"expvar.count": 1.5})], capsys)

    assert lines[0] == "recorder es: would not take 1 document as polled:"
    assert lines[1].split() == ["FIELD", "WHAT", "WOULD", "BECOME", "OF", "IT", "WHAT", "TO", "DO"]
    assert lines[2].split("  ")[1:3] == [
        "expvar.count",
        "is mapped as long, and holds fractions: cut off without notice",
    ]
    assert lines[2].endswith("and begin a new index")
    assert len(lines) == 3


async def test_what_is_taken_as_it_is_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(), [make_container(1), make_container(2)], capsys)

    assert lines == ["recorder es: takes 2 documents as polled"]


async def test_many_findings_are_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    names = {f"expvar.count.x{number}": 1 for number in range(60)}
    lines = await preflight(with_mapping(), [make_container(**names)], capsys)

    assert len(lines) == 53
    assert lines[-1] == "  and 10 more"


async def test_what_may_not_be_asked_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(error(403, "security_exception", "no")), [make_container()], capsys)

    assert len(lines) == 1
    assert lines[0].startswith(
        "recorder es: types not compared: URL: looking at the mapping of metrics-expvastic-default"
    )


async def test_without_anything_polled_there_is_nothing_to_compare(capsys: pytest.CaptureFixture[str]) -> None:
    assert await preflight(FakeCluster(), [], capsys) == []


async def test_names_from_a_page_are_harmless_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = await preflight(with_mapping(), [make_container(**{"expvar.count.\x1b[31m": 1})], capsys)

    assert "\x1b" not in "".join(lines)


# -- what a destination is taken for --

OURS = {"managed_by": "expvastic", "version": VERSION}
NEWER = {"managed_by": "expvastic", "version": VERSION + 1}
OLDER = {"managed_by": "expvastic", "version": VERSION - 1}
OUR_TEMPLATE = {"_meta": OURS, "data_stream": {}, "index_patterns": [STREAM], "priority": 500}


@pytest.mark.parametrize(
    ("there", "settings", "words"),
    [
        ({}, {}, "a data stream: there is no index or alias of that name"),
        ({"streams": STREAM}, {}, "a data stream: there is a data stream of that name"),
        ({"indices": STREAM}, {}, "an index: there is an index of that name; it gets no template"),
        ({"aliases": STREAM}, {}, "an index: there is an alias of that name; it gets no template"),
        ({}, {"mode": "index"}, "an index: mode says index"),
        ({}, {"mode": "time_series"}, "a time series: mode says time_series"),
        (
            {},
            {"manage_template": False},
            "no index or alias of that name; types are up to the templates that are there",
        ),
    ],
)
async def test_one_line_says_what_a_destination_is_and_why(
    there: dict[str, str], settings: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = FakeCluster()
    for kind, name in there.items():
        getattr(cluster, kind).add(name)
    cluster.faults[f"GET /{STREAM}/_mapping"] = [error(404, "index_not_found_exception")]

    is_fine, [line] = await look(cluster, [], capsys, **settings)

    assert is_fine
    assert line.startswith(ABOUT)
    assert words in line
    assert not [request for request in cluster.asked if request.startswith("PUT")]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "missing and is installed before the first document"),
        (OUR_TEMPLATE, "ours, of this version and stays as it is"),
        ({"_meta": OURS}, "ours, for another kind of destination and is replaced before the next document"),
        ({"_meta": OLDER, "data_stream": {}}, "an older version of ours and is updated before the next document"),
        ({"_meta": NEWER, "data_stream": {}}, "a newer version of ours and stays as it is"),
        ({"data_stream": {}}, "not ours and stays as it is"),
    ],
)
async def test_the_same_line_says_how_its_template_stands(
    template: dict[str, Any] | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = FakeCluster()
    if template is not None:
        cluster.templates[TEMPLATE] = template

    _, [line] = await look(cluster, [], capsys)

    assert line.endswith(f"; index template {TEMPLATE} is {words}")


@pytest.mark.parametrize("is_installed", [True, False])
async def test_a_template_that_wins_or_will_is_a_line_of_its_own(
    is_installed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = FakeCluster()
    cluster.templates |= {
        "theirs": {"index_patterns": ["*"], "priority": 9_999},
        **({TEMPLATE: OUR_TEMPLATE} if is_installed else {}),
    }
    cluster.templates["below"] = {"index_patterns": ["metrics-*-*"], "priority": 200}

    is_fine, lines = await look(cluster, [], capsys)

    assert is_fine
    assert len(lines) == 2
    assert lines[1].startswith("recorder es: index template theirs stands above ours")


@pytest.mark.parametrize(
    ("request_", "answer", "settings", "words"),
    [
        (f"GET /_index_template/{TEMPLATE}", error(403, "security_exception"), {}, "`expvastic setup -c FILE`"),
        (f"GET /_index_template/{TEMPLATE}", Answer("<html>"), {}, "no usable answer"),
        (f"GET /_resolve/index/{STREAM}", error(503, "x"), {}, "503 x"),
        (
            f"GET /_resolve/index/{STREAM}",
            Answer({"indices": [{"name": STREAM}]}),
            {"mode": "data_stream"},
            "is an index, but mode says data_stream; change one of them",
        ),
        (
            f"GET /{STREAM}/_mapping",
            Answer({".ds-1": {"mappings": {}}}),
            {"mode": "time_series"},
            "is no time series",
        ),
        (
            "GET /",
            Answer({"version": {"number": "8.6.2"}}),
            {"mode": "time_series"},
            "needs Elasticsearch 8.7 or newer",
        ),
    ],
)
async def test_what_would_keep_everything_from_being_written_is_a_failure_in_one_line(
    request_: str, answer: Answer, settings: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = FakeCluster()
    cluster.faults[request_] = [answer]
    cluster.faults.setdefault(f"GET /{STREAM}/_settings", [Answer({".ds-1": {"settings": {}}})])

    is_fine, [line] = await look(cluster, [make_container()], capsys, **settings)

    assert not is_fine
    assert line.startswith("recorder es: FAILED, nothing would be written: ")
    assert words in line


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "a data stream, unless there is an index or alias of that name"),
        ({"index_name": "app-%{+yyyy}"}, "an index: there is a date in its name"),
        ({"index_name": "app-%{service.name}"}, "a data stream, unless there is an index or alias of it; each of its"),
        ({"mode": "index"}, "an index: mode says index"),
        ({"mode": "data_stream"}, "a data stream: mode says data_stream"),
        ({"mode": "time_series"}, "a time series: mode says time_series"),
    ],
)
@pytest.mark.parametrize("manage", [True, False])
def test_without_contact_the_plan_says_what_it_will_be(
    settings: dict[str, Any], words: str, manage: bool, tmp_path: Path
) -> None:
    es = {"type": "elasticsearch", "endpoint": "http://127.0.0.1:1", "manage_template": manage, **settings}
    values = {
        "readers": {"own": {"type": "self"}},
        "recorders": {"es": es},
        "routes": {"a": {"readers": "own", "recorders": "es"}},
    }
    (tmp_path / "c.yml").write_text(json.dumps(values))

    done = run("check", "-c", "c.yml", folder=tmp_path)

    [line] = [line for line in done.stdout.splitlines() if line.startswith("recorder es: elasticsearch ")]
    assert done.returncode == 0
    assert words in line
    assert ("types are up to the templates that are there" in line) is not manage
    assert (f"(version {VERSION}) is installed if it is missing or older" in line) is manage


async def test_check_fails_by_its_code_where_nothing_would_be_written(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.indices.add(STREAM)
    async with ScriptedServer(cluster) as server:
        es = {"type": "elasticsearch", "endpoint": server.url, "mode": "data_stream"}
        gone = {"type": "elasticsearch", "endpoint": "http://127.0.0.1:1"}
        route = {"readers": "own", "recorders": ["es", "gone"]}
        values = {"readers": {"own": {"type": "self"}}, "recorders": {"es": es, "gone": gone}, "routes": {"a": route}}
        (tmp_path / "c.yml").write_text(json.dumps(values))
        done = await anyio.to_thread.run_sync(partial(run, "check", "-c", "c.yml", "--connect", folder=tmp_path))

    assert (done.returncode, done.stderr) == (1, "")
    assert "recorder es: FAILED, nothing would be written: " in done.stdout
    [gone_line] = [line for line in done.stdout.splitlines()[3:] if line.startswith("recorder gone: ")]
    assert gone_line.startswith("recorder gone: FAILED in ")
