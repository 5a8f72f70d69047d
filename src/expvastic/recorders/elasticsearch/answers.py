"""What a cluster answers, and what an answer means that is no success: an error, in words for the user."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeVar

import msgspec

from ...errors import RecorderLost, RecordError

T = TypeVar("T")

# From here on the server quotes the value itself, which is nobody's business but the document's.
_QUOTES = r"\.? (?:Preview of|The prefix of the first immense term)"
_LOOKED_AT = 2_000  # characters of a server's words
_DETAIL_LENGTH = 300
_TYPE = r"[a-z_]{1,80}"

_CREDENTIALS = "check username and password, api_key or bearer_token"
_ADVICE = {
    401: f"the credentials were refused; {_CREDENTIALS}",
    403: "the credentials do not allow it; check their privileges",
    404: "there is nothing of that name; is the path of the endpoint right?",
    407: "the proxy wants credentials",
    413: "the request is larger than the server, or a proxy before it, takes",
}

# Answers of who has looked at a request and not begun with it: nothing of it was carried out.
_TURNED_AWAY = {401, 403, 404, 405, 407, 413, 415, 429}
_NOT_BEGUN = {(503, "cluster_block_exception")}


# What a server says that has no memory for a request of this size, or none just now.
_NO_MEMORY = {"es_rejected_execution_exception", "rejected_execution_exception", "circuit_breaking_exception"}


class Answer(NamedTuple):
    """What a cluster said, whatever it was; ``retry_after`` in seconds."""

    endpoint: str
    status: int
    body: bytes
    retry_after: float | None = None


class _Error(msgspec.Struct):
    type: str | None = None
    reason: str | None = None


class _Failure(msgspec.Struct):
    error: _Error


class ConnectionCut(RecordError):
    """The connection broke after the request had begun: it may have been too large, or have been carried out.

    ``in_body`` says that not all of the body had been sent.
    """

    def __init__(self, message: str, *, in_body: bool) -> None:
        super().__init__(message)
        self.in_body = in_body


def explain(answer: Answer, action: str) -> RecordError:
    """The error for an answer to ``action`` (what was tried) that is no success.

    Refused credentials make the recorder useless as it is; all else may pass.
    """
    kind, reason = read_error(answer.body)
    lost = answer.status in (401, 403)
    words = f"{answer.endpoint}: {action}: {name_error(answer.status, kind)}"
    if reason:
        words += f": {reason.rstrip('; .')}"
    # Elasticsearch's own 403s of another kind (a read-only cluster) say themselves what to do.
    if answer.status in _ADVICE and (answer.status != 403 or kind in ("", "security_exception")):
        words += f"; {_ADVICE[answer.status]}"
    elif 300 <= answer.status < 400:
        words += "; redirects are not followed, give the final address as endpoint"
    elif not kind and answer.status < 500 and answer.status != 429:
        words += "; is this Elasticsearch or OpenSearch?"
    in_doubt = answer.status not in _TURNED_AWAY and (answer.status, kind) not in _NOT_BEGUN
    return (RecorderLost if lost else RecordError)(words, retry_after=answer.retry_after, in_doubt=in_doubt)


def read_error(body: bytes) -> tuple[str, str]:
    """An error's type and reason, as far as the body is Elasticsearch's; empty where it is not."""
    try:
        error = decode(body, _Failure).error
    except ValueError:
        return "", ""
    return error.type or "", tidy(error.reason or "")


def is_push_back(status: int, kind: str | None) -> bool:
    """Whether a request, or a part of it, was turned away for its size or for want of memory."""
    return status == 429 and kind in _NO_MEMORY


def decode(body: bytes, kind: type[T]) -> T:
    """What the body of an answer holds. Raises ValueError if that is something else, however odd."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("not the answer to what was asked") from error


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; none if it holds neither."""
    if not value:
        return None
    if value.strip().isdecimal() and len(value) < 12:
        return float(value)
    import email.utils  # for those who are asked to wait until a date

    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def name_error(status: int, kind: str | None) -> str:
    """A status and an error's type as a phrase fit for counting."""
    return f"{status} {kind}" if kind and re.fullmatch(_TYPE, kind) else str(status)


def tidy(words: str) -> str:
    """A server's words as one line of bounded length, cut before they quote a value."""
    words = words[:_LOOKED_AT]
    quote = re.search(_QUOTES, words)
    line = " ".join((words[: quote.start()] if quote else words).split())
    return "".join(character if character.isprintable() else "�" for character in line)[:_DETAIL_LENGTH]
