"""What the validator and the YAML parser say, in short, plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .complaints import listed

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from yaml import MarkedYAMLError

_LIST = "must be a list, like [a, b]"
_MAPPING = "must be a mapping, like {{name: value}}"
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
    "assertion_error": "{error}",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
}


def worded(error: ErrorDetails, choices: Sequence[str] = ()) -> str:
    """Return one verdict in our words."""
    if error["type"] in ("literal_error", "enum") and choices:
        return f"must be {listed(choices)}"
    context: Mapping[str, Any] = error.get("ctx", {})
    if context.get("min_length") == 1:
        return "must not be empty"
    words = _WORDS.get(error["type"])
    if words is None:
        return error["msg"].replace("Input should", "must", 1)
    return words.format(**{name: str(value) for name, value in context.items()})


def joined(messages: Sequence[str]) -> str:
    """Return the verdicts on one value, one per form that it could have had, as one sentence."""
    different = list(dict.fromkeys(messages))
    if all(message.startswith("must be ") for message in different):
        return "must be " + listed(message.removeprefix("must be ") for message in different)
    return "; ".join(different)


def yaml_problem(error: MarkedYAMLError, text: str) -> str:
    """Return what the YAML parser finds wrong with a text."""
    problem = error.problem or "cannot be read"
    index = error.problem_mark.index if error.problem_mark else len(text)
    character = text[index : index + 1]
    if character == "\t" and "character" in problem:
        return "not YAML: a tab cannot indent; use blanks"
    if character and character in "@`%" and "cannot start" in problem:
        return f"not YAML: a value cannot begin with {character}; put it in quotes"
    if "values are not allowed" in problem:
        return "not YAML: a key where none can stand; check the indentation, or put a text that holds ': ' in quotes"
    if error.context and error.context_mark:
        return f"not YAML: {problem} {error.context} that begins in line {error.context_mark.line + 1}"
    return f"not YAML: {problem}"


def yaml_line(error: MarkedYAMLError, text: str) -> int:
    """Return the line that the YAML parser complains about, which is never behind the end of the text."""
    mark = error.problem_mark or error.context_mark
    lines = text.rstrip().count("\n") + 1
    return min(mark.line + 1, lines) if mark else lines
