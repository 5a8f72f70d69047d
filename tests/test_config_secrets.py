"""Secrets and variables: where values come from, and where they never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from configured import CATALOGUE, ProbeSettings, complaints, load_text, remarks, with_reader
from expvastic.config import Config, load
from expvastic.config.complaints import Complaints
from expvastic.config.credentials import Credentials
from expvastic.config.tree import Scalar


def probe(config: Config) -> ProbeSettings:
    plugin = config.readers["app"].plugin
    assert isinstance(plugin, ProbeSettings)
    return plugin


def password(config: Config) -> str:
    secret = probe(config).password
    assert secret
    return secret.get_secret_value()


# --- variables ---


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${NAME}", "x y"),
        ("a-${NAME}-${NAME}", "a-x y-x y"),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b c}", "a:-b c"),
        ("$${NAME}", "${NAME}"),
        ("$NAME $$ {NAME}", "$NAME $$ {NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("${TRICKY}", "{a: [${NAME}"),
    ],
)
def test_variables_are_filled_in_once(written: str, value: str, tmp_path: Path) -> None:
    environment = {"NAME": "x y", "EMPTY": "", "TRICKY": "{a: [${NAME}"}
    config = load_text(with_reader("endpoint: h:1", f"username: '{written}'"), tmp_path, environment)

    assert probe(config).username == value


def test_variables_are_filled_in_wherever_a_value_stands(tmp_path: Path) -> None:
    text = with_reader(
        "endpoint: h:${PORT}", "tags: {a: '${A}'}", "include: ['${A}', b]", "limit: ${LIMIT}", "alone: ${A}"
    )
    text = text.replace("type: probe", "type: ${TYPE}").replace("readers: app", "readers: '${READER}'")
    environment = {"PORT": "8", "A": "aa", "LIMIT": "500", "TYPE": "probe", "READER": "app"}
    config = load_text(text, tmp_path, environment)

    assert (probe(config).endpoint.port, probe(config).limit, probe(config).include) == (8, 500, ("aa", "b"))
    assert config.readers["app"].interpreter.tags == {"a": "aa"}


def test_variables_are_not_filled_in_in_keys(tmp_path: Path) -> None:
    config = load_text(with_reader("endpoint: h:1", "tags: {'${A}': b}"), tmp_path, {"A": "x"})

    assert config.readers["app"].interpreter.tags == {"${A}": "b"}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${NONE}", "the environment has no NONE; set it, or write ${NONE:-default}"),
        ("${1A}", "no variable: write ${NAME} or ${NAME:-default}, or $${ for the characters ${"),
        ("${A", "no variable: write ${NAME} or ${NAME:-default}, or $${ for the characters ${"),
        ("${}", "no variable: write ${NAME} or ${NAME:-default}, or $${ for the characters ${"),
        ("${A:?b}", "no variable: write ${NAME} or ${NAME:-default}, or $${ for the characters ${"),
    ],
)
def test_a_variable_that_is_none_is_told_once(written: str, message: str, tmp_path: Path) -> None:
    assert complaints(with_reader(f"endpoint: '{written}'"), tmp_path) == [
        f"expvastic.yml:4 readers.app.endpoint: {message}"
    ]


def test_a_type_that_cannot_be_filled_in_is_told_once(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1").replace("type: probe", "type: ${NONE}")

    assert complaints(text, tmp_path) == [
        "expvastic.yml:3 readers.app.type: the environment has no NONE; set it, or write ${NONE:-default}"
    ]


# --- secrets in files ---


@pytest.mark.parametrize("content", ["s3cret", "s3cret\n", "s3cret\r\n"])
def test_a_secret_may_stand_in_a_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    config = load_text(with_reader("endpoint: h:1", f"password_file: {tmp_path}/secret"), tmp_path)

    assert password(config) == "s3cret"


def test_only_one_line_break_at_the_end_is_taken_off(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" a\nb \n\n")
    config = load_text(with_reader("endpoint: h:1", f"password_file: {tmp_path}/secret"), tmp_path)

    assert password(config) == " a\nb \n"


def test_a_header_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    text = with_reader("endpoint: h:1", f"headers: {{X-Token_file: {tmp_path}/secret, X-Other: b}}")
    headers = probe(load_text(text, tmp_path)).headers

    assert {name: value.get_secret_value() for name, value in headers.items()} == {"X-Token": "s3cret", "X-Other": "b"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("password: a", "password_file: b"), "6 readers.app.password_file: give either password or password_file"),
        (("headers: {A: a, A_file: b}",), "5 readers.app.headers.A_file: give either A or A_file"),
        (
            ("password_file: /no/such",),
            "5 readers.app.password_file: the file cannot be read: no such file or directory",
        ),
        (("password_file: /",), "5 readers.app.password_file: the file cannot be read: is a directory"),
        (("password_file: /dev/zero",), "5 readers.app.password_file: the file is too large for a secret"),
        (("password_file: /dev/null",), "5 readers.app.password_file: the file is empty"),
        (("password_file: [a]",), "5 readers.app.password_file: must be the name of a file"),
        (('password_file: "a\\0b"',), "5 readers.app.password_file: the file cannot be read: not a file name"),
    ],
)
def test_a_secrets_file_that_cannot_be_used_is_told(keys: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert complaints(with_reader("endpoint: h:1", *keys), tmp_path) == [f"expvastic.yml:{message}"]


def test_a_secrets_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")

    (said,) = complaints(with_reader("endpoint: h:1", f"password_file: {tmp_path}/secret"), tmp_path)
    assert said.endswith(": the file is not UTF-8")


# --- where secrets never show ---


def test_every_secret_is_told_for_masking(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file")
    text = with_reader(
        "endpoint: http://me:in%20address@127.0.0.1/",
        f"password_file: {tmp_path}/secret",
        "headers: {X: in header, Y: '${Y}'}",
    ).replace("{type: sink}", "{type: sink, api_key: in recorder}")
    config = load_text(text, tmp_path, {"Y": "in environment"})

    assert config.secrets == {
        *("from a file", "in header", "in environment", "in recorder"),
        *("in%20address", "in address"),
    }


@pytest.mark.parametrize("endpoint", ["me:pa@ss@127.0.0.1:1", "http://me:pa@ss@127.0.0.1"])
def test_a_password_in_an_address_ends_at_the_last_at_sign(endpoint: str, tmp_path: Path) -> None:
    assert load_text(with_reader(f"endpoint: {endpoint}"), tmp_path).secrets == {"pa@ss"}


def test_a_password_in_any_address_is_masked_and_an_at_sign_alone_hides_none(tmp_path: Path) -> None:
    text = with_reader("endpoint: h:1", "username: me@example.org", "tags: {other: 'https://me:hunter22@far/x'}")

    assert load_text(text, tmp_path).secrets == {"hunter22"}


def test_what_is_no_address_is_nowhere_sent_to(tmp_path: Path) -> None:
    found = Complaints("f")
    credentials = Credentials(found)
    credentials.keep("hunter22", ("readers", "a", "password"), None)
    credentials.look_at("no address", ("readers", "a", "endpoint"), Scalar(1, "no address", "no address"))
    credentials.remark(file_is_public=True)

    assert found.remarks == ()


def test_a_configuration_does_not_show_its_secrets(tmp_path: Path) -> None:
    text = with_reader("endpoint: http://me:hunter22@127.0.0.1/", "password: hunter33", "headers: {X: hunter44}")

    assert "hunter" not in repr(load_text(text, tmp_path))


@pytest.mark.parametrize("written", ["*hunter22", "!hunter22", "!!hunter22", "&hunter22 [a]", "@hunter22", "[hunter22"])
def test_a_password_that_yaml_takes_for_something_else_is_not_shown(written: str, tmp_path: Path) -> None:
    said = complaints(with_reader("endpoint: h:1", f"password: {written}"), tmp_path)

    assert said
    assert "hunter22" not in "".join(said)


def test_a_password_behind_the_key_for_its_file_is_not_shown(tmp_path: Path) -> None:
    assert "hunter22" not in "".join(complaints(with_reader("endpoint: h:1", "password_file: hunter22"), tmp_path))


def test_complaints_do_not_show_secrets_wherever_they_stand(tmp_path: Path) -> None:
    text = with_reader(
        "endpoint: 'http://me:hunter22@ho st/'",
        "password: [hunter33]",
        "headers: {X: {hunter44: 1}}",
        "log_level: ${LEVEL}",
        "username: root",
    )

    assert not [said for said in complaints(text, tmp_path, {"LEVEL": "hunter55"}) if "hunter22" in said]
    assert "hunter55" not in "".join(complaints(text, tmp_path, {"LEVEL": "hunter55"}))
    assert "hunter33" not in "".join(complaints(text, tmp_path, {"LEVEL": "info"}))


# --- where secrets lie open ---


def test_secrets_in_a_file_that_everybody_can_read_are_remarked_on(tmp_path: Path) -> None:
    load_text(with_reader("endpoint: https://h:1", "password: hunter22"), tmp_path)
    path = tmp_path / "expvastic.yml"
    path.chmod(0o644)

    (said,) = remarks(load_again(path))
    assert said == ": everybody on this machine can read the secrets in this file (readers.app.password); chmod o-r it"


@pytest.mark.parametrize("key", ["password: ${PASSWORD}", "username: me"])
def test_a_file_without_secrets_may_be_read_by_everybody(key: str, tmp_path: Path) -> None:
    load_text(with_reader("endpoint: https://h:1", key), tmp_path, {"PASSWORD": "hunter22"})
    path = tmp_path / "expvastic.yml"
    path.chmod(0o644)

    assert remarks(load_again(path)) == []


def load_again(path: Path) -> Config:
    return load(path, {"PASSWORD": "hunter22"}, CATALOGUE)


@pytest.mark.parametrize(
    "keys",
    [
        ("endpoint: http://far.example.org", "password: a"),
        ("endpoint: far.example.org:1234/debug/vars", "headers: {Authorization: a}"),
        ("endpoint: http://me:pw@far.example.org",),
    ],
)
def test_credentials_in_clear_text_to_another_machine_are_remarked_on(keys: tuple[str, ...], tmp_path: Path) -> None:
    assert remarks(load_text(with_reader(*keys), tmp_path)) == [
        ":4 readers.app.endpoint: credentials go to far.example.org in clear text; use https"
    ]


def test_credentials_in_clear_text_are_remarked_on_for_each_endpoint_of_a_recorder(tmp_path: Path) -> None:
    sink = "{type: sink, api_key: a, endpoint: 'one:1 127.0.0.1:1 http://two:1'}"
    text = with_reader("endpoint: h:1").replace("{type: sink}", sink)

    assert remarks(load_text(text, tmp_path)) == [
        ":6 recorders.es.endpoint: credentials go to one in clear text; use https",
        ":6 recorders.es.endpoint: credentials go to two in clear text; use https",
    ]


@pytest.mark.parametrize(
    "keys",
    [
        ("endpoint: https://far.example.org", "password: a"),
        ("endpoint: http://127.0.0.1", "password: a"),
        ("endpoint: localhost:1", "password: a"),
        ("endpoint: 'http://[::1]:1'", "password: a"),
        ("endpoint: unix:///run/app.sock", "password: a"),
        ("endpoint: http://far.example.org",),
        ("endpoint: http://far.example.org", "headers: {Accept: a}"),
    ],
)
def test_credentials_that_stay_here_or_are_encrypted_are_nothing_to_remark_on(
    keys: tuple[str, ...], tmp_path: Path
) -> None:
    assert remarks(load_text(with_reader(*keys), tmp_path)) == []
