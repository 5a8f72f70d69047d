"""What the items of a bulk answer mean: one verdict per document.

Statuses decide, because the names of errors differ between products and versions; what none of them blames on the
document is kept. Only among 400s, where the destination's faults hide between the documents', are names and words
looked at.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

import msgspec

from ...errors import RecordError
from ...recorder import Outcome, Verdict
from .answers import Answer, decode, is_push_back, name_error, tidy

FAILURE_STORE = "failure_store"
_USED = "used"

# Every item keeps its status, so that an answer's items stand in the places of the batch's documents.
FILTER_PATH = ",".join(
    ["errors", "items.*.status", "items.*._index", "items.*.failure_store"]
    + [f"items.*.error.{name}" for name in ("type", "reason", "caused_by.type", "caused_by.reason")]
)

_OUTCOMES = {
    200: Outcome.RECORDED,
    201: Outcome.RECORDED,
    400: Outcome.REFUSED,
    408: Outcome.AGAIN,
    409: Outcome.DUPLICATE,
    413: Outcome.REFUSED,
    429: Outcome.AGAIN,
    501: Outcome.REFUSED,
}

# 400s that no document can be blamed for: a closed index, a name that is not allowed, the limit of shards.
_DESTINATION_TYPES = {"index_closed_exception", "invalid_index_name_exception", "validation_exception"}
_DESTINATION_WORDS = re.compile(
    r"pipeline with id \[.*\] does not exist|no write index is defined for alias|^data_stream \[.*\] must not "
)

# The ways in which the versions name the field that they refuse.
_FIELDS = tuple(
    re.compile(words)
    for words in (
        r"failed to parse (?:date )?field \[(.+?)\] of type \[",
        r"object mapping for \[(.+?)\] tried to parse",
        r"mapper \[(.+?)\] cannot be changed from type \[",
        r"mapper \[(.+?)\] of different type",
        r"can't merge a non object mapping \[(.+?)\] with an object mapping",
        r"dynamically add mapping for field \[(.+?)\]\. Existing mapping",
        r"immense term in field=\"(.+?)\" \(",
        r"exceeded due to object field \[(.+?)\]",
    )
)
_STRICT = re.compile(r"dynamic introduction of \[(.+?)\] within \[(.+?)\] is not allowed")

_LOOKED_AT = 2_000  # characters of a sentence


class _Cause(msgspec.Struct, gc=False):
    type: str | None = None
    reason: str | None = None


class _Error(_Cause, gc=False):
    caused_by: _Cause | None = None


class Item(msgspec.Struct, gc=False):
    """What became of one document, in the server's words; ``index`` is where it is, or would have been."""

    status: int
    index: str = msgspec.field(name="_index", default="")
    id: str | None = msgspec.field(name="_id", default=None)
    error: _Error | None = None
    failure_store: str = ""

    @property
    def is_push_back(self) -> bool:
        return self.error is not None and is_push_back(self.status, self.error.type)


class _Action(msgspec.Struct, gc=False):
    create: Item


class _Bulk(msgspec.Struct):
    errors: bool
    items: list[_Action] = []  # msgspec copies empty lists


def read_items(answer: Answer, count: int) -> list[Item]:
    """The items of a bulk's answer with status 200, of a bulk with so many documents.

    Raises RecordError if it is not an answer for exactly these documents; then nothing is known of any.
    """
    try:
        items = decode(answer.body, _Bulk).items
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: bulk: the answer is cut off, or is not that of a bulk") from error
    if len(items) != count:
        raise RecordError(f"{answer.endpoint}: bulk: {len(items)} answers for {count} documents")
    return [action.create for action in items]


def judge_items(items: Sequence[Item], destinations: Sequence[str]) -> list[Verdict]:
    """The verdicts on documents that were sent to these destinations."""
    if len({*destinations}) == 1 and {(item.status, item.failure_store == _USED) for item in items} == {(201, False)}:
        return [_settle(Outcome.RECORDED, "", destinations[0])] * len(items)
    return [_judge(item, destination) for item, destination in zip(items, destinations, strict=True)]


def find_written(items: Sequence[Item], destinations: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Destination and index of each document that was written; the failure store's indices are no destination's."""
    last = ("", "")
    for item, destination in zip(items, destinations, strict=True):
        if item.status in (200, 201) and item.index and item.failure_store != _USED:
            written = destination, item.index
            if written != last:  # mostly one index has all
                last = written
                yield written


def _judge(item: Item, destination: str) -> Verdict:
    outcome = _OUTCOMES.get(item.status) or (Outcome.AGAIN if item.status >= 500 else Outcome.BLOCKED)
    if outcome in (Outcome.RECORDED, Outcome.DUPLICATE):
        return _settle(outcome, FAILURE_STORE if item.failure_store == _USED else "", destination)
    error = item.error or _Error()
    words = [cause.reason[:_LOOKED_AT] for cause in (error, error.caused_by) if cause and cause.reason]
    if item.status == 400 and (error.type in _DESTINATION_TYPES or any(map(_DESTINATION_WORDS.search, words))):
        outcome = Outcome.BLOCKED
    field, named = _find_field(words) if outcome is Outcome.REFUSED else ("", 0)
    return Verdict(
        outcome,
        reason=name_error(item.status, error.type),
        # A cause behind words that name the field would only quote the value.
        detail=tidy(": ".join(words[: named + 1] if field else words)),
        field=field,
        destination=destination,
        in_doubt=outcome is Outcome.AGAIN and item.status != 429,
    )


@functools.lru_cache(maxsize=128)
def _settle(outcome: Outcome, reason: str, destination: str) -> Verdict:
    """A verdict without words: one object for all documents that share it."""
    return Verdict(outcome, reason=reason, destination=destination)


def _find_field(words: Sequence[str]) -> tuple[str, int]:
    """The field that one of the sentences names, and which one; empty if none does."""
    for place, sentence in enumerate(words):
        for pattern in _FIELDS:
            if found := pattern.search(sentence):
                return found[1], place
        if found := _STRICT.search(sentence):
            parent = "" if found[2] == "_doc" else f"{found[2]}."
            return parent + found[1], place
    return "", 0
