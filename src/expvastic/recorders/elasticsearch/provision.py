"""Settles what the destination is and which template it gets, before the first bulk leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ...errors import RecorderLost, RecordError
from .answers import Answer, explain
from .destination import IndexName
from .resolve import read_resolved, resolve
from .settings import Mode
from .template import Need, build_template, judge_installed, template_name

if TYPE_CHECKING:
    from .client import Cluster

_ROUNDS = 3  # of looking and writing, while others write too
_ADVICE = {
    400: "change the index name or set manage_template: false",
    403: "install it with stronger credentials, or set manage_template: false",
}
_BUSY = (401, 408, 429)  # explained as they are, like all from 500 on


async def settle_template(cluster: Cluster, index: IndexName, mode: Mode) -> None:
    """Make sure that the destination's types will be ours: return when its template is there, or none is needed.

    Raises RecordError if that could not be settled, RecorderLost if it was refused.
    """
    if await _is_plain_index(cluster, index, mode):
        return
    stream = mode is Mode.DATA_STREAM or (mode is Mode.AUTO and not index.dated)
    path = f"/_index_template/{quote(template_name(index), safe='')}"
    for _ in range(_ROUNDS):
        need = await _look(cluster, path, stream=stream)
        if need is Need.NOTHING:
            return
        query = "?create=true" if need is Need.CREATE else ""
        answer = await cluster.request("PUT", path + query, body=build_template(index, stream=stream))
        if answer.status == 200:
            return
        # Another process may have been quicker; then there is one to look at now.
        if answer.status != 400 or need is Need.UPDATE or await _look(cluster, path, stream=stream) is Need.CREATE:
            raise _refused(answer, path)
    raise RecordError(f"{cluster.address}: the template at {path} changes all the time; is another version at work?")


async def _is_plain_index(cluster: Cluster, index: IndexName, mode: Mode) -> bool:
    """Whether there is an index or alias of that name, for which no template is asked any more."""
    if index.dated:
        return False
    answer = await resolve(cluster, index.text)
    if answer.status in (403, 404):  # not to be seen counts as not there
        return False
    if answer.status != 200:
        raise explain(answer, f"looking for {index.text}")
    resolved = read_resolved(answer, index.text)
    is_index = resolved.is_index(index.text)
    if (is_index and mode is Mode.DATA_STREAM) or (resolved.is_data_stream(index.text) and mode is Mode.INDEX):
        kind = "an index" if is_index else "a data stream"
        raise RecorderLost(f"{answer.endpoint}: {index.text} is {kind}, but mode says {mode.value}; change one of them")
    return is_index or resolved.is_alias(index.text)


async def _look(cluster: Cluster, path: str, *, stream: bool) -> Need:
    answer = await cluster.request("GET", path)
    if answer.status == 404:
        return Need.CREATE
    if answer.status != 200:
        raise _refused(answer, path)
    try:
        return judge_installed(answer.body, stream=stream)
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: no usable answer about {path}") from error


def _refused(answer: Answer, path: str) -> RecordError:
    """The template cannot be had: for good, unless the server was merely busy."""
    error = explain(answer, f"index template {path.rpartition('/')[2]}")
    if answer.status >= 500 or answer.status in _BUSY:
        return error
    return RecorderLost(f"{error}; {_ADVICE.get(answer.status, 'or set manage_template: false')}")
