"""YAML text to a tree: lines, repeated keys, limits, and what YAML itself gets wrong."""

from __future__ import annotations

import time

import pytest
import yaml

from expvastic.config import document
from expvastic.config.complaints import Complaints
from expvastic.config.document import MAX_ALIAS_DEPTH, MAX_DEPTH, MAX_NODES, read_yaml
from expvastic.config.tree import Section, to_python
from expvastic.errors import ConfigError


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_Loader", getattr(yaml, request.param))


def plain(text: str) -> object:
    found = Complaints("f.yml")
    node = read_yaml(text, found)
    found.raise_errors()
    assert node is not None
    return to_python(node)


def fault_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        plain(text)
    assert len(caught.value.complaints) == 1
    return str(caught.value)


def test_it_holds_what_a_safe_load_would() -> None:
    text = "a: [1, 2.5, yes, ~, 0x10, 1_000, .inf]\nb: {c: 'd', e: \"1\", f: !!str 2}\ng: |\n  h\n  i\n"

    assert plain(text) == yaml.safe_load(text)


def test_every_key_and_value_knows_its_line() -> None:
    root = read_yaml("a:\n  b: 1\n\n  c:\n    - d\n    - e\n", Complaints("f"))

    assert isinstance(root, Section)
    inner = root.entries["a"].node
    assert isinstance(inner, Section)
    assert (root.entries["a"].line, inner.entries["b"].line, inner.entries["c"].line) == (1, 2, 4)
    assert inner.entries["c"].node.line == 5


def test_repeated_keys_are_kept_apart() -> None:
    root = read_yaml("a: 1\nb: 2\na: 3\na: 4\n", Complaints("f"))

    assert isinstance(root, Section)
    assert to_python(root) == {"a": 1, "b": 2}
    assert [(entry.name, entry.line) for entry in root.repeats] == [("a", 3), ("a", 4)]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\n\n"])
def test_a_text_without_anything_in_it_has_no_tree_or_an_empty_one(text: str) -> None:
    node = read_yaml(text, Complaints("f"))

    assert node is None or to_python(node) is None


def test_dates_stay_as_they_are_written() -> None:
    assert plain("a: 2016-12-21\nb: 2016-12-21T10:00:00Z") == {"a": "2016-12-21", "b": "2016-12-21T10:00:00Z"}


def test_a_very_long_number_is_text() -> None:
    assert plain(f"a: {'9' * 100}") == {"a": "9" * 100}


def test_aliases_stand_for_what_they_name() -> None:
    assert plain("a: &x {b: &y 1}\nc: *x\nd: *y") == {"a": {"b": 1}, "c": {"b": 1}, "d": 1}


def test_merge_keys_take_in_what_is_not_given() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\none: {<<: *x, b: 3}\ntwo:\n  <<: [*x, *y]\n  d: 4\n"

    assert plain(text) == yaml.safe_load(text)


def test_a_quoted_merge_key_is_a_key() -> None:
    assert plain("'<<': {a: 1}") == {"<<": {"a": 1}}


def test_a_merge_key_takes_mappings_only() -> None:
    assert fault_of("a:\n  <<: 5\n") == "f.yml:2 a.<<: takes a mapping or a list of mappings"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a:\n\tb: 1\n", 2, "not YAML: a tab cannot indent; use blanks"),
        ("a: 1\nb: @home\n", 2, "not YAML: a value cannot begin with @; put it in quotes"),
        ("a: b: c", 1, "not YAML: a key where none can stand; check the indentation, or put a text that holds"),
        ("a: 1\nb: *nothing\n", 2, "an alias that names nothing; put a text that begins with * in quotes"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins"),
        ("a: &x [*x]\n", 1, "an alias stands inside what it names"),
        ("? [a]\n: b\n", 1, "a key must be plain text"),
        ("a: &x b\n*x : c\n", 2, "a key must be plain text"),
        ("a: 1\nb: \x07\n", 2, "not YAML: "),
    ],
)
def test_what_is_no_yaml_for_us_is_one_line(text: str, line: int, message: str) -> None:
    assert fault_of(text).startswith(f"f.yml:{line}: {message}")


def test_a_list_that_is_not_closed_is_said_with_the_line_where_it_begins() -> None:
    said = fault_of("a: 1\nb: [1,\n  2\n")

    assert said.startswith(("f.yml:3: not YAML: ", "f.yml:4: not YAML: "))
    assert "line 2" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1: x", "f.yml:1 1: a key must be text; put it in quotes"),
        ("a:\n  yes: x", "f.yml:2 a.yes: a key must be text; put it in quotes"),
        ("~: x", "f.yml:1 ~: a key must be text; put it in quotes"),
        ("a: !!int x", "f.yml:1 a: this is no int"),
        ("a: !!bool x", "f.yml:1 a: this is no bool"),
        ("a: !!float ''", "f.yml:1 a: this is no float"),
        (
            "a: !!python/object/apply:os.system ['x']",
            "f.yml:1 a: a tag that has no meaning here; put a text that begins with ! in quotes",
        ),
        ("a: !secret x", "f.yml:1 a: a tag that has no meaning here; put a text that begins with ! in quotes"),
        ("a: !!binary aGk=", "f.yml:1 a: a tag that has no meaning here; put a text that begins with ! in quotes"),
        ("a: !!set {b, c}", "f.yml:1 a: a tag that has no meaning here; put a text that begins with ! in quotes"),
    ],
)
def test_a_key_or_value_that_cannot_be_is_told_with_its_path(text: str, message: str) -> None:
    assert fault_of(text).startswith(message)


@pytest.mark.parametrize("bomb", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "? " * 100_000])
def test_deep_nesting_is_refused_at_once(bomb: str) -> None:
    started = time.process_time()
    said = fault_of(bomb)

    assert "nested deeper than" in said or "a key must be plain text" in said
    assert time.process_time() - started < 2


def test_nesting_within_the_limit_is_fine() -> None:
    assert plain("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert "nested deeper" in fault_of("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_nesting_through_aliases_counts_as_nesting() -> None:
    half = MAX_DEPTH // 2
    text = f"a: &x {'[' * half}{']' * half}\nb: {'[' * (half + 2)}*x{']' * (half + 2)}\n"

    assert "nested deeper" in fault_of(text)


def test_aliases_count_as_what_they_stand_for() -> None:
    laughs = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))

    assert f"larger than {MAX_NODES:,}" in fault_of(f"a0: &a0 [x]\n{laughs}\n")


def test_aliases_nest_to_a_limit() -> None:
    def chain(length: int) -> str:
        return "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, length + 1))

    assert plain(chain(MAX_ALIAS_DEPTH))
    assert "aliases nest deeper" in fault_of(chain(MAX_ALIAS_DEPTH + 1))


def test_more_keys_and_values_than_the_limit_are_refused() -> None:
    assert f"larger than {MAX_NODES:,}" in fault_of("- x\n" * MAX_NODES)


def test_windows_line_ends_change_no_line_number() -> None:
    root = read_yaml("a: 1\r\nb: 2\r\nc: 3\r\n", Complaints("f"))

    assert isinstance(root, Section)
    assert [entry.line for entry in root.entries.values()] == [1, 2, 3]
