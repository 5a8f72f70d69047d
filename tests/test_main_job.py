"""The main job, end to end: a real Go program, expvastic as a process, real nodes."""

from __future__ import annotations

import itertools
import json
import math
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from expvastic.config import load
from expvastic.pipeline import Pipeline
from go_app import GoApp, ServedPage
from program import Program, command, run, spell
from real_nodes import Node

INDEX = "metrics-expvastic-default"
StartApp = Callable[[], GoApp]


def reader(app: GoApp, **settings: Any) -> dict[str, Any]:
    return {"type": "expvar", "endpoint": app.url, "interval": "50ms", **settings}


def elasticsearch(url: str, **settings: Any) -> dict[str, Any]:
    return {"type": "elasticsearch", "endpoint": url, "batch": {"wait": "200ms"}, **settings}


def configuration(readers: dict[str, Any], recorders: dict[str, Any], **settings: Any) -> str:
    routes = {"all": {"readers": list(readers), "recorders": list(recorders)}}
    return spell({"settings": settings, "readers": readers, "recorders": recorders, "routes": routes})


def flat(page: dict[str, Any], above: str = "expvar") -> dict[str, Any]:
    """The naive reference: what a page says, by dotted name."""
    found: dict[str, Any] = {}
    for key, value in page.items():
        found |= flat(value, f"{above}.{key}") if isinstance(value, dict) else {f"{above}.{key}": value}
    return found


def nanoseconds(stamp: str) -> int:
    """A document's @timestamp, exactly."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def check_against_page(document: dict[str, Any], served: ServedPage) -> int:
    """Every number of the page is in the document as it was; returns how many integers there were."""
    wanted = {name: value for name, value in flat(served.page).items() if isinstance(value, int | float | str)}
    assert {name: document.get(name) for name in wanted} == wanted
    assert all(type(document[name]) is type(value) for name, value in wanted.items() if isinstance(value, int))
    arrived = nanoseconds(document["@timestamp"])
    assert arrived - document["event.duration"] - 10**6 <= served.time <= arrived + 1_000
    return sum(type(value) is int for value in wanted.values())


def test_every_poll_of_a_go_program_is_one_exact_document(real_node: Node, go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    text = configuration({"my_app": reader(app)}, {"es": elasticsearch(real_node.url)})

    with Program(tmp_path, text) as program:
        program.wait_until(lambda: len(app.served()) >= 40, "40 pages served")
        code = program.stop()
    app.stop()

    assert code == 0
    hits = real_node.documents(INDEX)
    served = {page.serial: page for page in app.served()}
    serials = [hit["_source"]["expvar.serial"] for hit in hits]
    assert len(serials) == len(set(serials)) == len({hit["_id"] for hit in hits})
    assert set(served) - set(serials) <= {max(served)}, "only the poll that was under way may be missing"
    assert set(serials) <= set(served)
    integers = [check_against_page(hit["_source"], served[hit["_source"]["expvar.serial"]]) for hit in hits]
    assert min(integers) > 30
    assert program.said("document refused") == []


def test_numbers_keep_their_type_in_the_index(real_node: Node, go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    with Program(tmp_path, configuration({"a": reader(app)}, {"es": elasticsearch(real_node.url)})) as program:
        program.wait_until(lambda: len(app.served()) >= 5, "5 pages served")
        assert program.stop() == 0

    real_node.call("POST", f"/{INDEX}/_refresh")
    types = {"@timestamp": "date", "service.name": "keyword", "expvar.memstats.Alloc": "long"}
    types |= {"expvar.memstats.GCCPUFraction": "double"}
    found = real_node.call("GET", f"/{INDEX}/_field_caps?fields={','.join(types)}")["fields"]
    assert {name: list(found[name]) for name in types} == {name: [kind] for name, kind in types.items()}


def test_the_seeds_two_recorders_on_one_index_leave_one_document_per_sample_and_no_alarm(
    real_node: Node, go_app: StartApp, tmp_path: Path
) -> None:
    first, second = go_app(), go_app()
    text = (Path(__file__).parent / "configurations" / "seed.yml").read_text()
    for old, new in (("1234", first.address.rpartition(":")[2]), ("1235", second.address.rpartition(":")[2])):
        assert f"endpoint: localhost:{old}" in text
        text = text.replace(f"endpoint: localhost:{old}", f"endpoint: 127.0.0.1:{new}")
    text = text.replace("127.0.0.1:9200", real_node.url.removeprefix("http://"))

    with Program(tmp_path, text) as program:
        program.wait_until(lambda: min(len(first.served()), len(second.served())) >= 4, "4 pages of each served")
        assert program.stop() == 0
    first.stop()
    second.stop()

    sources = [hit["_source"] for hit in real_node.documents("expvastic")]
    pairs = [(source["service.name"], source["expvar.serial"]) for source in sources]
    assert len(pairs) == len(set(pairs))
    for name, app in (("my_app1", first), ("SomeApplication", second)):
        serials = {serial for service, serial in pairs if service == name}
        assert len(serials) >= len(app.served()) - 1
    assert [line for line in program.lines if line.get("level") == "error"] == []
    assert program.said("id was there already at the first try") == []


@pytest.mark.slow
def test_a_node_that_goes_and_comes_back_costs_no_sample_and_no_other_recorder(
    real_node: Node, go_app: StartApp, tmp_path: Path
) -> None:
    app = go_app()
    es = elasticsearch(real_node.url, backoff=2, timeout="5s", retry={"initial": "100ms", "max": "500ms"})
    samples = {"type": "file", "path": "samples.ndjson", "batch": {"wait": "50ms"}}
    text = configuration({"my_app": reader(app)}, {"es": es, "samples": samples}, grace="20s")

    with Program(tmp_path, text) as program:
        program.wait_until(lambda: len(program.documents()) >= 20, "20 samples in the file")
        real_node.stop()
        program.wait_for("recorder dropped")
        before = len(program.documents())
        program.wait_until(lambda: len(program.documents()) >= before + 40, "the file goes on")
        real_node.start()
        program.wait_for("recorder rejoined")
        program.wait_until(lambda: len(program.documents()) >= before + 60, "the file goes on")
        assert program.stop() == 0
    app.stop()

    in_file = program.documents()
    in_index = {hit["_id"]: hit["_source"] for hit in real_node.documents(INDEX)}
    assert len(in_file) == len({document["_id"] for document in in_file})
    assert in_index == {document.pop("_id"): document for document in in_file}
    serials = {document["expvar.serial"] for document in in_file}
    assert len({page.serial for page in app.served()} - serials) <= 1
    times = [nanoseconds(document["@timestamp"]) / 1e9 for document in in_file]
    assert max(later - sooner for sooner, later in itertools.pairwise(times)) < 3, "no other recorder was delayed"


def test_fifty_pipelines_with_one_file_and_one_clock_lose_nothing(
    real_node: Node, go_app: StartApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = go_app()
    path = tmp_path / "expvastic.yml"
    path.write_text(configuration({"my_app": reader(app)}, {"es": elasticsearch(real_node.url)}))
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_262_400_000_000_000)
    config = load(path)
    results = []

    async def one() -> None:
        results.append(await Pipeline(config, ticks=1, wall=lambda: 1_795_262_400.0).run())

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(one)

    anyio.run(all_of_them)

    assert [(result.lost, result.failed_polls, result.refused) for result in results] == [(0, 0, 0)] * 50
    hits = real_node.documents(INDEX)
    assert len(hits) == 50
    assert {hit["_source"]["@timestamp"] for hit in hits} == {"2026-11-21T12:00:00.000000Z"}
    assert {hit["_source"]["expvar.serial"] for hit in hits} == {page.serial for page in app.served()}


@pytest.mark.real
def test_sigterm_under_load_ends_in_time_with_everything_recorded(go_app: StartApp, tmp_path: Path) -> None:
    apps = [go_app() for _ in range(2)]
    readers = {f"app_{number}": reader(app, interval="20ms") for number, app in enumerate(apps)}
    text = configuration(readers, {"samples": {"type": "file", "path": "samples.ndjson"}}, grace="5s")

    with Program(tmp_path, text) as program:
        program.wait_until(lambda: len(program.documents()) >= 100, "100 samples in the file")
        began = time.monotonic()
        code = program.stop()
        took = time.monotonic() - began

    for app in apps:
        app.stop()
    assert code == 0
    assert took < 5
    recorded = {(document["service.name"], document["expvar.serial"]) for document in program.documents()}
    assert len(recorded) == len(program.documents())
    for name, app in zip(readers, apps, strict=True):
        served = {(name, page.serial) for page in app.served()}
        assert len(served - recorded) <= 1, "only the poll that was under way may be missing"


def dead_end() -> str:
    """An address where nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.real
def test_with_a_dead_recorder_sigterm_ends_in_time_with_code_3_and_the_count(go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    recorders = {"es": elasticsearch(dead_end()), "samples": {"type": "file", "path": "samples.ndjson"}}

    with Program(tmp_path, configuration({"my_app": reader(app)}, recorders, grace="2s")) as program:
        program.wait_until(lambda: len(program.documents()) >= 20, "20 samples in the file")
        began = time.monotonic()
        code = program.stop()
        took = time.monotonic() - began

    assert code == 3
    assert took < 3
    [lost] = program.said("undelivered data lost with the memory")
    assert lost["containers"] == len(program.documents())
    assert [line for line in program.lines if "raw" in line] == [], "no traceback"


@pytest.mark.real
def test_a_second_signal_leaves_at_once(go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    text = configuration({"my_app": reader(app)}, {"es": elasticsearch(dead_end())}, grace="60s")

    with Program(tmp_path, text) as program:
        program.wait_for("recorder failing")
        program.signal(signal.SIGTERM)
        program.wait_for("stopping")
        began = time.monotonic()
        program.signal(signal.SIGINT)
        code = program.ended()

    assert code == 128 + signal.SIGINT
    assert time.monotonic() - began < 2


@pytest.mark.real
def test_a_target_that_goes_and_comes_back_is_said_once_each(go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    samples = {"type": "file", "path": "samples.ndjson", "batch": {"wait": "50ms"}}

    with Program(tmp_path, configuration({"my_app": reader(app)}, {"samples": samples})) as program:
        program.wait_until(lambda: len(program.documents()) >= 5, "5 samples")
        app.stop()
        program.wait_for("reader failing")
        app.start()
        program.wait_for("reader recovered")
        assert program.stop() == 0

    assert len(program.said("reader failing")) == len(program.said("reader recovered")) == 1
    assert program.said("reader failing")[0]["reason"] == "connect"


@pytest.mark.real
def test_expvastic_watches_expvastic(go_app: StartApp, tmp_path: Path) -> None:
    """Its own /debug/vars is a page like any other, and the self reader needs no page at all."""
    watched, watcher = tmp_path / "watched", tmp_path / "watcher"
    watched.mkdir()
    watcher.mkdir()
    samples = {"type": "file", "path": "samples.ndjson", "batch": {"wait": "50ms"}}
    own = {"own": {"type": "self", "interval": "100ms"}}
    listen = f"unix:{watched}/status.sock"

    with Program(watched, configuration(own, {"samples": samples}, listen=listen)) as first:
        first.wait_until(lambda: len(first.documents()) >= 6, "own samples")
        page = {"type": "expvar", "endpoint": f"unix://{watched}/status.sock", "interval": "100ms"}
        with Program(watcher, configuration({"other": page}, {"samples": samples})) as second:
            second.wait_until(lambda: len(second.documents()) >= 3, "samples of the other")
            assert second.stop() == 0
        assert first.stop() == 0

    seen = second.documents()[-1]
    assert seen["expvar.Read Jobs"] >= 1
    assert not [name for name in seen if "own" in name.split(".")], "no name of a user's thing is a field name"
    datasets = {document["event.dataset"] for document in first.documents()}
    assert datasets == {"expvastic.process", "expvastic.recorder", "expvastic.reader"}


@pytest.mark.real
def test_memory_does_not_grow_with_a_dead_recorder(go_app: StartApp, tmp_path: Path) -> None:
    """The buffer's limit holds while samples go on; the long run is a benchmark's."""
    app = go_app()
    es = elasticsearch(dead_end(), buffer={"max_bytes": "200 KB"})
    samples = {"type": "file", "path": "samples.ndjson", "batch": {"wait": "50ms"}}
    own = {"type": "self", "interval": "200ms"}
    text = configuration(
        {"my_app": reader(app, interval="10ms"), "own": own}, {"es": es, "samples": samples}, grace="1s"
    )

    with Program(tmp_path, text) as program:
        program.wait_until(lambda: shed(program) > 300, "the buffer sheds")
        assert program.stop() == 3

    about_es = [document for document in program.documents() if document.get("labels.recorder") == "es"]
    assert max(document["expvar.buffer_bytes"] for document in about_es) <= 200_000
    assert len(program.said("shedding")) == 1


def shed(program: Program) -> float:
    numbers = [document for document in program.documents() if document.get("labels.recorder") == "es"]
    return max((document.get("expvar.shed_by_reason.full", 0) for document in numbers), default=-math.inf)


@pytest.mark.real
def test_check_connect_and_once_tell_by_their_exit_code(go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    good = configuration({"my_app": reader(app)}, {"samples": {"type": "file", "path": "samples.ndjson"}})
    (tmp_path / "good.yml").write_text(good)
    bad = configuration({"my_app": {"type": "expvar", "endpoint": dead_end()}}, {"es": elasticsearch(dead_end())})
    (tmp_path / "bad.yml").write_text(bad.replace('"settings": {}', '"settings": {"grace": "500ms"}'))

    checked = run("check", "-c", "good", "--connect", folder=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "reader my_app: ok" in checked.stdout
    assert "recorder samples: ok" in checked.stdout
    assert not (tmp_path / "samples.ndjson").exists(), "checking writes nothing"

    once = run("once", "-c", "good.yml", folder=tmp_path)
    assert once.returncode == 0
    assert len((tmp_path / "samples.ndjson").read_text().splitlines()) == 1

    unreachable = run("check", "-c", "bad.yml", "--connect", folder=tmp_path)
    assert unreachable.returncode == 1
    assert unreachable.stdout.count("FAILED") == 2
    failed = run("once", "-c", "bad.yml", folder=tmp_path)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr + unreachable.stderr


def test_read_prints_names_kinds_and_values(go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()
    printed = run("read", app.url, folder=tmp_path)
    app.stop()

    assert printed.returncode == 0
    rows = {row["name"]: row for row in map(json.loads, printed.stdout.splitlines())}
    [served] = app.served()
    alloc = {"kind": "integer", "unit": "bytes", "role": "gauge", "value": served.page["memstats"]["Alloc"]}
    assert rows["memstats.Alloc"] == {"name": "memstats.Alloc", **alloc}
    assert rows["memstats.BySize"] == {"name": "memstats.BySize", "left_out": "array_of_objects"}
    assert rows["memstats.NumGC"]["role"] == "counter"


def test_read_can_watch_what_changes_and_how_fast(go_app: StartApp, tmp_path: Path) -> None:
    app = go_app()

    watched = run("read", app.url, "--watch", "--interval", "50ms", "--count", "3", folder=tmp_path)

    assert (watched.returncode, watched.stderr) == (0, "")
    rows = [json.loads(line) for line in watched.stdout.splitlines()]
    serials = [row for row in rows if row["name"] == "serial"]
    assert len(serials) == 3
    assert "per_second" not in serials[0]
    assert all(5 < row["per_second"] <= 20 for row in serials[1:])
    assert len([row for row in rows if row["name"] == "int64_max"]) == 1, "only what changes is told again"


def self_configuration(folder: Path, recorders: dict[str, Any], **settings: Any) -> None:
    (folder / "c.yml").write_text(configuration({"own": {"type": "self"}}, recorders, **settings))


def test_once_fails_if_there_was_no_room_for_what_was_read(tmp_path: Path) -> None:
    samples = {"type": "file", "path": "samples.ndjson", "buffer": {"max_bytes": 600}}
    self_configuration(tmp_path, {"samples": samples})

    done = run("once", "-c", "c", folder=tmp_path)

    assert done.returncode == 1
    assert not (tmp_path / "samples.ndjson").exists()


def test_a_log_whose_disk_is_full_costs_no_sample(tmp_path: Path) -> None:
    self_configuration(tmp_path, {"samples": {"type": "file", "path": "samples.ndjson"}})

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command("once", "-c", "c"), cwd=tmp_path, stderr=full, timeout=30, check=False)

    assert done.returncode == 0
    assert len((tmp_path / "samples.ndjson").read_text().splitlines()) == 3


def test_every_buffer_has_its_share_of_the_memory(tmp_path: Path) -> None:
    recorders = {f"r{number}": {"type": "file", "path": f"{number}.ndjson"} for number in range(16)}
    recorders["r0"]["buffer"] = {"max_bytes": "32 MiB"}  # type: ignore[assignment]
    self_configuration(tmp_path, recorders, memory="64 MiB")

    pipeline = Pipeline(load(tmp_path / "c.yml"))

    assert {delivery.buffer._max_bytes for delivery in pipeline.deliveries.values()} == {4 * 2**20}  # type: ignore[attr-defined]


@pytest.mark.parametrize("grace", [0.3, 1.0, 2.0])
def test_stopping_takes_no_longer_than_the_grace_period(tmp_path: Path, grace: float) -> None:
    text = configuration({"own": {"type": "self"}}, {"es": elasticsearch(dead_end())}, grace=grace)

    with Program(tmp_path, text) as program:
        program.wait_for("recorder failing")
        began = time.monotonic()
        code = program.stop()
        took = time.monotonic() - began

    assert code == 3
    assert took < grace + 0.5, "half a second for a busy machine to end the process"


async def test_what_an_engine_offers_while_it_is_being_stopped_is_delivered(tmp_path: Path) -> None:
    """A poll that is past its last await may still end after the signal."""
    self_configuration(tmp_path, {"samples": {"type": "file", "path": str(tmp_path / "samples.ndjson")}})
    pipeline = Pipeline(load(tmp_path / "c.yml"))
    engine = pipeline.engines["own"]
    read = engine._reader.read

    async def stop_in_mid_read() -> Any:
        with anyio.CancelScope(shield=True):
            pipeline.stop()
            await anyio.sleep(0.05)
            return await read()

    engine._reader.read = stop_in_mid_read  # type: ignore[method-assign]
    result = await pipeline.run()

    assert (result.lost, result.shed) == (0, 0)
    assert len((tmp_path / "samples.ndjson").read_text().splitlines()) == 3
