"""An answer that is no success says what, where, and what to do; and whether it is worth trying again."""

from __future__ import annotations

import pytest

from expvastic.errors import RecorderLost, RecordError
from expvastic.recorders.elasticsearch.answers import Answer, explain, parse_retry_after

NOW = 1_795_231_860.0  # Sat, 21 Nov 2026 03:31:00 GMT


def explained(status: int, body: str = "", retry_after: float | None = None) -> RecordError:
    return explain(Answer("http://es:9200", status, body.encode(), retry_after), "bulk")


def failure(kind: str, reason: str) -> str:
    return f'{{"error":{{"type":"{kind}","reason":"{reason}"}},"status":400}}'


@pytest.mark.parametrize(
    ("status", "body", "lost", "words"),
    [
        (401, "Unauthorized", True, "401; the credentials were refused; check username and password, api_key"),
        (
            403,
            failure("security_exception", "action [x] is unauthorized"),
            True,
            "403 security_exception: action [x] is unauthorized; the credentials do not allow it",
        ),
        (
            403,
            failure("cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];"),
            True,
            "403 cluster_block_exception: blocked by: [FORBIDDEN/6/cluster read-only (api)]",
        ),
        (403, "<html>", True, "403; the credentials do not allow it"),
        (404, "<html>", False, "404; there is nothing of that name"),
        (302, "", False, "302; redirects are not followed"),
        (407, "", False, "407; the proxy wants credentials"),
        (400, failure("illegal_argument_exception", "no"), False, "400 illegal_argument_exception: no"),
        (405, "<html>", False, "405; is this Elasticsearch or OpenSearch?"),
        (429, failure("es_rejected_execution_exception", "full"), False, "429 es_rejected_execution_exception: full"),
        (502, "<html>Bad gateway</html>", False, "502"),
        (503, '{"error":"text"}', False, "503"),
    ],
)
def test_a_failed_request_says_what_where_and_what_to_do(status: int, body: str, lost: bool, words: str) -> None:
    error = explained(status, body)

    assert str(error).startswith(f"http://es:9200: bulk: {words}")
    assert isinstance(error, RecorderLost) is lost


def test_the_servers_wish_is_passed_on() -> None:
    assert explained(429, retry_after=7.5).retry_after == 7.5
    assert explained(429).retry_after is None


def test_hostile_words_stay_one_short_line() -> None:
    error = explained(400, failure("x", "\\n\\u001b[31m" * 1_000))

    assert str(error).isprintable()
    assert len(str(error)) < 400


def test_an_error_nested_without_end_is_no_error_of_ours() -> None:
    assert str(explained(503, '{"error":{"caused_by":' + "[" * 200_000)) == "http://es:9200: bulk: 503"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Sat, 21 Nov 2026 03:32:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 03:30:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("9" * 5_000, None),
        ("Sat, 99 Nov 2026 03:30:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds
