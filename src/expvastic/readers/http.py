"""Reads any JSON object that is to be had by GET or POST."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from ..clients.paths import make_fetcher
from ..clients.target import TargetSettings
from ..datatypes import Page, Reading
from ..errors import InvalidPayload
from ..reader import Reader
from ..telemetry import Snapshot

_POINTER = re.compile(r"(?:/(?:[^/~]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def _check_body(value: object) -> object:
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("must be text, or a mapping that is sent as JSON")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError("holds something that JSON has no word for; put it in quotes") from error
    return value


def _check_pointer(text: str) -> str:
    if not _POINTER.fullmatch(text):
        raise ValueError("not a JSON Pointer; write it like /a/b, with ~1 for a slash in a name and ~0 for a tilde")
    return text


Method = Annotated[
    Literal["GET", "POST"], BeforeValidator(lambda text: text.upper() if isinstance(text, str) else text)
]
RequestBody = Annotated[
    str | dict[str, Any], PlainValidator(_check_body), WithJsonSchema({"type": ["string", "object"]})
]


class HttpSettings(TargetSettings):
    """A page that is a JSON object."""

    method: Method = "GET"
    """How it is asked for."""
    body: Annotated[RequestBody | None, Field(repr=False)] = None
    """Sent with a POST: text as it is, a mapping as JSON. It is called `application/json` unless `headers` say
    otherwise."""
    pointer: Annotated[str, AfterValidator(_check_pointer)] = ""
    """Where in the page the object begins, as a JSON Pointer like `/data/stats`; the whole page unless given."""

    @model_validator(mode="after")
    def _check_body_has_method(self) -> Self:
        if self.body is not None and self.method != "POST":
            raise ValueError("body needs method: POST")
        return self


class HttpReader(Reader[HttpSettings]):
    """One target with a JSON page, polled."""

    settings_type = HttpSettings
    prefix = "json"

    def __init__(self, settings: HttpSettings, snapshot: Callable[[], Snapshot]) -> None:
        super().__init__(settings, snapshot)
        body = settings.body or ""
        content = body if isinstance(body, str) else json.dumps(body)
        self._fetcher = make_fetcher(settings, settings.method, content.encode(), "application/json" if content else "")

    @property
    def target(self) -> str:
        return self.settings.target.address

    async def read(self) -> Reading:
        body, time, duration = await self._fetcher.fetch()
        pointer = self.settings.pointer
        found = _resolve(body, pointer, self.target) if pointer else body
        return Reading(time, duration, (Page(found, "http"),))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._fetcher.aclose()


def _resolve(body: bytes, pointer: str, where: str) -> Mapping[str, object]:
    """The object below the page's root that a JSON Pointer (RFC 6901) leads to.

    Raises InvalidPayload with reason ``pointer``, or as decoding the page does.
    """
    from ..pages.decode import decode

    found: object = decode(body)
    for step in pointer.split("/")[1:]:
        found = _step(found, step.replace("~1", "/").replace("~0", "~"))
    if isinstance(found, Mapping):
        return found
    what = "to nothing" if found is None else "to something that is no object"
    raise InvalidPayload("pointer", f"{where}: pointer {pointer!a} leads {what} in its page")


def _step(found: object, key: str) -> object:
    """One step down; None where there is nothing."""
    if isinstance(found, Mapping):
        return found.get(key)
    if isinstance(found, Sequence) and not isinstance(found, str) and _INDEX.fullmatch(key) and int(key) < len(found):
        return found[int(key)]
    return None
