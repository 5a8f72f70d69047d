"""The JSON Schema for editors says of files what loading them says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from configured import CATALOGUE, complaints, with_reader
from expvastic.config import json_schema
from expvastic.config.catalogue import installed, settings_of

SCHEMA = json_schema(CATALOGUE)
KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
UNDERSTOOD = {
    *("$schema", "$defs", "$ref", "title", "description", "default", "examples", "writeOnly", "format"),
    *("type", "properties", "required", "additionalProperties", "minProperties", "anyOf", "const", "enum", "pattern"),
    *("items", "minItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "propertyNames"),
}


def accepts(schema: Any, value: Any, root: Mapping[str, Any]) -> bool:
    """Whether a schema accepts a value: as much of JSON Schema as ours uses."""
    assert schema.keys() <= UNDERSTOOD, schema.keys() - UNDERSTOOD
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root)
    if "anyOf" in schema and not any(accepts(option, value, root) for option in schema["anyOf"]):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = schema.get("type", [])
    if kinds and not any(is_a(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if isinstance(value, str):
        return not ("pattern" in schema and not re.search(schema["pattern"], value))
    if isinstance(value, Sequence):
        enough = len(value) >= schema.get("minItems", 0)
        return enough and all(accepts(schema.get("items", {}), item, root) for item in value)
    return (
        accepts_object(schema, value, root) if isinstance(value, Mapping) else value is None or in_range(schema, value)
    )


def is_a(kind: str, value: object) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def in_range(schema: Any, value: float) -> bool:
    return bool(
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and value > schema.get("exclusiveMinimum", value - 1)
        and value < schema.get("exclusiveMaximum", value + 1)
    )


def accepts_object(schema: Any, value: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    if not set(schema.get("required", [])) <= value.keys() or len(value) < schema.get("minProperties", 0):
        return False
    for name, item in value.items():
        inner = properties.get(name, others)
        if inner is False or (inner is not True and not accepts(inner, item, root)):
            return False
    return True


GOOD = [
    with_reader("endpoint: h:1"),
    with_reader("endpoint: h:1", "interval: 5", "limit: 10 MB", "backoff: 3", "tags: {a: b}"),
    with_reader("endpoint: h:1", "backoff: '${BACKOFF:-3}'", "cmdline: '${C:-true}'", "log_level: '${L:-info}'"),
    with_reader("endpoint: h:1", "password: a", "headers: {X_file: /dev/fd/0}").replace("X_file: /dev/fd/0", "X: b"),
    with_reader("endpoint: h:1", "include: a b", "alone: [a]", "follow: true"),
    with_reader("endpoint: h:1", "include: [a, b]", "alone: a", "follow: same_host"),
    with_reader("endpoint: h:1").replace("{type: sink}", "{type: sink, batch: {count: 1}, buffer: {max_age: 1h}}"),
    "settings: {log_level: debug, grace: 5s, listen: '127.0.0.1:80'}\n" + with_reader("endpoint: h:1"),
]
BAD = [
    "a: 1\n" + with_reader("endpoint: h:1"),
    "settings: {log_level: loud}\n" + with_reader("endpoint: h:1"),
    with_reader(),
    with_reader("endpoint: 5"),
    with_reader("endpoint: h:1", "endpint: h:1"),
    with_reader("endpoint: h:1", "backoff: 0"),
    with_reader("endpoint: h:1", "backoff: many"),
    with_reader("endpoint: h:1", "interval: {a: 1}"),
    with_reader("endpoint: h:1", "tags: [a]"),
    with_reader("endpoint: h:1", "follow: 7"),
    with_reader("endpoint: h:1", "ratio: 2"),
    with_reader("endpoint: h:1").replace("type: probe", "type: prob"),
    with_reader("endpoint: h:1").replace("{type: sink}", "{type: sink, batch: {cnt: 1}}"),
    with_reader("endpoint: h:1").replace("readers: app, ", ""),
]


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_is_accepted(text: str, tmp_path: Path) -> None:
    assert complaints(text, tmp_path) == []
    assert accepts(SCHEMA, yaml.safe_load(text), SCHEMA)


@pytest.mark.parametrize("text", BAD)
def test_what_does_not_load_is_not_accepted(text: str, tmp_path: Path) -> None:
    assert complaints(text, tmp_path)
    assert not accepts(SCHEMA, yaml.safe_load(text), SCHEMA)


def test_the_types_that_come_with_expvastic_have_a_schema_that_takes_the_examples() -> None:
    schema = json_schema()
    root = Path(__file__).parent.parent

    for path in (root / "examples" / "expvastic.yml", root / "tests" / "configurations" / "seed.yml"):
        text = path.read_text(encoding="utf-8").replace("debug_evel", "log_level")
        assert accepts(schema, yaml.safe_load(text), schema), path


def test_every_type_has_its_own_keys_told_apart_by_the_type() -> None:
    schema = json_schema()
    known: dict[str, Mapping[str, type[Any]]] = {"reader": installed().readers, "recorder": installed().recorders}

    for noun, classes in known.items():
        for kind, plugin in classes.items():
            own = schema["$defs"][f"{noun}-{kind}"]
            assert own["properties"]["type"] == {"const": kind}
            assert own["additionalProperties"] is False
            assert settings_of(plugin).model_fields.keys() <= own["properties"].keys()


def test_every_key_has_a_description_and_defaults_are_there() -> None:
    probe = SCHEMA["$defs"]["reader-probe"]["properties"]

    assert all(value.get("description") for key, value in probe.items() if key != "type")
    assert (probe["interval"]["default"], probe["limit"]["default"]) == (10.0, 1000)
    assert "default" not in probe["endpoint"]


def test_a_secret_has_its_twin_beside_it() -> None:
    probe = SCHEMA["$defs"]["reader-probe"]["properties"]

    assert probe["password"] == {"type": "string", "description": "With what."}
    assert probe["password_file"]["description"] == "The file that holds `password`."


def test_the_schema_is_json_of_the_draft_that_it_names() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
