import pytest

from expvastic.pages.cmdline import digest_of_text, digest_of_value, mask


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        (["app", "-password", "hunter2", "-v"], ["app", "-password", "***", "-v"]),
        (["app", "--db-password=hunter2"], ["app", "--db-password=***"]),
        (["app", "-apikey=x", "--api-key", "y"], ["app", "-apikey=***", "--api-key", "***"]),
        (["app", "--auth-token", "-dashed"], ["app", "--auth-token", "***"]),
        (["app", "PGPASSWORD=x", "AWS_SECRET_ACCESS_KEY=y"], ["app", "PGPASSWORD=***", "AWS_SECRET_ACCESS_KEY=***"]),
        (["app", "postgres://me:pw@db/x"], ["app", "postgres://***@db/x"]),
        (["app", "-dsn=postgres://me:pw@db/x"], ["app", "-dsn=***"]),
        (["app", "-url=https://me:pw@h/?a=1"], ["app", "-url=https://***@h/?a=1"]),
        (["app", "http://h/?token=abc&a=1"], ["app", "http://h/?token=***&a=1"]),
        (["app", "AKIAIOSFODNN7EXAMPLE"], ["app", "***"]),
        (["app", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1"], ["app", "***"]),
        (["app", "-H", "Authorization: Bearer abcdefgh1234"], ["app", "-H", "Authorization: ***"]),
    ],
)
def test_secrets_are_masked(arguments: list[str], masked: list[str]) -> None:
    assert mask(arguments) == masked


@pytest.mark.parametrize(
    "arguments",
    [
        ["/usr/bin/server", "-addr", ":8080", "--workers=4", "-config", "/etc/server.yml"],
        ["server", "--tokenizer=fast", "-author", "me", "--keyboard", "us"],
        ["server", "-v", "--bypass", "x", "http://localhost:1234/debug/vars?seconds=3"],
        [],
    ],
)
def test_the_rest_is_left_as_it_is(arguments: list[str]) -> None:
    assert mask(arguments) == arguments


def test_a_secret_flag_without_a_value_does_not_hide_the_next_long_flag() -> None:
    assert mask(["app", "--password", "--verbose"]) == ["app", "--password", "--verbose"]


def test_a_command_line_and_its_text_have_one_digest() -> None:
    assert digest_of_text(b'["app","-v"]', 9) == digest_of_value(["app", "-v"])
    assert digest_of_text(b' "app -v" ', 9) == digest_of_value("app -v")
    assert digest_of_text(b"", 9) == digest_of_value(None)
    assert digest_of_value(["app"]) != digest_of_value("app")


@pytest.mark.parametrize("text", [b"[]", b"null", b"[1]", b'["a","b","c"]', b'["a"', b'["\xff"]', b"{}"])
def test_what_is_no_command_line_of_usual_length_has_no_digest(text: bytes) -> None:
    assert digest_of_text(text, 2) is None
