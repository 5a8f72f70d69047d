"""Settles what the destination is and which templates it gets, before the first bulk leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import RecorderLost, RecordError
from .answers import Answer, explain, read_error
from .contact import Product
from .destination import IndexName
from .doubts import find_doubts, tell_once
from .inspection import ask_future_layout, ask_layout
from .resolve import read_resolved, resolve
from .settings import ElasticsearchSettings, Mode
from .template import Condition, Piece, Shape, build_pieces, features_of, judge, read_installed

if TYPE_CHECKING:
    from .client import Cluster

_ROUNDS = 3  # of looking and writing, while others write too
_SETUP = "`expvastic setup -c FILE` with stronger credentials installs it, or set manage_template: false"
_ADVICE = {400: "change the index name or set manage_template: false", 403: _SETUP}
_CUSTOM = "mend the @custom part, which somebody added to it"
_BLOCK = "cluster_block_exception"
_SHAPES = {
    Mode.AUTO: Shape.STREAM,
    Mode.DATA_STREAM: Shape.STREAM,
    Mode.INDEX: Shape.PLAIN,
    Mode.TIME_SERIES: Shape.SERIES,
}
_CONTENDED = "{template} was replaced by one of another mode or index_name; is there a recorder that says otherwise?"
_BUSY = (408, 429)  # explained as they are, like all from 500 on


class TemplateRefused(RecordError):
    """The templates cannot be had as things are: nothing must be written to the destination."""


class Destination(NamedTuple):
    """What is written to, and why it is taken for that; ``is_there`` says that it needs no template any more."""

    shape: Shape
    reason: str
    is_there: bool = False


async def settle_templates(
    cluster: Cluster, product: Product, index: IndexName, settings: ElasticsearchSettings, *, is_first: bool = True
) -> Destination:
    """Make sure that the destination's types will be ours: return when its templates are there, or none is needed.

    Templates that were right the first time, and are for another kind of destination now, were changed by somebody who
    would change them again: they are left alone then.

    Raises RecordError if that could not be settled, TemplateRefused if it will not be by trying again soon.
    """
    destination = await find_destination(cluster, index, settings.mode)
    if destination.is_there:
        return destination
    pieces = wanted_pieces(product, index, settings, destination)
    # The index template comes last: if it is there, so is all that it needs, whoever installed it.
    condition, _ = await look(cluster, pieces[-1])
    doubts = []
    if condition is Condition.UNSUITED and not is_first:
        doubts.append(_CONTENDED.format(template=pieces[-1].words))
    elif condition.wants_install:
        for piece in pieces:
            await install(cluster, piece, anew=condition is Condition.UNSUITED)
    doubts += await find_doubts(cluster, product, index, settings, destination.shape)
    tell_once(settings, index.text, doubts)
    return destination


def wanted_pieces(
    product: Product, index: IndexName, settings: ElasticsearchSettings, destination: Destination
) -> tuple[Piece, ...]:
    """What the destination needs. Raises TemplateRefused if the server cannot have it."""
    features = features_of(product)
    if destination.shape is Shape.SERIES and not features.time_series:
        raise TemplateRefused(
            f"{index.text}: mode: time_series needs Elasticsearch 8.7 or newer, and this is {product}; "
            "take mode: data_stream"
        )
    return build_pieces(index, destination.shape, features, settings.retention)


async def check_series(cluster: Cluster, index: IndexName, *, is_settled: bool = True) -> None:
    """Make sure that a name is, or will be, a time series, for only that notices a document without an id of ours.

    What will be is asked for only if the templates are settled. Raises TemplateRefused if it is not, RecordError if
    that may not be asked.
    """
    layout = await ask_layout(cluster, index.text)
    if layout is None and not is_settled:
        return
    layout = layout or await ask_future_layout(cluster, index.text)
    if layout.mode != "time_series":
        raise TemplateRefused(
            f"{cluster.address}: {index.text} is no time series; install its template with `expvastic setup -c FILE`, "
            f"begin a new index with POST /{index.text}/_rollover if it is there already, or take another name"
        )


async def find_destination(cluster: Cluster, index: IndexName, mode: Mode) -> Destination:
    """What the name stands for, or will. Raises RecorderLost if it is not what the mode says."""
    if not index.dated and not index.fields:
        answer = await resolve(cluster, index.text)
        if answer.status == 200:
            if found := _read_destination(answer, index, mode):
                return found
        elif answer.status not in (403, 404):  # not to be seen counts as not there
            raise explain(answer, f"looking for {index.text}")
    if mode is not Mode.AUTO:
        return Destination(_SHAPES[mode], f"mode says {mode.value}")
    if index.dated:
        return Destination(Shape.PLAIN, "there is a date in its name")
    if index.fields:
        return Destination(Shape.STREAM, "each of its names is one, unless there is an index or alias of it")
    return Destination(Shape.STREAM, "there is no index or alias of that name")


def _read_destination(answer: Answer, index: IndexName, mode: Mode) -> Destination | None:
    """What is there already under a name that holds no date."""
    resolved = read_resolved(answer, index.text)
    is_index, is_stream = resolved.is_index(index.text), resolved.is_data_stream(index.text)
    if (is_index and mode not in (Mode.AUTO, Mode.INDEX)) or (is_stream and mode is Mode.INDEX):
        kind = "an index" if is_index else "a data stream"
        raise RecorderLost(f"{answer.endpoint}: {index.text} is {kind}, but mode says {mode.value}; change one of them")
    if is_index or resolved.is_alias(index.text):
        kind = "index" if is_index else "alias"
        return Destination(Shape.PLAIN, f"there is an {kind} of that name", is_there=True)
    return Destination(_SHAPES[mode], "there is a data stream of that name") if is_stream else None


async def look(cluster: Cluster, piece: Piece) -> tuple[Condition, dict[str, Any] | None]:
    """What is installed under a piece's name, and what is to be thought of it."""
    answer = await cluster.request("GET", piece.path)
    if answer.status == 404:
        return Condition.MISSING, None
    if answer.status != 200:
        raise _refused(answer, piece)
    try:
        installed = read_installed(piece, answer.body)
    except ValueError as error:
        raise RecordError(f"{answer.endpoint}: no usable answer about {piece.path}") from error
    return judge(piece, installed), installed


async def install(cluster: Cluster, piece: Piece, *, anew: bool = False) -> None:
    """Install a piece, unless what is there is as good, or is not ours to touch; ``anew`` replaces ours if it is equal.

    Others may do the same at the same time.
    """
    for _ in range(_ROUNDS):
        condition, _ = await look(cluster, piece)
        if not (condition.wants_install or (anew and condition is Condition.CURRENT)):
            return
        query = "?create=true" if condition is Condition.MISSING and piece.takes_create else ""
        answer = await cluster.request("PUT", piece.path + query, body=piece.body)
        if answer.status == 200:
            return
        # Another process may have been quicker; then there is one to look at now.
        if answer.status != 400 or not query or (await look(cluster, piece))[0] is Condition.MISSING:
            raise _refused(answer, piece)
    raise RecordError(
        f"{cluster.address}: the template at {piece.path} changes all the time; is another version at work?"
    )


def _refused(answer: Answer, piece: Piece) -> RecordError:
    """The piece cannot be had: for good, unless the server was merely busy, or the credentials are none."""
    error = explain(answer, piece.words)
    if answer.status >= 500 or answer.status in _BUSY:
        return error
    return (RecorderLost if answer.status == 401 else TemplateRefused)(f"{error}; {_advise(answer)}")


def _advise(answer: Answer) -> str:
    kind, reason = read_error(answer.body)
    if kind == _BLOCK:  # whoever asks
        return "let the cluster be written to"
    if answer.status == 400 and "@custom" in reason:
        return _CUSTOM
    if answer.status == 400 and "no longer match a data stream template" in reason:
        return "there are data streams of such names: write mode: data_stream, or change the index name"
    return _ADVICE.get(answer.status, "or set manage_template: false")
