"""The file itself: found under the name that a user gives, and read whatever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from configured import CATALOGUE, load_text, with_reader
from expvastic.config import find, load
from expvastic.config.files import MAX_BYTES
from expvastic.errors import ConfigError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(path: str | Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(Path(path), {}, CATALOGUE)
    assert len(caught.value.complaints) == 1
    return str(caught.value)


def not_found(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        find(name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("expvastic.yml", "expvastic.yml"),
        ("expvastic", "expvastic.yml"),
        ("other", "other.yaml"),
        ("etc/conf", "etc/conf.yml"),
        ("bare", "bare"),
        ("etc", "etc.yml"),
    ],
)
def test_a_file_is_found_with_and_without_its_ending(name: str, file: str, folder: Path) -> None:
    (folder / "etc").mkdir()
    for each in ("expvastic.yml", "other.yaml", "etc/conf.yml", "bare", "bare.yml", "etc.yml"):
        (folder / each).touch()

    assert find(name) == Path(file)
    assert find(str(folder / name)) == folder / file


def test_a_file_that_is_not_there_is_told_with_the_nearest_name(folder: Path) -> None:
    (folder / "expvastic.yaml").touch()

    assert not_found("expvstic.yml") == "expvstic.yml: no such file; did you mean expvastic.yaml?"


def test_a_file_that_is_not_there_is_told_with_what_is_there(folder: Path) -> None:
    (folder / "a.yml").touch()
    (folder / "b.yaml").touch()
    (folder / "c.txt").touch()

    assert not_found("configuration") == "configuration: no such file; here are a.yml and b.yaml"


@pytest.mark.parametrize("name", ["nothing", "no/such/folder"])
def test_a_file_that_is_not_there_is_told_where_nothing_else_is(name: str) -> None:
    assert not_found(name) == f"{name}: no such file"


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_one_line(name: str) -> None:
    said = not_found(name)

    assert said.isprintable()
    assert len(said) < 300


def test_a_folder_is_told_as_such(folder: Path) -> None:
    (folder / "etc").mkdir()

    assert not_found("etc") == "etc: is a directory; name the file in it"
    assert refusal("etc") == "etc: cannot be read: is a directory"


def test_an_endless_file_is_refused() -> None:
    assert refusal("/dev/zero") == "/dev/zero: larger than 10 MB"


def test_a_file_at_the_limit_is_read_and_one_beyond_it_is_not(folder: Path) -> None:
    text = with_reader("endpoint: h:1")
    load_text(text + "#" * (MAX_BYTES - len(text)), folder)
    path = folder / "expvastic.yml"

    with path.open("a") as file:
        file.write("#")

    assert refusal(path).endswith("larger than 10 MB")


def test_a_file_that_is_not_there_any_more_is_told() -> None:
    assert refusal("gone.yml") == "gone.yml: cannot be read: no such file or directory"


def test_a_file_that_may_not_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)

    assert refusal("secret.yml") == "secret.yml: cannot be read: permission denied"


def test_a_byte_order_mark_is_nothing(folder: Path) -> None:
    (folder / "bom.yml").write_bytes(b"\xef\xbb\xbf" + with_reader("endpoint: h:1").encode())

    assert load(Path("bom.yml"), {}, CATALOGUE).engines


def test_windows_line_ends_are_fine(folder: Path) -> None:
    (folder / "dos.yml").write_bytes(with_reader("endpoint: h:1").replace("\n", "\r\n").encode())

    assert load(Path("dos.yml"), {}, CATALOGUE).engines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \xff\n", "f.yml:2: not UTF-8; save it as UTF-8"),
        ("a: 1".encode("utf-16"), "f.yml: not UTF-8 but UTF-16; save it as UTF-8"),
        (b"a: \x00\n", "f.yml:1: not YAML: a control character"),
        (b"a: \xed\xa0\x80\n", "f.yml:1: not UTF-8; save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_told(content: bytes, message: str, folder: Path) -> None:
    (folder / "f.yml").write_bytes(content)

    assert refusal("f.yml") == message
