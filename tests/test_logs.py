import io
import json
import logging
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from expvastic import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    import structlog

    handlers = logging.getLogger().handlers
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.getLogger().handlers = handlers


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_where_no_terminal_is_the_log_is_json() -> None:
    stream = io.StringIO()
    logs.configure("info", "auto", stream=stream)
    logs.logger(reader="a").warning("reader failing", reason="connect")

    [line] = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "reader failing", "level": "warning", "reader": "a", "reason": "connect"}


def test_on_a_terminal_it_is_readable() -> None:
    stream = Terminal()
    logs.configure("info", "auto", stream=stream)
    logs.logger(reader="a").warning("reader failing", reason="connect")

    assert "reader failing" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_format_can_be_chosen(form: logs.LogFormat) -> None:
    stream = Terminal() if form == "json" else io.StringIO()
    logs.configure("info", form, stream=stream)
    logs.logger().info("started")

    assert stream.getvalue().startswith("{") == (form == "json")


def test_levels_below_the_chosen_one_are_silent() -> None:
    stream = io.StringIO()
    logs.configure("warn", "json", stream=stream)
    logs.logger().info("quiet")
    logs.logger().error("loud")

    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_readers_own_level_is_its_alone() -> None:
    stream = io.StringIO()
    logs.configure("error", "json", stream=stream)
    logs.logger("debug", reader="a").debug("poll failed")
    logs.logger(reader="b").debug("poll failed")

    assert [line["reader"] for line in lines(stream)] == ["a"]


def test_secrets_are_masked_wherever_they_stand() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", secrets={"hunter2", "pw.*"}, stream=stream)
    logs.logger().error("password hunter2", error="user:hunter2@h", fields={"a": ["pw.*"]})

    assert "hunter2" not in stream.getvalue()
    assert "pw.*" not in stream.getvalue()
    assert lines(stream)[0]["error"] == "user:***@h"


def test_control_characters_cannot_drive_a_terminal() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream=stream)
    logs.logger().error("reader failing", error="\x1b[2Jevil\r\nline")

    assert "\x1b[2J" not in stream.getvalue()
    assert "\\x1b[2Jevil\\r\\nline" in stream.getvalue().replace("\\\\", "\\")
    assert stream.getvalue().count("\n") == 1


def test_what_libraries_warn_of_is_a_debug_line() -> None:
    stream = io.StringIO()
    logs.configure("debug", "json", stream=stream)
    logging.getLogger("some.library").warning("node %s failed", "x")

    [line] = lines(stream)
    assert (line["level"], line["library"], line["message"]) == ("debug", "some.library", "node x failed")


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), BrokenPipeError(), ValueError("closed")])
def test_a_log_that_cannot_be_written_costs_its_lines_and_nothing_else(trouble: Exception) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise trouble

    logs.configure("info", "json", stream=Broken())

    logs.logger(reader="a").error("recorder dropped")
    logs.logger("debug", reader="b").info("poll failed")


def test_a_log_that_nobody_reads_does_not_stop_the_process() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    logs.configure("info", "json", stream=stream)
    for number in range(logs.LINES_WAITING + 5_000):
        logs.logger().info("x" * 100, number=number)
    logs.flush(0.01)

    written = b""
    while select.select([reading], [], [], 0.5)[0]:
        written += os.read(reading, 2**20)

    stream.close()
    os.close(reading)
    told = [json.loads(line) for line in written.splitlines() if line.startswith(b"{")]
    numbers = [line["number"] for line in told if "number" in line]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= logs.LINES_WAITING
    assert len(numbers) + sum(line["lines"] for line in told if "lines" in line) == logs.LINES_WAITING + 5_000


def test_what_was_said_is_written_before_the_end() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as log:
        logs.configure("info", "json", stream=stream)
        logs.logger().info("last words")
        logs.flush(5)

        assert json.loads(log.readline())["event"] == "last words"


def test_every_line_has_the_fields_that_the_process_was_given() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream=stream, worker=3)
    logs.logger("debug", reader="a").debug("poll failed")

    assert [(line["worker"], line["reader"]) for line in lines(stream)] == [(3, "a")]


SPEAKER = """\
import sys
from expvastic import logs
logs.configure("info", "json", shares=True, worker=int(sys.argv[1]))
for number in range(50):
    logs.logger().info(sys.argv[1] * 20_000, number=number)
logs.flush(60)
"""


def test_long_lines_of_several_processes_in_one_pipe_are_whole() -> None:
    reading, writing = os.pipe()
    speakers = [subprocess.Popen([sys.executable, "-c", SPEAKER, str(number)], stderr=writing) for number in (1, 2, 3)]
    os.close(writing)
    with os.fdopen(reading) as log:
        told = [json.loads(line) for line in log]

    assert [speaker.wait(60) for speaker in speakers] == [0, 0, 0]
    assert sorted((line["worker"], line["number"]) for line in told) == [(w, n) for w in (1, 2, 3) for n in range(50)]
