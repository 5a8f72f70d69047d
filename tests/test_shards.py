"""Several processes share the readers of one configuration: each reader has one of them, whatever their count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from configured import load_text
from expvastic.cli.flags import parse
from expvastic.config import Config, take_share
from expvastic.errors import ConfigError
from expvastic.shards import Shard, owner, parse_shard

READERS = [f"app{number}" for number in range(2_000)]
TEXT = """\
settings: {state_dir: state}
readers:
  a: {type: expvar, endpoint: "localhost:1"}
  b: {type: expvar, endpoint: "localhost:2"}
  c: {type: expvar, endpoint: "localhost:3"}
  own: {type: self}
recorders:
  out: {type: file, path: PATH}
routes:
  main: {readers: [a, b, c, own], recorders: out}
"""


def config(folder: Path, path: str = "out-%{shard}.ndjson") -> Config:
    return load_text(TEXT.replace("PATH", f'"{path}"'), folder, catalogue=None)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_reader_has_exactly_one_shard(count: int) -> None:
    shards = [Shard(number, count) for number in range(count)]

    assert [sum(shard.has(reader) for shard in shards) for reader in READERS] == [1] * len(READERS)


def test_the_readers_are_spread_evenly() -> None:
    shares = Counter(owner(reader, 8) for reader in READERS)

    assert sorted(shares) == list(range(8))
    assert max(shares.values()) < 1.3 * len(READERS) / 8


def test_one_more_shard_takes_its_part_and_moves_nothing_else() -> None:
    moved = [(owner(reader, 7), owner(reader, 8)) for reader in READERS if owner(reader, 7) != owner(reader, 8)]

    assert {after for _before, after in moved} == {7}
    assert 0.7 * len(READERS) / 8 < len(moved) < 1.3 * len(READERS) / 8


def test_who_has_a_reader_is_the_same_in_every_version() -> None:
    assert [owner(name, 5) for name in ("my_app", "käse", "a b", "\udc80", "x" * 300)] == [0, 4, 4, 3, 3]


def test_a_shard_is_written_as_its_number_and_the_count() -> None:
    assert parse_shard("2/3") == Shard(2, 3)
    assert str(parse_shard(" 0/1 ")) == "0/1"


@pytest.mark.parametrize("text", ["", "1", "3/3", "0/0", "-1/2", "a/b", "1/2/3", "0/1001", "0/99999", "1 /2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        parse_shard(text)


def test_the_shards_of_a_configuration_have_all_readers_once_and_their_own_telemetry_each(tmp_path: Path) -> None:
    shares = [take_share(config(tmp_path), Shard(number, 2)) for number in range(2)]
    polled = [set(share.polled) for share in shares]

    assert polled[0] & polled[1] == {"own"}
    assert polled[0] | polled[1] == {"a", "b", "c", "own"}
    assert [set(share.engines) for share in shares] == [{"a", "b", "c", "own"}] * 2, "for what waits of them"


def test_each_shard_has_its_own_folder_and_its_own_file(tmp_path: Path) -> None:
    share = take_share(config(tmp_path), Shard(1, 2))

    assert share.settings.state_dir == "state/shards/1"
    assert share.recorders["out"].plugin.model_dump()["path"] == "out-1.ndjson"


def test_the_only_process_has_all_readers_and_the_common_folder(tmp_path: Path) -> None:
    share = take_share(config(tmp_path), None)

    assert list(share.polled) == ["a", "b", "c", "own"]
    assert share.settings.state_dir == "state"
    assert share.recorders["out"].plugin.model_dump()["path"] == "out-all.ndjson"


def test_a_file_that_several_shards_would_write_is_refused_in_one_line(tmp_path: Path) -> None:
    found = config(tmp_path, "out.ndjson")

    with pytest.raises(ConfigError) as error:
        take_share(found, Shard(0, 2))

    assert str(error.value).endswith(
        "expvastic.yml recorders.out: several processes would write to one file; put %{shard} into path, as in "
        "out-%{shard}.ndjson"
    )
    assert take_share(found, Shard(0, 1)).recorders == found.recorders


def test_the_shard_is_told_by_option_before_environment() -> None:
    environment = {"EXPVASTIC_SHARD": "1/2"}

    assert parse(["run", "-c", "x"], environment).shard == Shard(1, 2)
    assert parse(["run", "-c", "x", "--shard", "0/4"], environment).shard == Shard(0, 4)
    assert parse(["run", "-c", "x"], {}).shard is None
    assert parse(["buffer", "-c", "x", "list", "--shard", "3/4"], environment).shard == Shard(3, 4)
    assert parse(["buffer", "-c", "x", "--shard", "3/4", "list"], {}).shard == Shard(3, 4)


@pytest.mark.parametrize(("arguments", "environment"), [(["--shard", "2/2"], {}), ([], {"EXPVASTIC_SHARD": "2/2"})])
def test_a_shard_that_cannot_be_is_wrong_usage(
    arguments: list[str], environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(["run", "-c", "x", *arguments], environment)

    assert end.value.code == 2
    assert "of 2 shards the last one is 1/2" in capsys.readouterr().err
