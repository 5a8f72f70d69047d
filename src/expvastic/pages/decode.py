"""From the bytes of a page to its JSON object.

Theory of operation: a strict, fast decoder takes the pages that are JSON. What it refuses is looked at again, because
programs print what JSON has no word for: Go writes ``NaN`` and ``+Inf`` into its expvar pages. The second decoder is
the standard library's; what that refuses it is given again, after a substitution that leaves strings alone, which makes
Go's words its own. It gives infinities, NaN and strings with
lone surrogates, which are left out value by value when the page is flattened; everything else it refuses like the
first. Both give the same for whatever both accept.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Mapping

import msgspec

from ..errors import InvalidPayload

_DIGITS = 400  # an integer of more digits is above the largest double
# A string that does not end is taken whole, so that the page is gone over once, whatever is in it.
_NOT_A_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|(?<![-+])[-+]?\b(?:NaN|Inf(?:inity)?)\b', re.DOTALL)
_decode = msgspec.json.Decoder().decode


def decode(body: bytes | Mapping[str, object]) -> Mapping[str, object]:
    """The object that a page is; integers are exact, of a repeated key the last value counts.

    Values that JSON cannot hold are there as infinities, NaN or text with lone surrogates. Raises InvalidPayload with
    reason ``not_json``, ``too_deep`` or ``not_object``.
    """
    if isinstance(body, Mapping):
        return body
    try:
        page = _decode(body)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        page = _decode_leniently(body, str(error))
    if not isinstance(page, dict):
        raise InvalidPayload("not_object", f"the page is JSON, but not an object: {_excerpt(body)}")
    return page


def decode_refused(body: bytes) -> Mapping[str, object] | None:
    """The object that a page is whose bytes the strict decoder is known to refuse; None if it is none."""
    try:
        page = _decode_leniently(body, "")
    except InvalidPayload:
        return None
    return page if isinstance(page, dict) else None


def _decode_leniently(body: bytes, complaint: str) -> object:
    text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    try:
        return _LARGE.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # spelled in Go's way, an integer beyond all measure, or no JSON at all
        pass
    try:
        return _LENIENT.decode(_NOT_A_NUMBER.sub(_spell, text))
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise InvalidPayload("not_json", f"the page is not JSON: {_excerpt(body)} ({complaint})") from None


def _spell(found: re.Match[str]) -> str:
    """Whatever a program prints for a number that is none, as the lenient decoder knows it."""
    word = found[0]
    if word[0] == '"':
        return word
    if word.endswith("NaN"):
        return "NaN"
    return "-Infinity" if word[0] == "-" else "Infinity"


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.inf


_LENIENT = json.JSONDecoder(parse_int=_integer)
_LARGE = json.JSONDecoder()  # nothing of it is Python's, which makes it ten times as fast as the other


def _too_deep() -> InvalidPayload:
    return InvalidPayload("too_deep", "the page is nested too deeply to be read")


def _excerpt(body: bytes) -> str:
    """The beginning of a page, fit for one line of a log."""
    if not body:
        return "it is empty"
    return f"it begins with {body[:40].decode('utf-8', 'replace')!r}"
