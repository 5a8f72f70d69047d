"""When the index template is installed, for what destinations, and what happens if it may not be."""

from __future__ import annotations

from typing import Any

import pytest
from fake_cluster import FakeCluster, error, make_recorder

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorder import Outcome
from expvastic.recorders.elasticsearch.template import VERSION
from samples import make_containers
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"
PATH = f"/_index_template/expvastic-{STREAM}"
ADVICE = {
    400: "change the index name or set manage_template: false",
    403: "install it with stronger credentials, or set manage_template: false",
    405: "or set manage_template: false",
}
CLASH = "index template [other] has index patterns [..] matching patterns that have the same priority [526]"


def installed(version: object = VERSION, manager: object = "expvastic", *, stream: bool = True) -> dict[str, Any]:
    return {"_meta": {"managed_by": manager, "version": version}, **({"data_stream": {}} if stream else {})}


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
        f"PUT {PATH}?create=true",
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


# -- when it may not be --


@pytest.mark.parametrize(
    ("request_", "answer", "words", "advice"),
    [
        (f"GET {PATH}", error(403, "security_exception", "unauthorized"), "403 security_exception: unauthorized", 403),
        (f"PUT {PATH}", error(403, "security_exception", "unauthorized"), "403 security_exception: unauthorized", 403),
        (f"PUT {PATH}", error(400, "illegal_argument_exception", CLASH), "same priority [526]", 400),
        (f"PUT {PATH}", Answer("<html>no</html>", status=405), "405", 405),
    ],
)
async def test_a_refused_template_drops_the_recorder_and_says_what_to_do(
    request_: str, answer: Answer, words: str, advice: int
) -> None:
    cluster = FakeCluster()
    cluster.faults[request_] = [answer]

    with pytest.raises(RecorderLost) as raised:
        await record(cluster)

    assert words in str(raised.value)
    assert f"index template expvastic-{STREAM}" in str(raised.value)
    assert str(raised.value).endswith(f"; {ADVICE[advice]}")
    assert ("stronger credentials" in str(raised.value)) == (advice == 403)
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
    cluster.faults[f"GET {PATH}"] = [vanish, seen] * 3
    cluster.faults[f"PUT {PATH}"] = [come_and_go] * 3

    with pytest.raises(RecordError, match="changes all the time"):
        await record(cluster)

    assert cluster.documents == []
