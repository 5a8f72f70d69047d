"""``expvastic setup``: what is printed, compared and installed, and what it takes to be allowed to."""

from __future__ import annotations

import json
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from expvastic.recorders.elasticsearch.template import VERSION
from program import run
from real_nodes import Node
from recorders.fake_cluster import FakeCluster, error
from scripted_http import ScriptedServer

STREAM = "metrics-expvastic-default"
TEMPLATE = f"expvastic-{STREAM}"
CONFIG = """
readers:
  own: {type: self}
recorders:
  es: {type: elasticsearch, endpoint: %s, timeout: 10s}
  twin: {type: elasticsearch, endpoint: %s}
  out: {type: console}
routes:
  main: {readers: own, recorders: [es, twin, out]}
"""


def setup(url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "c.yml").write_text(CONFIG % (url, url))
    return run("setup", "-c", "c.yml", *arguments, folder=folder)


async def set_up(cluster: FakeCluster, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    async with ScriptedServer(cluster) as server:
        done = await anyio.to_thread.run_sync(partial(setup, server.url, folder, *arguments))
    done.stdout = done.stdout.replace(server.url, "URL")
    return done


def printed_requests(text: str) -> dict[str, Any]:
    """The requests that a console would make of the text: comments are left out."""
    lines = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    requests = re.split(r"^(PUT /\S+)$", lines, flags=re.MULTILINE)[1:]
    return {line: json.loads(body) for line, body in zip(requests[::2], requests[1::2], strict=True)}


async def test_it_installs_what_is_missing_and_says_what_the_destination_is(tmp_path: Path) -> None:
    cluster = FakeCluster()

    done = await set_up(cluster, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"# recorder es: Elasticsearch 9.5.3, {STREAM} is a data stream: there is no index or alias of that name",
        f"component template {TEMPLATE}@settings: installed, was missing",
        f"component template {TEMPLATE}@mappings: installed, was missing",
        f"index template {TEMPLATE}: installed, was missing",
        "# recorder twin: the same destination as recorder es",
        "# recorder out: standard output needs nothing",
    ]
    assert list(cluster.templates) == [TEMPLATE]


async def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    cluster = FakeCluster()
    await set_up(cluster, tmp_path)
    cluster.asked.clear()

    done = await set_up(cluster, tmp_path)

    assert done.returncode == 0
    assert f"index template {TEMPLATE}: left as it is, ours, of this version" in done.stdout
    assert not [request for request in cluster.asked if request.startswith("PUT")]


async def test_an_equal_version_with_another_content_is_installed_anew_by_hand(tmp_path: Path) -> None:
    cluster = FakeCluster()
    await set_up(cluster, tmp_path)
    cluster.components[f"{TEMPLATE}@settings"]["template"]["settings"]["index.mapping.total_fields.limit"] = 7

    shown = await set_up(cluster, tmp_path, "--diff")
    done = await set_up(cluster, tmp_path)

    assert "  + template.settings.index.mapping.total_fields.limit: 2000" in shown.stdout.splitlines()
    assert "  - template.settings.index.mapping.total_fields.limit: 7" in shown.stdout.splitlines()
    assert f"index template {TEMPLATE}: ours, of this version, no difference" in shown.stdout
    assert f"{TEMPLATE}@settings: installed, was ours, of this version" in done.stdout
    settings = cluster.components[f"{TEMPLATE}@settings"]["template"]["settings"]
    assert settings["index.mapping.total_fields.limit"] == 2000


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"managed_by": "expvastic", "version": VERSION + 1}, "a newer version of ours"),
        ({"managed_by": "somebody"}, "not ours"),
    ],
)
async def test_what_is_newer_or_not_ours_is_not_touched(tmp_path: Path, meta: dict[str, Any], words: str) -> None:
    cluster = FakeCluster()
    theirs = {"_meta": meta, "index_patterns": ["x"], "data_stream": {}}
    cluster.templates[TEMPLATE] = theirs

    done = await set_up(cluster, tmp_path)

    assert f"index template {TEMPLATE}: left as it is, {words}" in done.stdout
    assert cluster.templates[TEMPLATE] is theirs


async def test_what_is_printed_is_what_would_be_sent_and_changes_nothing(tmp_path: Path) -> None:
    cluster = FakeCluster()

    shown = await set_up(cluster, tmp_path, "--print")
    before = [request for request in cluster.asked if request.startswith("PUT")]
    await set_up(cluster, tmp_path)

    assert (shown.returncode, before) == (0, [])
    assert printed_requests(shown.stdout) == {
        **{f"PUT /_component_template/{name}": content for name, content in cluster.components.items()},
        **{f"PUT /_index_template/{name}": content for name, content in cluster.templates.items()},
    }


async def test_requests_are_printed_for_somebody_else_to_whom_it_is_allowed(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.faults = {f"GET /_index_template/{TEMPLATE}": [error(403, "security_exception")]}

    shown = await set_up(cluster, tmp_path, "--print")

    assert shown.returncode == 0
    assert f"PUT /_index_template/{TEMPLATE}" in printed_requests(shown.stdout)


@pytest.mark.parametrize("unseen", [1, 3])
async def test_what_may_not_be_seen_cannot_be_compared_and_is_a_failure(tmp_path: Path, unseen: int) -> None:
    cluster = FakeCluster()
    paths = [f"_component_template/{TEMPLATE}@{part}" for part in ("settings", "mappings")]
    for path in [f"_index_template/{TEMPLATE}", *paths][:unseen]:
        cluster.faults[f"GET /{path}"] = [error(403, "security_exception", "no")]

    done = await set_up(cluster, tmp_path, "--diff")

    assert (done.returncode, done.stderr) == (1, "")
    failures = [line for line in done.stdout.splitlines() if "FAILED" in line]
    assert failures == [f"# recorder es: FAILED, {unseen} of 3 could not be compared"]
    assert done.stdout.count("not to be seen") == unseen


async def test_a_refusal_is_one_line_and_a_failure(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.faults[f"PUT /_component_template/{TEMPLATE}@settings"] = [error(403, "security_exception", "no")]

    done = await set_up(cluster, tmp_path)

    assert done.returncode == 1
    failure = done.stdout.splitlines()[1]
    assert failure.startswith("# recorder es: FAILED, ")
    assert f"component template {TEMPLATE}@settings: 403 security_exception: no" in failure
    assert cluster.templates == {}


def test_a_cluster_that_is_not_there_is_one_line_and_a_failure(tmp_path: Path) -> None:
    done = setup("http://127.0.0.1:1", tmp_path)

    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("# recorder es: FAILED, http://127.0.0.1:1")
    assert "Traceback" not in done.stderr


def test_printing_and_comparing_exclude_each_other(tmp_path: Path) -> None:
    done = setup("http://127.0.0.1:1", tmp_path, "--print", "--diff")

    assert done.returncode == 2
    assert "not allowed with" in done.stderr


async def test_an_index_that_is_there_needs_nothing(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.indices.add(STREAM)

    done = await set_up(cluster, tmp_path)

    assert done.returncode == 0
    assert f"{STREAM} is an index: there is an index of that name, which gets no template" in done.stdout
    assert cluster.templates == {}


async def test_what_stands_in_the_way_is_told(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.templates["theirs"] = {"index_patterns": ["metrics-*"], "priority": 9_999}
    await set_up(cluster, tmp_path)

    done = await set_up(cluster, tmp_path, "--diff")

    assert "# recorder es: index template theirs stands above ours" in done.stdout


def test_on_a_real_node_what_is_installed_does_not_differ_any_more(real_node: Node, tmp_path: Path) -> None:
    missing = setup(real_node.url, tmp_path, "--diff")
    done = setup(real_node.url, tmp_path)
    same = setup(real_node.url, tmp_path, "--diff")

    assert (missing.returncode, done.returncode, same.returncode) == (0, 0, 0)
    assert f"index template {TEMPLATE}: missing" in missing.stdout
    assert f"index template {TEMPLATE}: installed, was missing" in done.stdout
    compared = [line for line in same.stdout.splitlines() if not line.startswith("#")]
    assert compared
    assert all(line.endswith(": ours, of this version, no difference") for line in compared)
