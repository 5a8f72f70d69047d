"""What becomes of templates after the first bulk: they are looked at again, and what cannot be seen stops nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_cluster import FakeCluster, error
from structlog.testing import capture_logs

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorders.elasticsearch import ElasticsearchSettings
from expvastic.recorders.elasticsearch.client import Cluster, open_cluster
from expvastic.recorders.elasticsearch.contact import Product
from expvastic.recorders.elasticsearch.destination import index_of
from expvastic.recorders.elasticsearch.provision import TemplateRefused
from expvastic.recorders.elasticsearch.settling import Settlement
from expvastic.recorders.elasticsearch.whereabouts import whereabouts_of
from real_nodes import Node
from scripted_http import Answer, ScriptedServer

STREAM = "metrics-expvastic-default"
TEMPLATE = f"expvastic-{STREAM}"
PATH = f"/_index_template/{TEMPLATE}"
NEWEST = Product("elasticsearch", "9.5.3")


class Bench:
    """A settlement with a clock that the test moves."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.settings = ElasticsearchSettings.model_validate({"endpoint": url, **settings})
        self.now = 1_000.0
        self.settlement = Settlement(self.settings, index_of(self.settings), lambda: self.now)
        self.cluster: Cluster = open_cluster(self.settings)
        self.product = NEWEST

    async def settle(self) -> bool:
        """As before a bulk; whether it was looked."""
        is_due = self.settlement.is_due()
        if is_due:
            await self.settlement.settle(self.cluster, self.product)
        return is_due

    def wrote_to(self, index: str) -> None:
        whereabouts_of(self.settings).saw([(STREAM, index)])


@pytest.fixture
def fake() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
async def server(fake: FakeCluster) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(fake) as server:
        yield server


@pytest.fixture
async def bench(server: ScriptedServer) -> AsyncIterator[Bench]:
    bench = Bench(server.url)
    yield bench
    await bench.cluster.close()


async def test_it_is_looked_once_in_ten_minutes(bench: Bench) -> None:
    looked = []
    for second in (0, 1, 599, 600, 601, 1_199, 1_200):
        bench.now = 1_000.0 + second
        looked.append(await bench.settle())

    assert looked == [True, False, False, True, False, False, True]


async def test_a_template_that_somebody_deleted_is_there_again(bench: Bench, fake: FakeCluster) -> None:
    await bench.settle()
    fake.templates.clear()
    fake.components.clear()

    bench.now += 600
    await bench.settle()

    assert TEMPLATE in fake.templates
    assert list(fake.components) == [f"{TEMPLATE}@settings", f"{TEMPLATE}@mappings"]


async def test_a_new_index_is_a_reason_to_look_but_the_first_one_is_none(bench: Bench, fake: FakeCluster) -> None:
    await bench.settle()
    bench.wrote_to(".ds-1")
    looked = [await bench.settle()]
    fake.templates.clear()
    for second, index in ((61, ".ds-1"), (62, ".ds-2"), (63, ".ds-2"), (70, ".ds-1"), (123, ".ds-1")):
        bench.now = 1_000.0 + second
        bench.wrote_to(index)
        looked.append(await bench.settle())

    assert looked == [False, False, True, False, False, True]
    assert TEMPLATE in fake.templates


@pytest.mark.parametrize(
    "answer", [error(403, "security_exception", "no more"), error(503, "x"), Answer("<html>", 502), Answer("<html>")]
)
async def test_what_cannot_be_seen_any_more_stops_nothing_and_is_looked_at_again(
    bench: Bench, fake: FakeCluster, answer: Answer
) -> None:
    await bench.settle()
    fake.faults[f"GET {PATH}"] = [answer, answer]

    with capture_logs() as said:
        for _ in range(3):
            bench.now += 600
            assert await bench.settle()

    details = [entry["detail"] for entry in said]
    assert (len(details) == 1) == (answer.status == 403)
    assert all("no more" in detail and "expvastic setup" in detail for detail in details)


async def test_refused_credentials_drop_the_recorder_then_too(bench: Bench, fake: FakeCluster) -> None:
    await bench.settle()
    fake.faults[f"GET {PATH}"] = [error(401, "security_exception")]

    bench.now += 600
    with pytest.raises(RecorderLost):
        await bench.settle()


async def test_a_stream_that_became_an_index_is_said_once(bench: Bench, fake: FakeCluster) -> None:
    await bench.settle()
    fake.indices.add(STREAM)

    with capture_logs() as said:
        for _ in range(3):
            bench.now += 600
            await bench.settle()

    assert [entry["detail"] for entry in said] == [
        "it was a data stream, and is an index now: there is an index of that name; its types may be guessed ones"
    ]


async def test_an_index_where_a_stream_was_asked_for_drops_the_recorder(
    server: ScriptedServer, fake: FakeCluster
) -> None:
    bench = Bench(server.url, mode="data_stream")
    await bench.settle()
    fake.indices.add(STREAM)

    bench.now += 600
    with pytest.raises(RecorderLost, match="is an index, but mode says data_stream"):
        await bench.settle()
    await bench.cluster.close()


def layout(fake: FakeCluster, mode: str) -> None:
    fake.faults[f"GET /{STREAM}/_mapping"] = [Answer({".ds-1": {"mappings": {}}})]
    fake.faults[f"GET /{STREAM}/_settings"] = [Answer({".ds-1": {"settings": {"index.mode": mode}}})]


async def test_a_time_series_that_became_another_stream_is_not_written_to(
    server: ScriptedServer, fake: FakeCluster
) -> None:
    bench = Bench(server.url, mode="time_series")
    layout(fake, "time_series")
    await bench.settle()

    for _ in range(2):
        layout(fake, "standard")
        bench.now += 600
        with pytest.raises(TemplateRefused, match="is no time series"):
            await bench.settle()
    layout(fake, "time_series")
    assert await bench.settle()
    assert not await bench.settle()
    await bench.cluster.close()


async def test_a_time_series_that_cannot_be_looked_at_now_is_not_written_to(
    server: ScriptedServer, fake: FakeCluster
) -> None:
    bench = Bench(server.url, mode="time_series", manage_template=False)
    layout(fake, "time_series")
    await bench.settle()
    fake.faults[f"GET /{STREAM}/_mapping"] = [error(503, "x")]

    bench.now += 600
    with pytest.raises(RecordError):
        await bench.settle()
    await bench.cluster.close()


async def test_nothing_is_looked_at_where_templates_are_not_ours(server: ScriptedServer, fake: FakeCluster) -> None:
    bench = Bench(server.url, manage_template=False)

    assert not await bench.settle()

    assert fake.asked == []
    await bench.cluster.close()


async def test_on_a_real_node_a_template_that_was_deleted_is_made_anew(
    real_node: Node,
) -> None:
    bench = Bench(real_node.url)
    bench.product = Product("opensearch" if real_node.product.name.startswith("os") else "elasticsearch", "7.17.0")
    await bench.settle()
    real_node.call("DELETE", PATH)

    bench.now += 600
    await bench.settle()

    [shown] = real_node.call("GET", PATH)["index_templates"]
    assert shown["index_template"]["_meta"]["managed_by"] == "expvastic"
    await bench.cluster.close()
