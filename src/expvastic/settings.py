"""The words that settings are written in: durations, sizes, lists.

A settings class stands beside what it configures, in the module of that part; this module holds what they share.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)")
_NUMBER = re.compile(r"\+?(?:\d+(?:\.\d*)?|\.\d+)")
_DURATION = re.compile(rf"\+?(?:{_PART.pattern})+")
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_LONGEST = 40  # characters of a duration or size
_FOREVER = 100 * 365.25 * 86400
_SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_SIZES)})", re.IGNORECASE)


class SettingsModel(BaseModel):
    """What every settings class is: closed for unknown keys, frozen, described field by field."""

    # Validators are built when they are first used: most classes never are in one run, and each takes a millisecond.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @classmethod
    def unsaid(cls) -> Self:
        """What it is if nothing is said: all defaults, without building the validator.

        For classes alone in which every key has a default, and no validator looks at them together.
        """
        return cls.model_construct()

    @classmethod
    def needs_validator(cls) -> bool:
        """Whether the validator has a say even if nothing is said."""
        is_required = any(field.is_required() for field in cls.model_fields.values())
        return is_required or bool(cls.__pydantic_decorators__.model_validators)

    def remarks(self) -> Iterable[tuple[str, str]]:
        """What is allowed and yet worth a word to the user: the key, and the word."""
        return ()


def description_of(model: type[BaseModel], name: str) -> str:
    """What the text below a field says, where it or a class above it has the field.

    Read from the source when somebody asks, for reading it at every start would cost a tenth of the start.
    """
    import inspect

    for above in model.__mro__:
        if name in inspect.get_annotations(above):
            return _texts_below_fields(above).get(name, "")
    return ""


@functools.cache
def _texts_below_fields(model: type) -> Mapping[str, str]:
    import ast
    import inspect
    import itertools
    import textwrap

    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in itertools.pairwise(body.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            found[field.target.id] = inspect.cleandoc(ast.literal_eval(below.value))
    return found


def parse_duration(value: Any) -> float:
    """Seconds from Go's spelling (``500ms``, ``1m30s``; ``d`` for days besides) or from a number of seconds.

    Raises ValueError for anything else, and for what is not above zero.
    """
    if isinstance(value, str) and len(value) <= _LONGEST and _DURATION.fullmatch(value.strip()):
        seconds = math.fsum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    elif (isinstance(value, str) and len(value) <= _LONGEST and _NUMBER.fullmatch(value.strip())) or (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ):
        seconds = float(value)
    else:
        raise ValueError("not a duration; write it like 500ms, 10s or 1m30s")
    if seconds <= 0:
        raise ValueError("must be longer than zero")
    if seconds > _FOREVER:
        raise ValueError("must not be longer than 100 years")
    return seconds


def parse_size(value: Any) -> int:
    """Bytes from a number or from ``10 MB``, ``32 MiB`` and the like. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif (
        isinstance(value, str)
        and len(value) <= _LONGEST
        and (match := _SIZE.fullmatch(value.strip()))
        and match[2].lower() in _SIZES
    ):
        size = round(float(match[1]) * _SIZES[match[2].lower()])
    else:
        raise ValueError("not a size; write it like 500000, 10 MB or 32 MiB")
    if size <= 0:
        raise ValueError("must be larger than zero")
    if size >= 2**63:
        raise ValueError("must be less than 2^63 bytes")
    return size


def parse_words(value: Any) -> Any:
    """A list as it is; one scalar split at blanks where a list is meant."""
    return value.split() if isinstance(value, str) else value


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": ["string", "number"], "examples": ["500ms", "10s", "1m30s"]}),
]
ByteSize = Annotated[
    int, BeforeValidator(parse_size), WithJsonSchema({"type": ["string", "integer"], "examples": [500000, "10 MB"]})
]
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_words),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
