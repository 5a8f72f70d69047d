"""Looks for documents whose last try has an unknown outcome where a bulk would not notice them.

A create is refused only by the index that it goes to. If a data stream rolled over between two tries, the first may
have been carried out in an older index than the second would go to; so the older ones are asked, by id, which needs
no refresh. Where that may not be asked, nothing is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from ...errors import RecordError
from .answers import Answer, decode, explain, name_error
from .resolve import read_resolved, resolve
from .whereabouts import Whereabouts

if TYPE_CHECKING:
    from .client import Cluster

_OLDER = 3  # indices that are asked
_ALIASED = 4  # names behind an alias that are looked at
_CHUNK = 1_000  # ids in one question
_BUSY = (401, 408, 429)  # explained as they are, like all from 500 on
_GONE = {"index_not_found_exception", "index_closed_exception", "security_exception"}


class _Error(msgspec.Struct):
    type: str = ""


class _Document(msgspec.Struct):
    found: bool = False
    error: _Error | None = None


class _Documents(msgspec.Struct):
    docs: list[_Document]


async def find_recorded(
    cluster: Cluster, whereabouts: Whereabouts, ids: Sequence[str], destinations: Sequence[str]
) -> list[bool]:
    """Which of these ids are in an index behind their destination that the next bulk would not write to.

    Raises RecordError if the cluster cannot tell now.
    """
    found: set[tuple[str, str]] = set()
    try:
        for destination in dict.fromkeys(destinations):
            wanted = [known for known, place in zip(ids, destinations, strict=True) if place == destination]
            for index in await _older_holders(cluster, whereabouts, destination):
                there = [known for known in wanted if (destination, known) not in found]
                found.update([(destination, known) for known in await _search(cluster, whereabouts, index, there)])
    except RecordError as error:
        error.in_doubt = True  # the tries before this question, that is
        raise
    return [(destination, known) in found for known, destination in zip(ids, destinations, strict=True)]


async def _older_holders(cluster: Cluster, whereabouts: Whereabouts, destination: str) -> list[str]:
    """The indices to be asked: that which was last written to first, then the newest ones; never the newest of all."""
    if whereabouts.needs_no_search(destination):
        return []
    holders = await _holders(cluster, whereabouts, destination)
    older = holders[-2 : -2 - _OLDER : -1]
    last = whereabouts.last(destination)
    if not holders or not last or last == holders[-1]:
        return older
    return [last, *(index for index in older if index != last)]


async def _holders(cluster: Cluster, whereabouts: Whereabouts, destination: str) -> list[str]:
    """What holds the documents of a stream or an alias, oldest first; nothing for all else."""
    answer = await resolve(cluster, destination)
    if not _is_open(answer, destination):
        if answer.status != 404:  # what is not there yet may be a stream soon
            whereabouts.found_no_stream(destination)
        return []
    resolved = read_resolved(answer, destination)
    if resolved.is_index(destination):
        whereabouts.found_no_stream(destination)
        return []
    if not resolved.is_alias(destination):
        return resolved.holders
    answer = await resolve(cluster, *resolved.aliased[-_ALIASED:])
    return read_resolved(answer, destination).holders if _is_open(answer, destination) else []


async def _search(cluster: Cluster, whereabouts: Whereabouts, index: str, ids: Sequence[str]) -> list[str]:
    """Which of the ids are in an index, as far as it may be asked."""
    found: list[str] = []
    for chunk in _chunks(ids):
        path = f"/{quote(index, safe='')}/_mget?_source=false&filter_path=docs.found,docs.error.type"
        answer = await cluster.request("POST", path, body=msgspec.json.encode({"ids": chunk}))
        if not _is_open(answer, index):
            break
        documents = _read_documents(answer, index, len(chunk))
        found += [known for known, document in zip(chunk, documents, strict=True) if document.found]
        failure = next((document.error.type for document in documents if document.error), "")
        if failure in _GONE or (failure and whereabouts.is_away(index)):
            break
        if failure:
            kind = name_error(answer.status, failure)
            raise RecordError(f"{answer.endpoint}: {index} cannot be searched now: {kind}")
        whereabouts.was_searched(index)
    return found


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))


def _is_open(answer: Answer, name: str) -> bool:
    """Whether there is something to be seen. Raises RecordError if the cluster may say so later."""
    if answer.status >= 500 or answer.status in _BUSY:
        raise explain(answer, f"looking into {name}")
    return answer.status == 200


def _read_documents(answer: Answer, index: str, count: int) -> list[_Document]:
    try:
        documents = decode(answer.body, _Documents).docs
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: no usable answer about what is in {index}") from error
    if len(documents) != count:
        raise RecordError(f"{answer.endpoint}: {len(documents)} answers about {count} documents in {index}")
    return documents
