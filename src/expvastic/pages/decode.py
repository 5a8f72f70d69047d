"""From the bytes of a page to its JSON object."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..errors import InvalidPayload

_decode = msgspec.json.Decoder().decode


def decode(body: bytes | Mapping[str, object]) -> Mapping[str, object]:
    """The object that a page is; integers of any length are exact, of a repeated key the last value counts.

    Raises InvalidPayload with reason ``not_json``, ``too_deep`` or ``not_object``.
    """
    if isinstance(body, Mapping):
        return body
    try:
        page = _decode(body)
    except RecursionError:
        raise InvalidPayload("too_deep", "the page is nested too deeply to be read") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidPayload("not_json", f"the page is not JSON: {_excerpt(body)} ({error})") from error
    if not isinstance(page, dict):
        raise InvalidPayload("not_object", f"the page is JSON, but not an object: {_excerpt(body)}")
    return page


def _excerpt(body: bytes) -> str:
    """The beginning of a page, fit for one line of a log."""
    if not body:
        return "it is empty"
    return f"it begins with {body[:40].decode('utf-8', 'replace')!r}"
