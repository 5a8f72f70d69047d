"""Several processes over one configuration, as users run them: all is recorded once, what one leaves is delivered."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from expvastic.shards import owner
from program import Program, run, spell
from serial_pages import pages, samples

NAMES = [f"app{number}" for number in range(6)]


@pytest.fixture
def served() -> Iterator[tuple[int, Counter[str]]]:
    with pages() as found:
        yield found


def configuration(port: int, recorder: dict[str, Any], **settings: Any) -> str:
    readers = {
        name: {"type": "http", "endpoint": f"127.0.0.1:{port}/{name}", "interval": "50ms", "timeout": "2s"}
        for name in NAMES
    }
    routes = {"main": {"readers": NAMES, "recorders": ["out"]}}
    settings = {"state_dir": "../state", "log_format": "json", **settings}
    return spell({"settings": settings, "readers": readers, "recorders": {"out": recorder}, "routes": routes})


def to_file(path: str) -> dict[str, Any]:
    return {"type": "file", "path": path, "batch": {"wait": "50ms"}}


def folder(above: Path, name: str) -> Path:
    made = above / name
    made.mkdir()
    return made


def read_lines(folder: Path, *numbers: str) -> list[dict[str, Any]]:
    reading = Program.__new__(Program)
    reading.folder = folder
    return [line for number in numbers for line in reading.documents(f"out-{number}.ndjson")]


def test_two_processes_together_record_each_reader_once(served: tuple[int, Counter[str]], tmp_path: Path) -> None:
    port, count = served
    text = configuration(port, to_file("../out-%{shard}.ndjson"))
    programs = [Program(folder(tmp_path, str(k)), text, "--shard", f"{k}/2") for k in range(2)]
    with programs[0] as first, programs[1] as second:
        first.wait_until(lambda: all(count[f"/{name}"] >= 5 for name in NAMES), "all are polled")
        assert (first.stop(), second.stop()) == (0, 0)
    mine = [read_lines(tmp_path, str(k)) for k in range(2)]
    recorded = samples(mine[0] + mine[1])

    assert set(recorded.values()) == {1}
    assert [{name for name, _serial in samples(lines)} for lines in mine] == [
        {name for name in NAMES if owner(name, 2) == k} for k in range(2)
    ]
    assert all(max(s for n, s in recorded if n == name) >= count[f"/{name}"] - 1 for name in NAMES)
    assert len({line["agent.id"] for line in mine[0] + mine[1]}) == 2


@pytest.mark.parametrize("arguments", [("--shard", "0/1"), ()])
def test_what_a_killed_process_left_is_delivered_by_those_that_are_left(
    arguments: tuple[str, ...], served: tuple[int, Counter[str]], tmp_path: Path
) -> None:
    port, count = served
    gone = [name for name in NAMES if owner(name, 2) == 1]
    blocked = tmp_path / "there"  # the folder of the file is not there: nothing can be recorded
    text = configuration(port, to_file("../there/out-%{shard}.ndjson"))
    with Program(folder(tmp_path, "second"), text, "--shard", "1/2") as second:
        second.wait_until(lambda: all(count[f"/{name}"] >= 5 for name in gone), "its readers are polled")
        second.signal(signal.SIGKILL)
        second.ended()
    read = {name: count[f"/{name}"] for name in gone}
    blocked.mkdir()
    with Program(folder(tmp_path, "first"), text, *arguments) as first:
        first.wait_for("delivered what another process left")
        assert first.stop() == 0
    recorded = samples(read_lines(blocked, "1"))

    assert set(recorded.values()) == {1}
    assert all(len([n for n, _serial in recorded if n == name]) >= read[name] - 1 for name in gone)
    assert first.said("delivering what another process left")[0]["containers"] == recorded.total()


def test_what_the_only_process_left_is_delivered_by_several(served: tuple[int, Counter[str]], tmp_path: Path) -> None:
    port, count = served
    blocked = tmp_path / "there"
    text = configuration(port, to_file("../there/out-%{shard}.ndjson"))
    with Program(folder(tmp_path, "only"), text) as only:
        only.wait_until(lambda: all(count[f"/{name}"] >= 5 for name in NAMES), "all are polled")
        only.signal(signal.SIGKILL)
        only.ended()
    blocked.mkdir()
    with Program(folder(tmp_path, "first"), text, "--shard", "0/2") as first:
        first.wait_for("delivered what another process left")
        assert first.stop() == 0

    assert set(samples(read_lines(blocked, "all")).values()) == {1}
    assert {name for name, _serial in samples(read_lines(blocked, "all"))} == set(NAMES)


def test_what_is_not_to_be_delivered_without_the_user_is_said_once_and_stays(
    served: tuple[int, Counter[str]], tmp_path: Path
) -> None:
    port, count = served
    gone = [name for name in NAMES if owner(name, 2) == 1]
    before, after = (configuration(port, to_file(f"../{name}/out-%{{shard}}.ndjson")) for name in ("there", "else"))
    with Program(folder(tmp_path, "second"), before, "--shard", "1/2") as second:
        second.wait_until(lambda: all(count[f"/{name}"] >= 2 for name in gone), "its readers are polled")
        second.signal(signal.SIGKILL)
        second.ended()
    (tmp_path / "state" / "shards" / "7").mkdir()  # of a process that never came far
    folder(tmp_path, "else")
    with Program(folder(tmp_path, "first"), after, "--shard", "0/1") as first:
        said = first.wait_for("what another process left is not delivered")
        assert first.stop() == 0

    assert said["folder"].endswith("state/shards/1")
    assert not first.said("delivered what another process left")
    assert len(first.said("what another process left is not delivered")) == 1
    assert not read_lines(tmp_path / "else", "1")


def test_the_folder_of_a_process_that_runs_is_left_alone(served: tuple[int, Counter[str]], tmp_path: Path) -> None:
    port, _count = served
    text = configuration(port, to_file("../there/out-%{shard}.ndjson"))
    with Program(folder(tmp_path, "second"), text, "--shard", "1/2") as second:
        second.wait_until(lambda: bool(second.said("started")), "it runs")
        with Program(folder(tmp_path, "first"), text, "--shard", "0/1") as first:
            first.wait_for("started")
            assert first.stop() == 0

        assert not first.said("delivering what another process left")
        assert second.stop() == 0


def test_a_process_without_readers_stays(tmp_path: Path) -> None:
    text = configuration(1, to_file("../out-%{shard}.ndjson"))
    number = next(k for k in range(100) if not any(owner(name, 100) == k for name in NAMES))
    with Program(folder(tmp_path, "idle"), text, "--shard", f"{number}/100", "--loglevel", "debug") as idle:
        started = idle.wait_for("started")

        assert (started["readers"], started["shard"]) == (0, f"{number}/100")
        assert idle.stop() == 0


def test_the_buffers_of_several_are_looked_at_together_or_one_by_one(tmp_path: Path) -> None:
    text = configuration(1, to_file("../out-%{shard}.ndjson"), state_dir="state")
    for started, shard in enumerate(("0/2", "1/2"), start=1):
        with Program(tmp_path, text, "--shard", shard) as program:
            program.wait_until(lambda: len(program.said("started")) == started, "it runs")  # noqa: B023
            program.stop()

    one = run("buffer", "-c", "expvastic.yml", "list", "--shard", "0/2", folder=tmp_path)
    both = run("buffer", "-c", "expvastic.yml", "list", folder=tmp_path)

    assert (one.returncode, both.returncode) == (0, 0), one.stderr + both.stderr
    assert "out-0.ndjson" in one.stdout
    assert "out-1.ndjson" not in one.stdout
    assert [line for line in both.stdout.splitlines() if line.startswith("state")] == [
        "state/shards/0:",
        "state/shards/1:",
    ]
    assert "out-0.ndjson" in both.stdout
    assert "out-1.ndjson" in both.stdout
