"""Whatever stands in a file, it loads or there are complaints; nothing else ever happens."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from configured import CATALOGUE
from expvastic.config import load
from expvastic.errors import Complaint, ConfigError

EXAMPLE = """\
settings: {log_level: info, listen: 127.0.0.1:8642, grace: 10s, memory: 64 MiB}
readers:
  my_app: &app
    type: probe
    endpoint: http://me:pass@localhost:1234/debug/vars
    interval: 500ms
    backoff: 10
    password: ${SECRET:-hunter22}
    headers: {X-Token: "a b", Y: 'c'}
    include: [a, 'b c', "d"]
    alone: one two
    ratio: 0.25
    limit: 10 MB
    follow: same_host
    tags: {env: prod}
  own: {<<: *app, interval: 1m30s, log_level: debug}
recorders:
  es: {type: sink, index_name: a, batch: {count: 500, bytes: 5 MB, wait: 1s}, type_name: b}
  other: {type: sink, index_name: a, retry: {initial: 1s, max: 30s}, buffer: {when_full: shed_oldest}}
routes:
  main: {readers: [my_app, own], recorders: es}
  main: {readers: own, recorders: [es, other]}
"""
PIECES = [
    *(
        "\t",
        "\n",
        "  ",
        ":",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        "&a ",
        "*a",
        "*app",
        "<<: ",
        "!!",
        "!x ",
        "|",
        ">",
    ),
    *(
        "'",
        '"',
        "${",
        "}",
        "$${",
        "~",
        "?",
        "@",
        "%",
        "`",
        "\\",
        "\x00",
        "\x1b",
        "\ufeff",
        "\u2028",
        "é",
        "😀",
        "---\n",
    ),
    *(
        "null",
        "yes",
        "1",
        "-1",
        "0x1F",
        "1e400",
        ".nan",
        "-.inf",
        "9" * 70,
        "1:30:00",
        "2016-12-21",
        "!!int ",
        "!!float ",
    ),
    *("type: ", "readers:", "endpoint: ", "password_file: /dev/zero", "X_file: /", "state_dir: x", "9" * 400 + "s"),
]


def mutated(text: str, dice: random.Random) -> str:
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(text) + 1)
        end = min(len(text), start + dice.choice((0, 0, 1, 3, 30)))
        lines = text.splitlines(keepends=True)
        piece = dice.choice((dice.choice(PIECES), "", dice.choice(lines) if lines else ""))
        text = text[:start] + piece + text[end:]
    return text


def complaints_about(path: Path) -> tuple[Complaint, ...]:
    try:
        load(path, {"SECRET": "from the environment"}, CATALOGUE)
    except ConfigError as error:
        return error.complaints or (Complaint("nowhere", "\0"),)
    return ()


@pytest.mark.parametrize("seed", range(8))
def test_a_mutated_file_loads_or_is_complained_about(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path = tmp_path / "f.yml"
    path.write_text(EXAMPLE, encoding="utf-8")
    assert not complaints_about(path)

    refused = 0
    for _ in range(400):
        text = mutated(EXAMPLE, dice)
        path.write_text(text, encoding="utf-8")
        found = complaints_about(path)
        refused += bool(found)
        assert all(str(complaint).isprintable() for complaint in found), text

    assert 0 < refused < 400


@pytest.mark.parametrize("seed", range(4))
def test_a_file_of_mutated_bytes_loads_or_is_complained_about(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    path = tmp_path / "f.yml"
    for _ in range(200):
        content = bytearray(EXAMPLE.encode())
        for _ in range(dice.randint(1, 20)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        path.write_bytes(content)

        assert all(str(complaint).isprintable() for complaint in complaints_about(path)), bytes(content)
