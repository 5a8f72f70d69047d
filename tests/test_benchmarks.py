"""The benchmarks run, measure alike what is compared, and tell it as it is."""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import go_app
from benchmarking import BENCHMARKS, benchmark

sys.path.append(str(BENCHMARKS))

from measuring import go_parts, peers, report, shares, soaking
from measuring.contestants import COLLECTOR, DISK, FLOOR, GO, MEMORY, TELEGRAF, TUNED
from measuring.musts import Measured, Must, musts
from measuring.own_part import Books
from measuring.soaking import Sample
from measuring.tables import of_costs
from measuring.window import Cost, Scene

SCENE = Scene(Path("/nowhere"), targets=3)
FAKE_PEER = Path(__file__).resolve().parent / "fake_peer.py"
PORTS = 40  # that a quick run may use


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that choose cores; the run gets ports of its own, too."""
    monkeypatch.setenv("BENCHMARK_PORT", str(next(filter(is_free, iter(lambda: random.randrange(10_000, 30_000), 0)))))
    allowed = sorted(os.sched_getaffinity(0))
    return ["--cores", str(allowed[-1]), "--helper-cores", str(allowed[0])]


def is_free(first: int) -> bool:
    for port in range(first, first + PORTS):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return False
    return True


def fake(folder: Path, name: str) -> str:
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE_PEER}" {name} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def tables(printed: str) -> dict[str, dict[str, dict[str, str]]]:
    """Cells by the title of the table, the row and the column."""
    found = {}
    for title, lines in re.findall(r"^### (.*)\n\n((?:\|.*\n)+)", printed, re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines())
        found[title] = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    return found


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.usefixtures("go_binary")
def test_the_one_command_measures_every_row_and_the_same_work_in_each(tmp_path: Path, cores: list[str]) -> None:
    page = tmp_path / "page.md"
    given = ("--telegraf", fake(tmp_path, "telegraf"), "--otelcol", fake(tmp_path, "collector"))

    printed = benchmark("all", "--quick", *given, "--write", str(page), *cores, timeout=400)

    found = tables(printed)
    paced, *closed_and_more = (rows for title, rows in found.items() if title.startswith(("Paced", "Closed", "Many")))
    assert {GO, TUNED, MEMORY, DISK, TELEGRAF, COLLECTOR} <= set(paced)
    assert all({GO, MEMORY} <= set(rows) for rows in closed_and_more)
    assert len(closed_and_more) == 4
    for title, rows in found.items():
        sizes = [
            number(row["bytes/doc"])
            for name, row in rows.items()
            if name in (GO, TUNED, MEMORY, DISK, FLOOR) and row.get("bytes/doc", "–") != "–"
        ]
        assert not sizes or max(sizes) <= 1.05 * min(sizes), title
    assert not [row for row, cells in found["What must be reached"].items() if "not measured" in cells.values()]
    assert "NOT IN ORDER" not in printed, "nothing is lost or twice, and the books add up"
    assert page.read_text(encoding="utf-8").startswith(report.markers("tables")[0])


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.usefixtures("go_binary")
def test_a_soak_with_trouble_ends_with_everything_recorded_once(cores: list[str]) -> None:
    sizes = ("--minutes", "0.15", "--every", "3", "--polls", "60", "--targets", "20")

    printed = benchmark("soak", *sizes, "--trouble", *cores)

    assert re.search(r"served ([\d,]+) pages, read \1; recorded ([\d,]+), at the sink \2", printed)
    assert "BROKEN" not in printed


@pytest.mark.real
@pytest.mark.usefixtures("go_binary")
def test_the_tuned_go_makes_the_documents_of_the_baseline() -> None:
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}
    command = [go_app.go(), "test", "./..."]

    done = subprocess.run(command, cwd=go_parts.SOURCES, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_telegraf_polls_every_target_and_ships_lean_documents_in_the_same_batches() -> None:
    told = tomllib.loads(peers.telegraf_configuration(SCENE))

    (source,), (destination,) = told["inputs"]["http"], told["outputs"]["elasticsearch"]
    assert len(set(source["urls"])) == 3
    assert "memstats_PauseNs_*" in source["fieldexclude"]
    assert (told["agent"]["interval"], told["agent"]["metric_batch_size"]) == ("1000ms", 500)
    assert destination["urls"] == [f"http://127.0.0.1:{go_parts.SINK}"]


def test_the_collector_has_a_receiver_for_every_target_in_its_pipeline() -> None:
    told = peers.collector_configuration(SCENE)

    assert len({receiver["endpoint"] for receiver in told["receivers"].values()}) == 3
    assert told["service"]["pipelines"]["metrics"]["receivers"] == [*told["receivers"]]
    assert told["service"]["pipelines"]["metrics"]["exporters"] == [*told["exporters"]]


@pytest.mark.parametrize(
    ("measured", "is_least", "verdict"),
    [
        (0.1, False, "aim met"),
        (0.3, False, "met"),
        (0.5, False, "NOT MET"),
        (float("nan"), False, "not measured"),
        (0.1, True, "NOT MET"),
    ],
)
def test_a_row_says_whether_it_is_reached(measured: float, is_least: bool, verdict: str) -> None:
    limits = (0.2, 0.4) if is_least else (0.4, 0.2)

    assert Must("row", *limits, measured, is_least=is_least).verdict == verdict


def test_a_cost_beside_a_growing_backlog_is_no_cost() -> None:
    steady = Cost(100.0, 0.1, 0.1, 1000.0, 990.0, *[0.0] * 9)
    behind = replace(steady, cpu_per_poll=9000.0, polls=10.0)
    seen = Measured({"paced-10k": {GO: behind, MEMORY: steady}, "closed-10k": {GO: steady, MEMORY: behind}})

    verdicts = {must.row: must.verdict for must in musts(seen, 1000)}
    printed = of_costs(seen.costs["paced-10k"], ("µs CPU/poll",), GO)

    assert verdicts["CPU per poll, 1,000 targets at 1 s, ratio to Go"] == "unsteady"
    assert verdicts["closed loop, polls per core-second, ratio to Go"] == "unsteady"
    assert printed.count("unsteady") == 2


def test_an_aim_alone_can_be_missed() -> None:
    assert Must("row", float("nan"), 0, 1).verdict == "aim not met"


def test_what_was_not_measured_is_said_to_be_so() -> None:
    assert {must.verdict for must in musts(Measured(), 1000)} == {"not measured"}


def test_what_is_measured_takes_the_place_of_what_was_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    first, last = report.markers("tables")
    page.write_text(f"before\n{first}\nold\n{last}\nafter\n", encoding="utf-8")

    report.write(page, "tables", "new\n")
    report.write(page, "tables", "newer\n")
    report.write(page, "profile", "another\n")

    other = "\nanother\n".join(report.markers("profile"))
    assert page.read_text(encoding="utf-8") == f"before\n{first}\nnewer\n{last}\nafter\n{other}\n"


def test_a_page_without_its_second_marker_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = f"{report.markers('tables')[0]}\nold\nafter\n"
    page.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match="put the second one back"):
        report.write(page, "tables", "new\n")

    assert page.read_text(encoding="utf-8") == text


def test_samples_belong_to_the_innermost_part_and_waiting_threads_to_none() -> None:
    engine = "run (asyncio/runners.py:1);Engine._poll (expvastic/engine.py:1)"
    decode = "StrictDecoder.decode (expvastic/pages/strict.py:1);JSONDecoder_decode (msgspec/_core.so)"
    lines = [
        f"{engine};{decode} 5",
        f"{engine};Connection.ask (expvastic/clients/lean/connection.py:1);uv_write (loop.c:1);write (libc.so.6) 3",
        f"{engine};Delivery.offer (expvastic/delivery.py:1) 2",
        "run_forever (loop.c:1);uv__io_poll (linux.c:1) 1",
        "Thread.run (threading.py:1);PyThread_acquire_lock_timed (libpython3.so);0x7f (libc.so.6) 99",
    ]

    counts = shares.by_part(lines)

    assert counts == Counter({"decoding the page": 5, shares.KERNEL: 3, "offer and buffer": 2, shares.LOOP: 1})
    assert set(counts) <= set(shares.PARTS)


def test_every_part_of_a_profile_is_a_place_that_there_is() -> None:
    source = BENCHMARKS.parent / "src"
    paths = [str(path.relative_to(source)) for path in source.rglob("*.py")]

    parts = Counter(shares.part_of([f"anything ({path}:1)"]) for path in paths)

    assert set(parts) >= set(shares.PARTS) - {shares.KERNEL, shares.LOOP}


BOOKS = Books(read=10, recorded=10)


@pytest.mark.parametrize(
    ("change", "known", "duplicates", "code", "words"),
    [
        ({}, 10, 0, 0, []),
        ({"read": 9}, 10, 0, 0, ["read"]),
        ({}, 9, 0, 0, ["at the sink"]),
        ({"lost": 1}, 10, 0, 0, ["shed"]),
        ({"waiting": 1}, 10, 0, 0, ["still wait"]),
        ({"imbalances": ("es: offered 3",)}, 10, 0, 0, ["offered 3"]),
        ({}, 10, 1, 0, ["twice"]),
        ({}, 10, 0, 3, ["ended with 3"]),
    ],
)
def test_a_soak_finds_what_is_wrong(
    change: dict[str, object], known: int, duplicates: int, code: int, words: list[str]
) -> None:
    found = [*soaking.findings(10, replace(BOOKS, **change), known, duplicates, code)]

    assert len(found) == len(words)
    assert all(word in finding for word, finding in zip(words, found, strict=True))


def test_drift_is_told_from_the_third_sample_on() -> None:
    samples = [Sample(float(at), memory, 100.0, 0, 0, 0, 0, BOOKS) for at, memory in enumerate((10, 20, 50, 50, 55))]

    assert "RSS 50.0 → 55.0 (+10.0 %), CPU per poll 100.0 → 100.0 (+0.0 %)" in soaking.drift(samples)
    assert "no drift" in soaking.drift(samples[:3])
