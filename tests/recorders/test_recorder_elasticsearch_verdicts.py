"""Each item of a bulk's answer becomes the verdict that the servers' own words call for."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from fake_cluster import item

from expvastic.errors import RecordError
from expvastic.recorder import Outcome, Verdict
from expvastic.recorders.elasticsearch.answers import Answer
from expvastic.recorders.elasticsearch.verdicts import find_written, judge_items, read_items

PARSING = "document_parsing_exception"
OLD_PARSING = "mapper_parsing_exception"
ARGUMENT = "illegal_argument_exception"


def judge(*items: dict[str, Any]) -> list[Verdict]:
    body = msgspec.json.encode({"errors": True, "items": items})
    return judge_items(read_items(Answer("http://es:9200", 200, body), len(items)), ["stream"] * len(items))


def caused(reason: str) -> dict[str, Any]:
    return {"error": {"caused_by": {"type": "x", "reason": reason}}}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.RECORDED) for status in (200, 201)),
        (409, Outcome.DUPLICATE),
        *((status, Outcome.AGAIN) for status in (408, 429, 500, 502, 503, 504, 505, 507, 520, 529, 599)),
        *((status, Outcome.BLOCKED) for status in (401, 402, 403, 404, 405, 410, 412, 418, 422, 423, 499)),
        *((status, Outcome.REFUSED) for status in (400, 413, 501)),
    ],
)
def test_the_status_decides(status: int, outcome: Outcome) -> None:
    [verdict] = judge(item(status, "some_exception", "words"))

    assert verdict.outcome is outcome
    assert verdict.destination == "stream"
    if outcome not in (Outcome.RECORDED, Outcome.DUPLICATE):
        assert (verdict.reason, verdict.detail) == (f"{status} some_exception", "words")


# What the nodes say, word for word: 7.17, 8.19, 9.5, OpenSearch 2.19 and 3.8.
TOO_MANY_SHARDS = (
    "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [48]/[1] maximum normal "
    "shards open;"
)
NOT_A_DOUBLE = "failed to parse field [expvar.v] of type [double] in document with id 'a-1'"
PREVIEW = ". Preview of field's value: 'secret-value'"
NOT_AN_OBJECT = "object mapping for [expvar.a] tried to parse field [a] as object, but found a concrete value"
NOT_ADDED = (
    "Could not dynamically add mapping for field [a.b]. Existing mapping for [a] must be of type object but found"
)
IMMENSE = (
    'Document contains at least one immense term in field="text" (whose UTF8 encoding is longer than the max length '
    "32766), all of which were skipped. The prefix of the first immense term is: '[115, 101]...'"
)
STRICT = "mapping set to strict, dynamic introduction of [new] within"
DESTINATIONS = [
    ("index_closed_exception", "closed"),
    ("invalid_index_name_exception", "Invalid index name [Bad], must be lowercase"),
    ("validation_exception", TOO_MANY_SHARDS),
    ("validation_exception", TOO_MANY_SHARDS.replace("[2] shards", "[2] total LOCAL_ONLY shards")),
    (ARGUMENT, "pipeline with id [nope] does not exist"),
    (ARGUMENT, "no write index is defined for alias [a]. The write index may be explicitly disabled"),
]
FIELDS = [  # type, reason, its cause, and the field that they name
    (PARSING, f"[1:45] {NOT_A_DOUBLE}{PREVIEW}", 'For input string: "secret-value"', "expvar.v"),
    (OLD_PARSING, f"{NOT_A_DOUBLE}{PREVIEW}", 'For input string: "secret-value"', "expvar.v"),
    (OLD_PARSING, "failed to parse", f"{NOT_A_DOUBLE}{PREVIEW}", "expvar.v"),
    (OLD_PARSING, "failed to parse field [x[0]] of type [long] in document", "", "x[0]"),
    (OLD_PARSING, NOT_AN_OBJECT, "", "expvar.a"),
    (ARGUMENT, "mapper [a] cannot be changed from type [long] to [ObjectMapper]", "", "a"),
    (ARGUMENT, "mapper [a.b] of different type, current_type [long], merged_type [ObjectMapper]", "", "a.b"),
    (ARGUMENT, "can't merge a non object mapping [a] with an object mapping", "", "a"),
    (OLD_PARSING, f"{NOT_ADDED} [long].", "", "a.b"),
    ("strict_dynamic_mapping_exception", f"[1:33] {STRICT} [_doc] is not allowed", "", "new"),
    ("strict_dynamic_mapping_exception", f"{STRICT} [expvar.deep] is not allowed", "", "expvar.deep.new"),
    (ARGUMENT, IMMENSE, "", "text"),
    (ARGUMENT, "Limit of mapping depth [20] has been exceeded due to object field [a.b.c]", "", "a.b.c"),
]


@pytest.mark.parametrize(("kind", "reason"), DESTINATIONS)
def test_a_400_that_is_the_destinations_fault_blocks_it(kind: str, reason: str) -> None:
    [verdict] = judge(item(400, kind, reason))

    assert verdict == Verdict(Outcome.BLOCKED, reason=f"400 {kind}", detail=reason, destination="stream")


@pytest.mark.parametrize(("kind", "reason", "cause", "field"), FIELDS)
def test_a_refusal_names_the_field_that_the_server_names(kind: str, reason: str, cause: str, field: str) -> None:
    [verdict] = judge(item(400, kind, reason, **caused(cause)))

    assert (verdict.outcome, verdict.field) == (Outcome.REFUSED, field)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("[1:127] failed to parse: Limit of total fields [10] has been exceeded while adding new fields [10]", ""),
        ("Limit of total fields [10] has been exceeded", ""),
        ("failed to parse", "documents must contain a single-valued timestamp field '@timestamp' of date type"),
        ("failed to parse", "Non-standard token 'NaN': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"),
    ],
)
def test_a_refusal_that_names_no_field_keeps_the_cause(reason: str, cause: str) -> None:
    [verdict] = judge(item(400, OLD_PARSING, reason, **caused(cause)))

    assert (verdict.outcome, verdict.field) == (Outcome.REFUSED, "")
    assert verdict.detail == (f"{reason}: {cause}" if cause else reason)


@pytest.mark.parametrize(("kind", "reason", "cause", "field"), FIELDS)
def test_no_detail_quotes_a_value(kind: str, reason: str, cause: str, field: str) -> None:
    [verdict] = judge(item(400, kind, reason, **caused(cause)))

    assert "secret" not in verdict.detail
    assert "115" not in verdict.detail
    assert verdict.detail


def test_the_failure_store_is_told_apart_from_the_index() -> None:
    verdicts = judge(item(201, failure_store="used", index=".fs-stream"), item(201, failure_store="not_enabled"))

    assert verdicts == [
        Verdict(Outcome.RECORDED, reason="failure_store", destination="stream"),
        Verdict(Outcome.RECORDED, destination="stream"),
    ]


@pytest.mark.parametrize("state", ["not_enabled", "failed", "not_applicable_or_unknown"])
def test_what_the_failure_store_did_not_take_is_judged_by_its_status(state: str) -> None:
    [verdict] = judge(item(400, PARSING, NOT_A_DOUBLE, failure_store=state))

    assert (verdict.outcome, verdict.field) == (Outcome.REFUSED, "expvar.v")


@pytest.mark.parametrize(
    "kind",
    [
        *("es_rejected_execution_exception", "rejected_execution_exception"),
        *("circuit_breaking_exception", "cluster_block_exception"),
    ],
)
def test_a_429_is_tried_again_whatever_its_name_and_was_not_written(kind: str) -> None:
    [verdict] = judge(item(429, kind, "full"))

    assert (verdict.outcome, verdict.reason, verdict.in_doubt) == (Outcome.AGAIN, f"429 {kind}", False)


def test_verdicts_stand_in_the_places_of_the_documents() -> None:
    statuses = [201, 400, 429, 409, 403, 201]

    verdicts = judge(*(item(status, "some_exception") for status in statuses))

    words = ["recorded", "refused", "again", "duplicate", "blocked", "recorded"]
    assert [verdict.outcome.value for verdict in verdicts] == words


def test_hostile_words_stay_one_short_line() -> None:
    [verdict] = judge(item(400, "bad\ntype" * 50, "line\r\n\x1b[31m\x00" * 500 + "failed to parse field [" * 9_000))

    assert verdict.reason == "400"
    assert verdict.detail.isprintable()
    assert len(verdict.detail) <= 300


GOOD = msgspec.json.encode({"errors": False, "items": [item(201), item(201)]})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"took":1}',
        b"<html><body>welcome</body></html>",
        b'{"errors":false}',
        b'{"errors":false,"items":[]}',
        b'{"errors":false,"items":[{"create":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"index":{"status":201}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"_index":"i"}}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":"201"}}]}',
        b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":"\xff"}}]}',
        GOOD + b"}",
        b'{"deep":' + b"[" * 200_000,
        b'{"deep":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        msgspec.json.encode({"errors": False, "items": [item(201)] * 3}),
    ],
)
def test_what_is_not_an_answer_for_these_documents_settles_none(body: bytes) -> None:
    with pytest.raises(RecordError, match=r"^http://es:9200: bulk: "):
        read_items(Answer("http://es:9200", 200, body), 2)


def test_an_answer_cut_anywhere_settles_none() -> None:
    for end in range(len(GOOD)):
        with pytest.raises(RecordError):
            read_items(Answer("http://es:9200", 200, GOOD[:end]), 2)


def test_an_answer_with_broken_bytes_is_read_or_raises_our_error() -> None:
    source = random.Random(4711)
    body = msgspec.json.encode({"errors": True, "items": [item(400, PARSING, "é"), item(201, failure_store="used")]})

    for _ in range(2_000):
        broken = bytearray(body)
        for _ in range(source.randint(1, 3)):
            broken[source.randrange(len(broken))] = source.randrange(256)
        try:
            verdicts = judge_items(read_items(Answer("http://es:9200", 200, bytes(broken)), 2), ["i", "i"])
        except RecordError:
            continue
        assert len(verdicts) == 2


def test_an_answer_without_any_trouble_gives_one_verdict_for_all_and_says_where_they_are() -> None:
    answer = [item(201, index="i-1"), item(201, index="i-1"), item(201, index="i-2")]
    items = read_items(Answer("http://es:9200", 200, msgspec.json.encode({"errors": False, "items": answer})), 3)
    verdicts = judge_items(items, ["stream"] * 3)

    assert verdicts == [Verdict(Outcome.RECORDED, destination="stream")] * 3
    assert list(find_written(items, ["stream"] * 3)) == [("stream", "i-1"), ("stream", "i-2")]


def test_one_document_in_the_failure_store_is_seen_in_an_answer_without_errors() -> None:
    verdicts = judge(item(201), item(201, failure_store="used"), item(201, failure_store="not_enabled"))

    assert [verdict.reason for verdict in verdicts] == ["", "failure_store", ""]
