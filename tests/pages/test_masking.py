import pytest

from expvastic.pages.masking import mask


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
