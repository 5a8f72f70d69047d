import pytest

from expvastic.errors import InvalidPayload
from expvastic.pages.decode import decode


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"<html><body>404</body></html>", "not_json"),
        (b'{"a":1', "not_json"),
        (b'{"a":1}}', "not_json"),
        (b'{"a":"\xff"}', "not_json"),
        (b"[1,2]", "not_object"),
        (b'"ok"', "not_object"),
        (b"null", "not_object"),
        (b'{"a":' * 100_000, "too_deep"),
    ],
)
def test_what_is_no_json_object_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidPayload) as raised:
        decode(body)

    assert raised.value.reason == reason
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 250


def test_integers_of_any_length_are_exact() -> None:
    page = decode(b'{"a":9223372036854775807,"b":18446744073709551615,"c":123456789012345678901234567890}')

    assert page == {"a": 2**63 - 1, "b": 2**64 - 1, "c": 123456789012345678901234567890}


def test_of_a_repeated_key_the_last_value_counts() -> None:
    assert decode(b'{"a":1,"a":2}') == {"a": 2}


def test_a_mapping_is_a_page_as_it_is() -> None:
    page = {"a": 1}

    assert decode(page) is page
