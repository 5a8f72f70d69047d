"""``expvastic buffer``: what waits and what was refused is seen, sent again, dropped, or handed over."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import subprocess
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from expvastic.buffer import BufferSettings
from expvastic.buffers.disk import DiskBuffer, read_ledger, read_waiting
from expvastic.cli.flags import ACTIONS
from expvastic.cli.tables import spell_bytes, spell_time
from expvastic.datatypes import Container, Poll
from expvastic.outcomes.ledger import Ledger
from expvastic.outcomes.quarantine import Quarantine, Quarantined
from expvastic.recorders.file.lines import line_of
from expvastic.state import Mark, State
from program import PATIENCE, command, run
from recorders.fake_cluster import FakeCluster, item
from samples import make_container, make_containers
from scripted_http import Answer, Request, ScriptedServer

CONFIG = """
settings: {state_dir: state}
readers:
  own: {type: self}
recorders:
  out: {type: file, path: out.ndjson}
  memory: {type: file, path: memory.ndjson, buffer: {type: memory}}
  cluster: {type: elasticsearch, endpoint: "%s", index_name: app, retry: {initial: 50ms, max: 100ms}}
routes:
  main: {readers: own, recorders: [out, memory, cluster]}
"""
NOBODY = "127.0.0.1:1"
ELSEWHERE = "http://127.0.0.1:2/app"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yml").write_text(CONFIG % NOBODY)
    State.open(tmp_path / "state").close()
    return tmp_path


def fill(folder: Path, name: str, batch: Sequence[Container] = (), destination: str = "") -> None:
    """Let containers wait for a recorder."""
    with State.open(folder / "state") as state:
        buffer = DiskBuffer(BufferSettings(type="disk"), Ledger(), state.recorder_folder(name) / "buffer")
        buffer.open(0.0)
        buffer.put(Poll("app", 7, batch, b"knowledge"), 0.0)
        buffer.close(0.0)
        state.set_mark(Mark(name, "file", destination or str(folder / "out.ndjson")))


def refuse(folder: Path, name: str, batch: Sequence[Container], **about: str) -> None:
    """Put containers into a recorder's quarantine."""
    words = {"destination": "app", "reason": "400 mapper", "detail": "no \x1b[31m number", "field": "expvar.a"} | about
    with State.open(folder / "state") as state:
        quarantine = Quarantine(state.recorder_folder(name) / "quarantine")
        quarantine.add(
            Quarantined(
                id=each.id, time=each.time, reader=each.reader, at=1_795_231_999.5, document=each.document, **words
            )
            for each in batch
        )


def buffer(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("buffer", *arguments, "-c", "c.yml", folder=folder)


def part(folder: Path, name: str, what: str) -> Path:
    return folder / "state" / "recorders" / name / what


def waiting(folder: Path, name: str) -> list[str]:
    return [container.id for container in read_waiting(part(folder, name, "buffer"))]


def quarantined(folder: Path, name: str) -> list[str]:
    return [entry.id for entry in Quarantine(part(folder, name, "quarantine")).entries()]


def ids(count: int, first: int = 0) -> list[str]:
    return [container.id for container in make_containers(count, first=first)]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (folder / "state").rglob("*") if path.is_file()}


# -- list and show --


def test_list_shows_what_every_recorder_holds_and_what_the_user_must_settle(folder: Path) -> None:
    fill(folder, "out", make_containers(3))
    fill(folder, "cluster", make_containers(2), destination=ELSEWHERE)
    fill(folder, "gone\x1b", make_containers(1))
    refuse(folder, "cluster", make_containers(2))
    fill(folder, "empty")

    done = buffer(folder, "list")

    head, *rows = done.stdout.splitlines()
    told = {row.split()[0]: row.split() for row in rows}
    assert (done.returncode, done.stderr) == (0, "")
    assert head.split() == ["RECORDER", "WAITING", "SIZE", "OLDEST", "NEWEST", "REFUSED", "DESTINATION"]
    assert told["out"][1] == "3"
    assert told["out"][4:] == ["2026-11-21T03:31:00Z", "2026-11-21T03:31:02Z", "0", f"{folder}/out.ndjson"]
    assert told["cluster"][6:8] == ["2", ELSEWHERE]
    assert "waits for you: http://127.0.0.1:1/app is configured; `buffer adopt cluster` or" in done.stdout
    assert "not configured any more; `buffer adopt out --from gone\\x1b` or `buffer discard gone\\x1b`" in done.stdout
    assert told["empty"][1] == "0"
    assert "\x1b" not in done.stdout


def test_show_prints_the_oldest_documents_that_wait(folder: Path) -> None:
    fill(folder, "out", [make_container(0, **{"expvar.text": "\u202eevil"}), *make_containers(4, first=1)])

    done = buffer(folder, "show", "out", "--count", "2")

    first, second, rest = done.stdout.splitlines()
    assert done.returncode == 0
    assert first.startswith('2026-11-21T03:31:00Z  app  app-000000  {"@timestamp":"2026-11-21T03:31:00.000000Z"')
    assert "\u202e" not in first
    assert "app-000001" in second
    assert rest == "and 3 more; --count 0 shows all"


def test_what_waits_can_be_shown_as_lines_that_replay_takes(folder: Path) -> None:
    fill(folder, "cluster", make_containers(30))

    shown = buffer(folder, "show", "cluster", "--json", "--count", "0").stdout
    (folder / "saved").write_text(shown)
    done = run("replay", "saved", "--to", "out", "-c", "c.yml", folder=folder)

    assert done.returncode == 0
    assert (folder / "out.ndjson").read_bytes() == b"".join(map(line_of, make_containers(30)))


def test_show_quarantine_says_what_was_refused_when_and_why(folder: Path) -> None:
    refuse(folder, "out", make_containers(2))

    done = buffer(folder, "show", "out", "--quarantine")
    as_json = buffer(folder, "show", "out", "--quarantine", "--json")

    head, first, _ = done.stdout.splitlines()
    assert head.split() == ["REFUSED", "AT", "REASON", "FIELD", "READER", "ID", "DETAIL"]
    told = ["2026-11-21T03:33:19Z", "400 mapper", "expvar.a", "app", "app-000000", "no \\x1b[31m number"]
    assert re.split(" {2,}", first) == told
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [(entry["id"], entry["document"]["expvar.count"]) for entry in found] == [
        ("app-000000", 0),
        ("app-000001", 1),
    ]


def test_looking_needs_no_lock_and_changes_nothing(folder: Path) -> None:
    fill(folder, "out", make_containers(3))
    refuse(folder, "out", make_containers(1, "refused"))
    before = snapshot(folder)

    with State.open(folder / "state"):
        done = [buffer(folder, *words) for words in (["list"], ["show", "out"], ["show", "out", "--quarantine"])]

    before[str(folder / "state" / "lock")] = (folder / "state" / "lock").read_bytes()
    assert [each.returncode for each in done] == [0, 0, 0]
    assert snapshot(folder) == before


# -- replay --


def test_replay_records_what_was_refused_and_all_that_waits(folder: Path) -> None:
    fill(folder, "out", make_containers(2))
    refuse(folder, "out", make_containers(3, first=10))

    done = buffer(folder, "replay", "out")

    written = [json.loads(line)["_id"] for line in (folder / "out.ndjson").read_text().splitlines()]
    assert (done.returncode, done.stdout) == (0, "out: 3 offered again; 5 recorded, 0 refused, 0 still waiting\n")
    assert sorted(written) == ids(2) + ids(3, first=10)
    assert (quarantined(folder, "out"), waiting(folder, "out")) == ([], [])
    totals = read_ledger(part(folder, "out", "buffer"), time.time).totals
    assert (totals["offered"], totals["recorded"], totals["replayed"]) == (5, 5, 3)


def test_replay_leaves_what_readers_know_as_it_is(folder: Path) -> None:
    fill(folder, "out", make_containers(1))
    refuse(folder, "out", make_containers(1, first=10))

    buffer(folder, "replay", "out")

    again = DiskBuffer(BufferSettings(type="disk"), Ledger(), part(folder, "out", "buffer"))
    again.open(0.0)
    known = dict(again.last_polls)
    again.close(0.0)
    assert known == {"app": (7, b"knowledge")}


def test_replay_takes_only_the_ids_that_are_given(folder: Path) -> None:
    refuse(folder, "out", make_containers(4))

    done = buffer(folder, "replay", "out", "--id", "app-000001", "app-000003", "nonsense")

    assert done.returncode == 1
    assert done.stdout == (
        "out: nonsense is not in quarantine\nout: 2 offered again; 2 recorded, 0 refused, 0 still waiting\n"
    )
    assert quarantined(folder, "out") == ["app-000000", "app-000002"]


def test_more_than_one_piece_is_replayed_whole(folder: Path) -> None:
    refuse(folder, "out", make_containers(1_201))

    done = buffer(folder, "replay", "out")

    assert done.returncode == 0
    assert (folder / "out.ndjson").read_text().count("\n") == 1_201
    assert quarantined(folder, "out") == []


class Refusing(FakeCluster):
    """Refuses one document, whatever is left of it."""

    def _bulk(self, request: Request) -> Answer:
        answer = super()._bulk(request)
        assert isinstance(answer.body, dict)
        actions = [json.loads(line)["create"]["_id"] for line in request.body.split(b"\n")[:-1:2]]
        kept: Any = answer.body["items"]
        refused = item(400, "document_parsing_exception", "no")
        items = [refused if known == "app-000001" else each for known, each in zip(actions, kept, strict=True)]
        return Answer({"errors": True, "items": items})


async def test_what_is_refused_again_is_in_quarantine_again(folder: Path) -> None:
    refuse(folder, "cluster", make_containers(3))

    async with ScriptedServer(Refusing()) as server:
        (folder / "c.yml").write_text(CONFIG % server.url)
        done = await anyio.to_thread.run_sync(partial(buffer, folder, "replay", "cluster"))

    assert done.returncode == 1
    assert done.stdout == "cluster: 3 offered again; 2 recorded, 1 refused, 0 still waiting\n"
    [entry] = Quarantine(part(folder, "cluster", "quarantine")).entries()
    assert (entry.id, entry.reason) == ("app-000001", "400 document_parsing_exception")
    assert entry.document == make_container(1).document


def test_what_cannot_be_delivered_in_time_waits_on_the_disk(folder: Path) -> None:
    refuse(folder, "out", make_containers(3))

    with (folder / "out.ndjson").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = buffer(folder, "replay", "out", "--timeout", "1s")

    assert done.returncode == 1
    assert done.stdout.startswith("out: 3 offered again; 0 recorded, 0 refused, 3 still waiting (cannot write ")
    assert (quarantined(folder, "out"), waiting(folder, "out")) == ([], ids(3))


def test_what_finds_no_room_in_the_buffer_stays_in_quarantine(folder: Path) -> None:
    (folder / "c.yml").write_text((CONFIG % NOBODY).replace("out.ndjson}", "out.ndjson, buffer: {max_bytes: 1 MiB}}"))
    refuse(folder, "out", [make_container(place, **{"expvar.t": "x" * 1_500}) for place in range(700)])

    done = buffer(folder, "replay", "out")

    assert done.returncode == 1
    assert done.stdout == (
        "out: 0 offered again; 0 recorded, 0 refused, 0 still waiting\n"
        "out: 700 left in quarantine, for want of room in the buffer; replay once more\n"
    )
    assert len(quarantined(folder, "out")) == 700


def test_replay_waits_until_the_user_has_settled_whose_the_data_is(folder: Path) -> None:
    fill(folder, "out", make_containers(1), destination="/elsewhere.ndjson")
    refuse(folder, "out", make_containers(1, first=10))

    done = buffer(folder, "replay", "out")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "buffer adopt out" in done.stderr
    assert quarantined(folder, "out") == ids(1, first=10)
    assert not (folder / "out.ndjson").exists()


def test_a_document_is_not_moved_from_quarantine_to_memory(folder: Path) -> None:
    refuse(folder, "memory", make_containers(1))

    done = buffer(folder, "replay", "memory")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "its buffer is in memory" in done.stderr
    assert quarantined(folder, "memory") == ids(1)


def test_nothing_to_replay_is_said(folder: Path) -> None:
    done = buffer(folder, "replay", "out")

    assert (done.returncode, done.stdout) == (0, "out: nothing to replay\n")


# -- discard --


def test_discard_drops_what_waits_and_enters_it_in_the_ledger(folder: Path) -> None:
    fill(folder, "out", make_containers(3))

    done = buffer(folder, "discard", "out", "--yes")

    ledger = read_ledger(part(folder, "out", "buffer"), time.time)
    assert (done.returncode, done.stdout) == (0, "out: 3 documents dropped\n")
    assert waiting(folder, "out") == []
    assert (ledger.totals["offered"], dict(ledger.shed)) == (3, {"discarded": 3})


def test_discard_works_for_a_recorder_that_is_not_configured_any_more(folder: Path) -> None:
    fill(folder, "gone", make_containers(1))

    assert buffer(folder, "discard", "gone", "--yes").stdout == "gone: 1 document dropped\n"
    assert buffer(folder, "discard", "gone", "--yes").stdout == "nothing waits for gone\n"


def test_the_quarantine_can_be_dropped_beside_a_process_that_is_at_work(folder: Path) -> None:
    fill(folder, "out", make_containers(2))
    refuse(folder, "out", make_containers(3))

    with State.open(folder / "state"):
        done = buffer(folder, "discard", "out", "--quarantine", "--yes")

    assert (done.returncode, done.stdout) == (0, "out: 3 documents dropped from quarantine\n")
    assert (quarantined(folder, "out"), waiting(folder, "out")) == ([], ids(2))


@pytest.mark.parametrize("what", [[], ["--quarantine"]])
def test_without_a_terminal_nothing_is_dropped_unless_it_is_said(what: list[str], folder: Path) -> None:
    fill(folder, "out", make_containers(2))
    refuse(folder, "out", make_containers(2))

    done = buffer(folder, "discard", "out", *what)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "this would drop 2 documents" in done.stderr
    assert (waiting(folder, "out"), quarantined(folder, "out")) == (ids(2), ids(2))


@pytest.mark.parametrize(("answer", "left", "code"), [(b"y\n", 0, 0), (b"\n", 2, 1), (b"no\n", 2, 1)])
def test_on_a_terminal_it_is_asked(answer: bytes, left: int, code: int, folder: Path) -> None:
    fill(folder, "out", make_containers(2))
    controller, terminal = pty.openpty()
    os.write(controller, answer)

    done = subprocess.run(
        command("buffer", "discard", "out", "-c", "c.yml"),
        cwd=folder, stdin=terminal, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    os.close(controller)
    os.close(terminal)

    assert done.stderr == "drop 2 documents that wait for out? [y/N] "
    assert (done.returncode, len(waiting(folder, "out"))) == (code, left)


# -- adopt --


def test_adopt_sends_what_waits_to_the_destination_that_is_configured(folder: Path) -> None:
    fill(folder, "out", make_containers(2), destination="/elsewhere.ndjson")

    done = buffer(folder, "adopt", "out")
    delivered = buffer(folder, "replay", "out")

    assert (done.returncode, done.stdout) == (0, f"out: 2 documents will be sent to {folder}/out.ndjson\n")
    assert delivered.stdout == "out: nothing to replay\n"
    with State.open(folder / "state") as state:
        assert state.mark("out") == Mark("out", "file", f"{folder}/out.ndjson")


def test_adopt_gives_a_renamed_recorder_its_data_and_its_quarantine(folder: Path) -> None:
    fill(folder, "old", make_containers(2))
    refuse(folder, "old", make_containers(1, first=5))
    fill(folder, "out")

    done = buffer(folder, "adopt", "out", "--from", "old")

    assert (done.returncode, done.stdout) == (0, f"out: 2 documents will be sent to {folder}/out.ndjson\n")
    assert (waiting(folder, "out"), quarantined(folder, "out")) == (ids(2), ids(1, first=5))
    assert not part(folder, "old", "buffer").exists()


def test_adopt_does_not_put_data_in_the_place_of_data(folder: Path) -> None:
    fill(folder, "old", make_containers(2))
    fill(folder, "out", make_containers(1, first=5))

    done = buffer(folder, "adopt", "out", "--from", "old")

    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (1, 1, "")
    assert "holds data of out itself" in done.stderr
    assert (waiting(folder, "out"), waiting(folder, "old")) == (ids(1, first=5), ids(2))


# -- what cannot be done --


@pytest.mark.parametrize("arguments", [["replay", "out"], ["discard", "out", "--yes"], ["adopt", "out"]])
def test_what_changes_the_buffer_asks_for_the_running_process_to_be_stopped(arguments: list[str], folder: Path) -> None:
    fill(folder, "out", make_containers(2))

    with State.open(folder / "state"):
        done = buffer(folder, *arguments)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "stop that one first" in done.stderr
    assert waiting(folder, "out") == ids(2)


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["show", "otu"], 2, "buffer: no recorder otu in state; did you mean out?"),
        (["show", "cluster"], 1, "expvastic: state holds nothing of cluster"),
        (["replay", "otu"], 2, "buffer replay: no recorder otu in c.yml; did you mean out?"),
        (["replay", "out", "--timeout", "soon"], 2, "buffer replay --timeout: not a duration"),
        (["adopt", "out", "--from", "nobody"], 2, "buffer adopt --from: no recorder nobody in state; there is"),
        (["adopt", "out", "--from", "out"], 2, "buffer adopt --from: out is the recorder itself"),
        (
            ["adopt", "out", "--from", "memory"],
            2,
            "buffer adopt --from: memory is still configured; its data is its own",
        ),
        (["adopt", "out", "--from", "refused"], 2, "buffer adopt --from: nothing waits for refused"),
        (["show"], 2, "expvastic buffer show: the following arguments are required: RECORDER"),
        (["show", "out", "--count", "-3"], 2, "expvastic buffer show: argument --count: must be a whole number"),
        (["burn"], 2, "expvastic buffer: argument ACTION: invalid choice: 'burn'"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], code: int, complaint: str, folder: Path) -> None:
    fill(folder, "out", make_containers(1))
    refuse(folder, "memory", make_containers(1))
    refuse(folder, "refused", make_containers(1))

    done = buffer(folder, *arguments)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert done.stderr.startswith(complaint)


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "out"], ["replay", "out"], ["discard", "out"], ["adopt", "out"]]
)
def test_without_a_state_dir_there_is_nothing_to_see_to(arguments: list[str], folder: Path) -> None:
    (folder / "c.yml").write_text((CONFIG % NOBODY).replace("state_dir: state", "log_level: info"))

    done = buffer(folder, *arguments)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("expvastic: there is no state_dir in c.yml")


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "out"], ["replay", "out"], ["discard", "out"], ["adopt", "out"]]
)
def test_a_state_dir_that_is_not_there_is_not_made(arguments: list[str], folder: Path) -> None:
    (folder / "c.yml").write_text((CONFIG % NOBODY).replace("state_dir: state", "state_dir: nowhere"))

    done = buffer(folder, *arguments)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert not (folder / "nowhere").exists()


def test_a_buffer_with_files_of_others_is_left_alone_and_said(folder: Path) -> None:
    fill(folder, "out", make_containers(1))
    (part(folder, "out", "buffer") / "notes.txt").write_text("mine")
    before = snapshot(folder)

    done = buffer(folder, "discard", "out", "--yes")

    before[str(folder / "state" / "lock")] = (folder / "state" / "lock").read_bytes()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "notes.txt" in done.stderr
    assert snapshot(folder) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_has_help(action: str, tmp_path: Path) -> None:
    done = run("buffer", action, "--help", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: expvastic buffer {action}")


def test_the_file_may_be_named_before_the_action(folder: Path) -> None:
    assert run("buffer", "-c", "c.yml", "list", folder=folder).returncode == 0


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**50, "1024.0 TiB")])
def test_sizes_are_told_for_people(count: int, text: str) -> None:
    assert spell_bytes(count) == text


def test_a_time_that_no_calendar_has_is_told_all_the_same() -> None:
    assert (spell_time(0.9), spell_time(1e18)) == ("1970-01-01T00:00:00Z", "1e+18")
