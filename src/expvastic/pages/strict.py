"""The short way from the bytes of a page to its object, for pages that are as they should be.

Theory of operation: most of a Go program's page are three lists of which little or nothing is shipped. They are cut
out of the text, and a word that no page can know is put in the place of each; then what is left is decoded. The word
stands where it is looked for only if the list stood there: within a string its quotes would have broken the page. What
was cut out is proved to be a ring or a list of objects, or is the text of a ring that was. ``NaN`` and its like, which
are no JSON, make way for another such word.

The decoder also bounds texts and integers, so that of most pages no value needs to be looked at again. Whatever is
not as it should be is not decoded here, but by `decode`, and means what that says.
"""

from __future__ import annotations

import functools
import math
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from .decode import decode, decode_refused
from .rings import Digest, Ring, digest_of, read_ring

NOT_FINITE = f"x{secrets.token_hex(16)}"  # in the place of NaN and infinities
CUT = f"y{secrets.token_hex(16)}"  # in the place of a list
CUT_JSON, NOT_FINITE_JSON = f'"{CUT}"'.encode(), f':"{NOT_FINITE}"'.encode()
NO_NUMBER = re.compile(rb":\s*+[-+]?(?:NaN|Inf(?:inity)?)(?=[\s,}])")
_SOME_OBJECTS: list[dict[str, object]] = [{}]
_LEVELS = 6  # of objects within objects; deeper pages are decoded without bounds
_DEEPEST = 100  # levels that settings can ask for
_LOOSE_FOR = 64  # pages after one with values out of bounds
_UNSIGNED = 2**64

_REFUSAL = (msgspec.MsgspecError, UnicodeDecodeError)


class _Object(msgspec.Struct, gc=False):
    """Any object, its members passed over."""


_skip_objects = msgspec.json.Decoder(Annotated[list[_Object], msgspec.Meta(min_length=1)]).decode
_decode_loosely = msgspec.json.Decoder(dict[str, Any]).decode


class Content(msgspec.Struct):
    """The object that a page is.

    If it is ``strict``, it was made of JSON, and is nobody else's; numbers that are not finite are there as the text
    NOT_FINITE if it is ``marked``. If it is ``bound`` as well, its texts (those in lists aside) are no longer than the
    limit, and its integers fit in 64 bits. ``decoded`` is the page as it came, whatever becomes of it; it came in
    ``body``, if it is strict.
    """

    page: Mapping[str, object]
    strict: bool = False
    bound: bool = False
    marked: bool = False
    body: bytes = b""
    decoded: Mapping[str, object] = {}

    def __post_init__(self) -> None:
        self.decoded = self.page

    def without_marks(self) -> Mapping[str, object]:
        """The page as the general decoder has it."""
        return _unmarked(self.page, _DEEPEST) if self.marked else self.page


class _Excerpt(NamedTuple):
    """A page's text without its long lists; the lists' own."""

    body: bytes
    durations: bytes
    ends: bytes
    sizes: bytes


class StrictDecoder:
    """Decodes one reader's pages, the short way where that can be.

    ``text_limit`` is that of a page's texts. ``with_rings`` says that the rings of pauses may be given as such, and
    ``with_sizes`` that ``BySize`` is of interest.
    """

    __slots__ = ("_decode_bound", "_loose_for", "_with_rings", "_with_sizes")

    def __init__(self, text_limit: int, *, with_rings: bool = False, with_sizes: bool = False) -> None:
        self._decode_bound = _bound_decoder(text_limit)
        self._with_rings = with_rings
        self._with_sizes = with_sizes
        self._loose_for = 0

    def decode(self, body: bytes | Mapping[str, object], known: Digest | None) -> Content:
        """The object; ``known`` are the rings of the page before. Raises InvalidPayload if the page is none."""
        if isinstance(body, bytes):
            excerpt = _cut(body, self._with_sizes) if self._with_rings else None
            text = excerpt.body if excerpt else body
            try:
                content = self._try(text)
            except RecursionError:
                return Content(decode(body))
            if content is None and excerpt and (page := decode_refused(text)):
                content = Content(page)
            if content and (excerpt is None or _put_back(excerpt, content.page, known)):
                content.body = body if content.strict else b""
                return content
        return Content(decode(body))

    def _try(self, body: bytes) -> Content | None:
        content = self._parse(body)
        if content is None and (b"NaN" in body or b"Inf" in body):
            body, found = NO_NUMBER.subn(NOT_FINITE_JSON, body)
            content = self._parse(body, marked=True) if found else None
            if content and not _is_command_line(content.page.get("cmdline", [])):
                return None  # compared from page to page, and NaN is not even equal to itself
        return content

    def _parse(self, body: bytes, *, marked: bool = False) -> Content | None:
        try:
            if not self._loose_for:
                return Content(self._decode_bound(body), strict=True, bound=True, marked=marked)
        except msgspec.ValidationError:
            self._loose_for = _LOOSE_FOR
        except _REFUSAL:
            return None
        try:
            page = _decode_loosely(body)
        except _REFUSAL:
            return None
        self._loose_for -= 1
        return Content(page, strict=True, marked=marked)


def _cut(body: bytes, with_sizes: bool) -> _Excerpt | None:
    """The page without rings and sizes; None if it seems to have no rings."""
    durations = body.find(b'"PauseNs":[') + 10
    after_durations = body.find(b"]", durations) + 1
    ends = body.find(b'"PauseEnd":[', after_durations) + 11
    after_ends = body.find(b"]", ends) + 1
    if durations < 10 or ends < 11 or not after_durations or not after_ends:
        return None
    sizes = 0 if with_sizes else body.find(b'"BySize":[', after_ends) + 9
    after_sizes = body.find(b"]", sizes) + 1 if sizes >= 9 else 0
    parts = [body[:durations], body[after_durations:ends]]
    parts += [body[after_ends:sizes], body[after_sizes:]] if after_sizes else [body[after_ends:]]
    return _Excerpt(
        CUT_JSON.join(parts),
        body[durations:after_durations],
        body[ends:after_ends],
        body[sizes:after_sizes] if after_sizes else b"",
    )


def _put_back(excerpt: _Excerpt, page: Mapping[str, object], known: Digest | None) -> bool:
    """Give the page its lists, as what they are known to be; False if they are anything else, or elsewhere."""
    memstats = page.get("memstats")
    if type(memstats) is not dict or memstats.get("PauseNs") != CUT or memstats.get("PauseEnd") != CUT:
        return False
    collections = memstats.get("NumGC")
    if type(collections) is not int or not 0 <= collections < _UNSIGNED:
        return False  # then they are no rings of Go's
    rings = _rings(excerpt, known)
    if rings is None:
        return False
    if excerpt.sizes:
        if memstats.get("BySize") != CUT or not _are_objects(excerpt.sizes):
            return False
        memstats["BySize"] = _SOME_OBJECTS
    memstats["PauseNs"], memstats["PauseEnd"] = rings
    return True


def _rings(excerpt: _Excerpt, known: Digest | None) -> tuple[Ring, Ring] | None:
    if known is not None and digest_of(excerpt.durations, excerpt.ends) == known:
        return Ring(excerpt.durations), Ring(excerpt.ends)
    durations, ends = read_ring(excerpt.durations), read_ring(excerpt.ends)
    return (durations, ends) if durations and ends else None


def _are_objects(text: bytes) -> bool:
    try:
        return bool(_skip_objects(text))
    except (*_REFUSAL, RecursionError):
        return False


@functools.lru_cache(maxsize=16)
def _bound_decoder(text_limit: int) -> Callable[[bytes], dict[str, Any]]:
    """One for all readers with the same limit."""
    integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    text = Annotated[str, msgspec.Meta(max_length=text_limit)]
    leaf: Any = bool | integer | float | text | list[Any] | None
    level: Any = leaf
    for _ in range(_LEVELS):
        level = leaf | dict[str, level]
    return msgspec.json.Decoder(dict[str, level]).decode


def _is_command_line(value: object) -> bool:
    return isinstance(value, list) and set(map(type, value)) <= {str}


def _unmarked(level: Mapping[str, object], below: int) -> dict[str, object]:
    return {
        key: math.nan
        if value == NOT_FINITE
        else _unmarked(value, below - 1)
        if below and isinstance(value, dict)
        else value
        for key, value in level.items()
    }
