"""When the index template is installed, for what destinations, and what happens if it may not be."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from fake_cluster import FakeCluster, error, make_recorder

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch.contact import Product
from expvastic.recorders.elasticsearch.destination import IndexName
from expvastic.recorders.elasticsearch.template import VERSION, Shape, build_pieces, features_of
from samples import make_containers
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"
PATH = f"/_index_template/expvastic-{STREAM}"
PARTS = f"/_component_template/expvastic-{STREAM}"
ADVICE = {
    400: "change the index name or set manage_template: false",
    403: "`expvastic setup -c FILE` with stronger credentials installs it, or set manage_template: false",
    405: "or set manage_template: false",
}
CLASH = "index template [other] has index patterns [..] matching patterns that have the same priority [526]"


def installed(version: object = VERSION, manager: object = "expvastic", *, stream: bool = True) -> dict[str, Any]:
    about = {"_meta": {"managed_by": manager, "version": version}, "index_patterns": [STREAM]}
    return {**about, **({"data_stream": {}} if stream else {})}


async def record(cluster: FakeCluster, **settings: Any) -> list[Outcome]:
    async with ScriptedServer(cluster) as server, make_recorder(server.url, **settings) as recorder:
        return [verdict.outcome for verdict in await recorder.record(make_containers(1))]


# -- when it is installed --


async def test_it_is_installed_before_the_first_bulk_and_once() -> None:
    cluster = FakeCluster()
    async with ScriptedServer(cluster) as server, make_recorder(server.url) as recorder:
        before = list(cluster.asked)
        await recorder.record(make_containers(1))
        await recorder.record(make_containers(2))

    asked = [request.partition("?filter")[0] for request in cluster.asked]
    assert before == ["GET /"]
    assert asked[1:] == [
        f"GET /_resolve/index/{STREAM}",
        f"GET {PATH}",
        f"GET {PARTS}@settings",
        f"PUT {PARTS}@settings?create=true",
        f"GET {PARTS}@mappings",
        f"PUT {PARTS}@mappings?create=true",
        f"GET {PATH}",
        f"PUT {PATH}?create=true",
        f"POST /_index_template/_simulate_index/{STREAM}",
        "POST /_bulk",
        "POST /_bulk",
    ]


@pytest.mark.parametrize(
    ("settings", "stream"),
    [
        ({}, True),
        ({"mode": "data_stream"}, True),
        ({"mode": "index"}, False),
        ({"index_name": "app-%{+yyyy.MM.dd}"}, False),
        ({"index_name": "app-%{+yyyy.MM.dd}", "mode": "data_stream"}, True),
    ],
)
async def test_a_destination_that_is_not_there_becomes_what_mode_and_name_say(
    settings: dict[str, str], stream: bool
) -> None:
    cluster = FakeCluster()

    await record(cluster, **settings)

    assert ["data_stream" in template for template in cluster.templates.values()] == [stream]


@pytest.mark.parametrize("kind", ["indices", "aliases"])
async def test_an_index_or_alias_that_is_there_gets_no_template(kind: str) -> None:
    cluster = FakeCluster()
    getattr(cluster, kind).add(STREAM)

    outcomes = await record(cluster)

    assert outcomes == [Outcome.RECORDED]
    assert cluster.templates == {}
    assert not any("_index_template" in request for request in cluster.asked)


async def test_an_index_where_a_data_stream_is_wanted_is_said() -> None:
    cluster = FakeCluster()
    cluster.indices.add(STREAM)

    with pytest.raises(RecorderLost, match="is an index, but mode says data_stream"):
        await record(cluster, mode="data_stream")

    assert cluster.documents == []


async def test_a_data_stream_where_an_index_is_wanted_is_said() -> None:
    cluster = FakeCluster()
    cluster.streams.add(STREAM)

    with pytest.raises(RecorderLost, match=f"{STREAM} is a data stream, but mode says index; change one of them"):
        await record(cluster, mode="index")

    assert cluster.documents == []
    assert cluster.templates == {}


async def test_a_data_stream_that_is_there_gets_its_template() -> None:
    cluster = FakeCluster()
    cluster.streams.add(STREAM)

    await record(cluster)

    assert "data_stream" in cluster.templates[f"expvastic-{STREAM}"]


async def test_what_may_not_be_looked_for_counts_as_not_there() -> None:
    cluster = FakeCluster()
    cluster.faults[f"GET /_resolve/index/{STREAM}"] = [error(403, "security_exception")]

    await record(cluster)

    assert "data_stream" in cluster.templates[f"expvastic-{STREAM}"]


async def test_none_is_asked_for_if_templates_are_not_ours_to_manage() -> None:
    cluster = FakeCluster()

    outcomes = await record(cluster, manage_template=False)

    assert outcomes == [Outcome.RECORDED]
    assert [request.partition("?")[0] for request in cluster.asked] == ["GET /", "POST /_bulk"]


async def test_somebody_elses_template_of_our_name_is_used_as_it_is() -> None:
    cluster = FakeCluster()
    theirs = {"_meta": {"managed_by": "somebody"}}
    cluster.templates[f"expvastic-{STREAM}"] = theirs

    outcomes = await record(cluster)

    assert outcomes == [Outcome.RECORDED]
    assert cluster.templates == {f"expvastic-{STREAM}": theirs}


async def test_an_older_one_of_ours_is_updated() -> None:
    cluster = FakeCluster()
    cluster.templates[f"expvastic-{STREAM}"] = installed(VERSION - 1)

    await record(cluster)

    assert cluster.templates[f"expvastic-{STREAM}"]["_meta"]["version"] == VERSION
    assert f"PUT {PATH}" in cluster.asked


async def test_who_comes_second_uses_the_first_ones() -> None:
    cluster = FakeCluster()

    def lose_the_race(_: object) -> Answer:
        cluster.templates[f"expvastic-{STREAM}"] = installed()
        return error(400, "illegal_argument_exception", "index template already exists")

    cluster.faults[f"PUT {PATH}"] = [lose_the_race]

    assert await record(cluster) == [Outcome.RECORDED]


async def test_an_older_one_that_wins_the_race_is_updated() -> None:
    cluster = FakeCluster()

    def lose_the_race(_: object) -> Answer:
        cluster.templates[f"expvastic-{STREAM}"] = installed(VERSION - 1)
        return error(400, "illegal_argument_exception", "index template already exists")

    cluster.faults[f"PUT {PATH}"] = [lose_the_race]

    await record(cluster)

    assert cluster.templates[f"expvastic-{STREAM}"]["_meta"]["version"] == VERSION


async def test_parts_that_others_made_or_newer_ones_are_left_alone() -> None:
    cluster = FakeCluster()
    theirs: dict[str, Any] = {"template": {}, "_meta": {"managed_by": "somebody"}}
    newer: dict[str, Any] = {"template": {}, "_meta": {"managed_by": "expvastic", "version": VERSION + 1}}
    cluster.components = {f"expvastic-{STREAM}@settings": theirs, f"expvastic-{STREAM}@mappings": newer}

    assert await record(cluster) == [Outcome.RECORDED]

    assert list(cluster.components.values()) == [theirs, newer]
    assert f"expvastic-{STREAM}" in cluster.templates


async def test_parts_of_an_older_version_are_updated_before_the_template() -> None:
    cluster = FakeCluster()
    cluster.components[f"expvastic-{STREAM}@mappings"] = {"template": {}, **installed(VERSION - 1, stream=False)}

    await record(cluster)

    assert cluster.components[f"expvastic-{STREAM}@mappings"]["_meta"]["version"] == VERSION
    assert cluster.asked.index(f"PUT {PARTS}@mappings") < cluster.asked.index(f"PUT {PATH}?create=true")


async def test_a_policy_is_installed_where_streams_do_not_keep_to_a_time_themselves() -> None:
    cluster = FakeCluster()

    await record(cluster, index_name="app-%{+yyyy.MM.dd}", retention="36h")

    assert list(cluster.policies) == ["expvastic-app-_"]
    assert cluster.policies["expvastic-app-_"]["policy"]["phases"]["delete"]["min_age"] == "36h"
    settings = cluster.components["expvastic-app-_@index-settings"]["template"]["settings"]
    assert settings["index.lifecycle.name"] == "expvastic-app-_"


async def test_twenty_at_once_install_it_once() -> None:
    cluster = FakeCluster()
    outcomes: list[list[Outcome]] = []

    async def one(url: str) -> None:
        async with make_recorder(url) as recorder:
            outcomes.append([verdict.outcome for verdict in await recorder.record(make_containers(1))])

    async with ScriptedServer(cluster) as server, anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one, server.url)

    assert len(outcomes) == 20
    assert {outcome for [outcome] in outcomes} == {Outcome.RECORDED, Outcome.DUPLICATE}
    wanted = build_pieces(IndexName(STREAM), Shape.STREAM, features_of(Product("elasticsearch", "9.5.3")))
    assert {**cluster.components, **cluster.templates} == {piece.name: json.loads(piece.body) for piece in wanted}


# -- when it may not be --


@pytest.mark.parametrize(
    ("request_", "answer", "words", "advice"),
    [
        (f"GET {PATH}", error(403, "security_exception", "unauthorized"), "403 security_exception: unauthorized", 403),
        (f"PUT {PATH}", error(403, "security_exception", "unauthorized"), "403 security_exception: unauthorized", 403),
        (f"PUT {PATH}", error(400, "illegal_argument_exception", CLASH), "same priority [526]", 400),
        (f"PUT {PATH}", Answer("<html>no</html>", status=405), "405", 405),
        (f"PUT {PARTS}@mappings", error(403, "security_exception", "no"), f"{STREAM}@mappings: 403", 403),
    ],
)
async def test_a_refused_template_blocks_the_destination_and_says_what_to_do(
    request_: str, answer: Answer, words: str, advice: int
) -> None:
    cluster = FakeCluster()
    cluster.faults[request_] = [answer]

    async with ScriptedServer(cluster) as server, make_recorder(server.url) as recorder:
        verdicts = await recorder.record(make_containers(2))
        before = list(cluster.documents)
        later = await recorder.record(make_containers(2))

    assert [(verdict.outcome, verdict.reason) for verdict in verdicts] == [(Outcome.BLOCKED, "no usable template")] * 2
    assert words in verdicts[0].detail
    assert f"template expvastic-{STREAM}" in verdicts[0].detail
    assert verdicts[0].detail.endswith(f"; {ADVICE[advice]}")
    assert ("stronger credentials" in verdicts[0].detail) == (advice == 403)
    assert verdicts[0].destination == STREAM
    assert before == []
    assert [verdict.outcome for verdict in later] == [Outcome.RECORDED] * 2


async def test_refused_credentials_drop_the_recorder() -> None:
    cluster = FakeCluster()
    cluster.faults[f"GET {PATH}"] = [error(401, "security_exception")]

    with pytest.raises(RecorderLost, match="the credentials were refused"):
        await record(cluster)

    assert cluster.documents == []


@pytest.mark.parametrize("request_", [f"GET /_resolve/index/{STREAM}", f"GET {PATH}", f"PUT {PATH}"])
@pytest.mark.parametrize(
    "answer",
    [
        error(429, "circuit_breaking_exception"),
        error(503, "cluster_block_exception"),
        Answer("<html>", status=502),
        Answer("", status=408),
    ],
)
async def test_a_busy_cluster_is_asked_again_later_and_no_bulk_leaves(request_: str, answer: Answer) -> None:
    cluster = FakeCluster()
    cluster.faults[request_] = [answer]
    async with ScriptedServer(cluster) as server, make_recorder(server.url) as recorder:
        with pytest.raises(RecordError) as raised:
            await recorder.record(make_containers(1))
        recorded = list(cluster.documents)
        await recorder.record(make_containers(1))

    assert not isinstance(raised.value, RecorderLost)
    assert recorded == []
    assert len(cluster.documents) == 1


@pytest.mark.parametrize("request_", [f"GET /_resolve/index/{STREAM}", f"GET {PATH}"])
async def test_an_answer_that_is_none_settles_nothing(request_: str) -> None:
    cluster = FakeCluster()
    cluster.faults[request_] = [Answer("<html>welcome</html>")]

    with pytest.raises(RecordError):
        await record(cluster)

    assert cluster.documents == []


async def test_a_template_that_changes_all_the_time_is_given_up_for_now() -> None:
    cluster = FakeCluster()

    def come_and_go(_: object) -> Answer:
        cluster.templates[f"expvastic-{STREAM}"] = installed(VERSION - 1)
        return error(400, "illegal_argument_exception", "already exists")

    def vanish(_: object) -> Answer:
        cluster.templates.clear()
        return error(404, "resource_not_found_exception")

    seen = Answer({"index_templates": [{"name": "x", "index_template": installed()}]})
    cluster.faults[f"GET {PATH}"] = [vanish, *[vanish, seen] * 3]
    cluster.faults[f"PUT {PATH}"] = [come_and_go] * 3

    with pytest.raises(RecordError, match="changes all the time"):
        await record(cluster)

    assert cluster.documents == []
