"""The commands as a shell sees them: their spelling, their exit codes, their one-line complaints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from expvastic.cli.flags import parse, quick_values
from program import run

VALID = """
readers:
  own: {type: self, interval: 1s}
recorders:
  screen: {type: console, format: json}
routes:
  main: {readers: own, recorders: screen}
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reader", "h:1/x", "--int", "5s", "--backoff", "7"],
        ["-reader", "h:1/x", "-int", "5s", "-backoff", "7"],
        ["-reader=h:1/x", "-int=5s", "--backoff=7"],
        ["run", "-reader=h:1/x", "-int=5s", "-backoff=7"],
    ],
)
def test_options_may_be_spelled_as_gnu_or_go_programs_do(arguments: list[str]) -> None:
    values = quick_values(parse(arguments, {}))

    assert values["readers"] == {
        "reader": {
            "type": "expvar",
            "endpoint": "h:1/x",
            "type_name": "expvastic",
            "interval": "5s",
            "timeout": "30s",
            "backoff": "7",
        }
    }
    assert values["recorders"] == {
        "recorder": {
            "type": "elasticsearch",
            "endpoint": "localhost:9200",
            "index_name": "expvastic",
            "timeout": "30s",
            "backoff": "7",
        }
    }


def test_the_command_line_goes_before_the_environment_and_that_before_the_defaults() -> None:
    options = parse(["--index", "mine"], {"EXPVASTIC_INDEX": "theirs", "EXPVASTIC_READER": "h:2", "EXPVASTIC_APP": "a"})

    assert (options.index, options.reader, options.app, options.int) == ("mine", "h:2", "a", "1s")


def test_the_environment_can_name_the_file() -> None:
    assert parse([], {"EXPVASTIC_CONFIG": "x.yml"}).config == "x.yml"
    assert parse(["-c", "y.yml"], {"EXPVASTIC_CONFIG": "x.yml"}).config == "y.yml"
    assert parse(["-reader", "h:1"], {"EXPVASTIC_CONFIG": "x.yml"}).config is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-c", "x.yml", "-reader", "y"], "--reader cannot be combined with -c"),
        (["--conifg", "x"], "unrecognized arguments: --conifg x"),
        (["nonsense"], "unrecognized arguments: nonsense"),
        (["-c"], "expected one argument"),
        (["read"], "required: URL"),
        (["--loglevel", "loud"], "invalid choice: 'loud'"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["-help"], ["run", "--help"], ["check", "-h"]])
def test_help_is_code_0(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)

    assert done.returncode == 0
    assert done.stdout.startswith("usage: expvastic")


def test_the_version_is_printed(tmp_path: Path) -> None:
    from expvastic import __version__

    assert run("--version", folder=tmp_path).stdout == f"expvastic {__version__}\n"


@pytest.mark.parametrize("command", ["run", "check", "once"])
def test_a_wrong_configuration_is_one_line_per_complaint_and_code_2(command: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(
        VALID.replace("interval: 1s", "intervall: 1s").replace("format: json", "format: js")
    )
    done = run(command, "-c", "bad", folder=tmp_path)

    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first == "bad.yml:3 readers.own.intervall: unknown key; did you mean interval?"
    assert second.startswith("bad.yml:5 recorders.screen.format: ")
    assert done.stdout == ""


def test_a_missing_file_is_one_line_and_code_2(tmp_path: Path) -> None:
    done = run("-c", "nowhere.yml", folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nowhere.yml" in done.stderr


def test_check_prints_the_plan(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(VALID)
    done = run("check", "-c", "good.yml", folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "reader own: self this process every 1 s -> screen",
        "recorder screen: console standard output",
        "good.yml: valid; 1 engine, 1 recorder",
    ]


def test_check_says_what_is_not_fetched_the_lean_way_and_why(tmp_path: Path) -> None:
    readers = {
        "plain": {"type": "expvar", "endpoint": "app:1234"},
        "proxied": {"type": "expvar", "endpoint": "app:1234", "proxy": "http://proxy:3128"},
        "posted": {"type": "http", "endpoint": "app:1234/x", "method": "POST"},
    }
    routes = {"main": {"readers": list(readers), "recorders": "screen"}}
    recorders = {"screen": {"type": "console"}}
    (tmp_path / "ways.yml").write_text(json.dumps({"readers": readers, "recorders": recorders, "routes": routes}))
    done = run("check", "-c", "ways.yml", folder=tmp_path)

    assert [line.partition(" every 10 s")[2] for line in done.stdout.splitlines()[:3]] == [
        " -> screen",
        " over httpx (it goes through a proxy) -> screen",
        " over httpx (its method is POST) -> screen",
    ]


def test_once_polls_every_reader_once_and_delivers(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(VALID)
    done = run("once", "-c", "good.yml", folder=tmp_path)

    assert done.returncode == 0
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert {document["event.dataset"] for document in documents} >= {"expvastic.process"}
    assert all("_id" in document for document in documents)


def test_quick_mode_says_what_it_polls_and_where_it_writes(tmp_path: Path) -> None:
    done = run("once", "-reader", "127.0.0.1:1/x", "-recorder", "127.0.0.1:1", "-timeout=1s", folder=tmp_path)

    assert done.returncode == 1
    [line] = [json.loads(line) for line in done.stderr.splitlines() if "no file given" in line]
    assert (line["polls"], line["writes_to"]) == ("http://127.0.0.1:1/x", "http://127.0.0.1:1/expvastic")


def test_the_schema_is_json(tmp_path: Path) -> None:
    done = run("schema", folder=tmp_path)

    assert done.returncode == 0
    assert json.loads(done.stdout)["type"] == "object"


@pytest.mark.parametrize("address", ["127.0.0.1:1/debug/vars", "http://127.0.0.1:1"])
def test_a_page_that_cannot_be_had_is_one_line_and_code_1(address: str, tmp_path: Path) -> None:
    done = run("read", address, folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (1, 1, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["read", "ht!tp://x y"], "read endpoint:"),
        (["read", "h:1", "--header", "novalue"], "read --header: write it like"),
        (["read", "h:1", "--timeout", "soon"], "read --timeout: not a duration"),
        (["read", "h:1", "--mapping", "nowhere.yml"], "nowhere.yml: no such file"),
    ],
)
def test_wrong_options_of_read_are_one_line_and_code_2(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr


def test_health_asks_and_tells(tmp_path: Path) -> None:
    done = run("health", "http://127.0.0.1:1/healthz", folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_a_reader_of_our_output_may_leave_early(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m expvastic schema | head -c 10", shell=True, cwd=tmp_path, capture_output=True, text=True
    )

    assert done.stderr == ""


def test_two_recorders_on_one_file_are_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "twice.yml").write_text(
        """
readers: {own: {type: self}}
recorders:
  one: {type: file, path: samples.ndjson}
  two: {type: file, path: ./samples.ndjson}
routes: {main: {readers: own, recorders: [one, two]}}
"""
    )
    done = run("check", "-c", "twice", folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("twice.yml:5 recorders.two: one and two write to the same place, ")


@pytest.mark.parametrize("command", ["check -c good.yml", "schema", "once -c good.yml", "--version"])
@pytest.mark.parametrize("closing", [">&-", ">&- 2>&-"])
def test_closed_output_is_no_trouble(command: str, closing: str, tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(VALID.replace("type: console, format: json", "type: file, path: x.ndjson"))
    done = subprocess.run(
        f"{sys.executable} -m expvastic {command} {closing}", shell=True, cwd=tmp_path, capture_output=True, text=True
    )

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize("command", ["check -c good.yml", "schema"])
def test_an_answer_that_cannot_be_written_is_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(VALID)
    done = subprocess.run(
        f"{sys.executable} -m expvastic {command} >/dev/full", shell=True, cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr == "expvastic: cannot write the answer: No space left on device\n"


def test_what_the_encoding_cannot_spell_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(VALID.replace("own", "größe"), encoding="utf-8")
    done = run("check", "-c", "good", folder=tmp_path, PYTHONIOENCODING="ascii")

    assert done.returncode == 0
    assert "gr\\xf6\\xdfe" in done.stdout


def test_a_complaint_about_an_option_is_one_line_whatever_the_option(tmp_path: Path) -> None:
    done = run("check", "-c", "x", "--a\nb\x1b[31m", folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1/ü", "ftp://x"])
def test_a_url_that_cannot_be_asked_for_health_is_one_line(url: str, tmp_path: Path) -> None:
    done = run("health", url, folder=tmp_path)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_quick_mode_shows_no_secret(tmp_path: Path) -> None:
    done = run(
        *("once", "-reader", "http://bob:hunter22@127.0.0.1:1/x?token=TOPSECRET", "-timeout=1s"),
        *("-recorder", "http://el:pw@127.0.0.1:1/"),
        folder=tmp_path,
    )

    assert not [secret for secret in ("hunter22", "TOPSECRET", "el:pw") if secret in done.stderr]
