import pytest

from expvastic.pages.cmdline import digest_of_text, digest_of_value


def test_a_command_line_and_its_text_have_one_digest() -> None:
    assert digest_of_text(b'["app","-v"]', 9) == digest_of_value(["app", "-v"])
    assert digest_of_text(b' "app -v" ', 9) == digest_of_value("app -v")
    assert digest_of_text(b"", 9) == digest_of_value(None)
    assert digest_of_value(["app"]) != digest_of_value("app")


@pytest.mark.parametrize("text", [b"[]", b"null", b"[1]", b'["a","b","c"]', b'["a"', b'["\xff"]', b"{}"])
def test_what_is_no_command_line_of_usual_length_has_no_digest(text: bytes) -> None:
    assert digest_of_text(text, 2) is None
