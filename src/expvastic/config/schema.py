"""The JSON Schema of the configuration, for editors: every type with its own keys, descriptions and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from ..delivery import DeliverySettings
from ..engine import EngineSettings
from ..pages.settings import InterpreterSettings
from ..settings import SettingsModel, description_of
from .catalogue import Catalogue, installed, settings_of
from .plans import RecorderNaming, Settings
from .shapes import TWIN, Sort, Taken, shape_of

Schema = dict[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{", "description": "Filled in from the environment."}
_NAMES: Schema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}


def json_schema(catalogue: Catalogue | None = None) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a configuration file."""
    types = catalogue or installed()
    defs: Schema = {"variable": _VARIABLE}
    route = _object({"readers": _NAMES, "recorders": _NAMES}, ["readers", "recorders"])
    properties = {
        "settings": _described(Settings, (Settings,), defs),
        "readers": _named(types.readers, (EngineSettings, InterpreterSettings), "reader", defs),
        "recorders": _named(types.recorders, (DeliverySettings, RecorderNaming), "recorder", defs),
        "routes": _table(route, "Every reader of a route goes to every recorder of it."),
    }
    schema = _object(properties, ["readers", "recorders", "routes"])
    return {"$schema": _DRAFT, "title": "expvastic configuration", **schema, "$defs": defs}


def _named(classes: Mapping[str, Any], models: tuple[type[SettingsModel], ...], noun: str, defs: Schema) -> Schema:
    """Return the schema of a mapping from names to readers or recorders, told apart by their type."""
    alternatives = []
    for kind, plugin in classes.items():
        own = settings_of(plugin)
        schema = _described(own, (*models, own), defs)
        schema["properties"] = {"type": {"const": kind}, **schema["properties"]}
        schema["required"] = ["type", *schema.get("required", [])]
        defs[f"{noun}-{kind}"] = schema
        alternatives.append({"$ref": f"#/$defs/{noun}-{kind}"})
    any_type: Schema = {"required": ["type"], "properties": {"type": {"enum": list(classes)}}, "anyOf": alternatives}
    return _table(any_type, f"What each {noun} is called, and what it is.")


def _described(about: type[SettingsModel], models: Iterable[type[SettingsModel]], defs: Schema) -> Schema:
    """Return the schema of a section whose keys belong to several settings classes."""
    properties: Schema = {}
    required: list[str] = []
    for model in models:
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        for name, nested in schema.pop("$defs", {}).items():
            nested_model = _nested(model, name)
            defs[name] = _described(nested_model, (nested_model,), defs) if nested_model else nested
        for name, taken in shape_of(model).keys.items():
            properties |= _property(name, schema["properties"][name], taken, description_of(model, name))
            if model.model_fields[name].is_required() and taken.sort is not Sort.SECRET:
                required.append(name)
    description = inspect.cleandoc(about.__doc__ or "")
    return {"description": description, **_object(properties, required)}


def _nested(model: type[SettingsModel], name: str) -> type[SettingsModel] | None:
    """Return the class of a section within a section, by the name that its definition has."""
    nested = [taken.model for taken in shape_of(model).keys.values() if taken.model]
    return next((each for each in nested if each.__name__ == name), None)


def _property(name: str, schema: Schema, taken: Taken, description: str) -> Schema:
    """Return the property of one key, with a secret's twin beside it."""
    schema = {key: value for key, value in schema.items() if key not in ("title", "format", "writeOnly")}
    schema["description"] = " ".join(description.split())
    if taken.sort in (Sort.NUMBER, Sort.FLAG, Sort.CHOICE, Sort.OTHER):
        outer: Schema = {key: schema.pop(key) for key in ("description", "default") if key in schema}
        schema = {**outer, "anyOf": [*(schema.get("anyOf") or [schema]), {"$ref": "#/$defs/variable"}]}
    elif taken.sort is Sort.LIST and "type" in schema:
        outer = {key: schema.pop(key) for key in ("description", "default") if key in schema}
        schema = {**outer, "anyOf": [{"type": "string"}, schema]}
    if taken.sort is Sort.SECRET:
        schema = {"type": "string", "description": schema["description"]}
        return {name: schema, name + TWIN: {"type": "string", "description": f"The file that holds `{name}`."}}
    return {name: schema}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _table(items: Schema, description: str) -> Schema:
    return {"type": "object", "description": description, "minProperties": 1, "additionalProperties": items}
