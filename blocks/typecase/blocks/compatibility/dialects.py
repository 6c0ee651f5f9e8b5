"""Older drafts of JSON Schema, read as draft 2020-12; malformed schemas, refused."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from typecase.blocks.errors import InvalidBlockType

Schema = Mapping[str, Any] | bool

_OLD: Final = ("draft-03", "draft-04", "draft-05", "draft-06", "draft-07")

SINGLE: Final = frozenset(
    {"items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else",
     "unevaluatedItems", "unevaluatedProperties", "contentSchema"}
)  # fmt: skip
NAMED: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
LISTED: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})


def malformed(keyword: str) -> InvalidBlockType:
    """Return the error for a keyword whose value no draft allows."""
    message = f"The JSON Schema is malformed at {keyword!r}."
    return InvalidBlockType(message, hint="Register the schema that pydantic generates for the class.", keyword=keyword)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and (isinstance(value, int) or value.is_integer())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def _is_type(value: Any) -> bool:
    names = {"null", "boolean", "integer", "number", "string", "array", "object"}
    return value in names if isinstance(value, str) else _is_names(value) and set(value) <= names


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_SHAPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "type": _is_type,
    "enum": lambda value: isinstance(value, list | tuple),
    "required": _is_names,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "uniqueItems": lambda value: isinstance(value, bool),
    "dependentRequired": lambda value: isinstance(value, Mapping) and all(map(_is_names, value.values())),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
    **dict.fromkeys(("minContains", "maxContains"), _is_count),
    **dict.fromkeys(("$ref", "pattern", "format", "contentEncoding", "contentMediaType"), _is_text),
    **dict.fromkeys(("x-typecase-kind", "x-typecase-block"), _is_text),
}


def modernise(schema: Schema) -> Schema:
    """Return a copy of `schema` in terms of draft 2020-12. Raises `InvalidBlockType` for what no draft allows."""
    declared = schema.get("$schema") if isinstance(schema, Mapping) else None
    old = isinstance(declared, str) and any(draft in declared for draft in _OLD)
    return _schema(schema, "$schema", old=old)


def _schema(schema: Any, keyword: str, *, old: bool) -> Schema:
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, Mapping) or not all(isinstance(name, str) for name in schema):
        raise malformed(keyword)
    found = _translated(schema, old=old)
    result: dict[str, Any] = {}
    for name, value in found.items():
        if name in SINGLE:
            result[name] = _schema(value, name, old=old)
        elif name in NAMED:
            if not isinstance(value, Mapping):
                raise malformed(name)
            result[name] = {key: _schema(item, name, old=old) for key, item in value.items()}
        elif name in LISTED:
            if not isinstance(value, list | tuple):
                raise malformed(name)
            result[name] = [_schema(item, name, old=old) for item in value]
        elif name in _SHAPES and not _SHAPES[name](value):
            raise malformed(name)
        else:
            result[name] = value
    return result


def _translated(schema: Mapping[str, Any], *, old: bool) -> dict[str, Any]:
    if old and "$ref" in schema:
        # Before draft 2019-09 whatever stands beside a $ref does not count.
        kept = ("$ref", "$defs", "definitions", "$schema", "$id", "id")
        return {name: schema[name] for name in kept if name in schema}
    result = dict(schema)
    if isinstance(schema.get("items"), list | tuple):
        result["prefixItems"] = result.pop("items")
        if "additionalItems" in schema:
            result["items"] = result.pop("additionalItems")
    for plain, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and result.pop(exclusive) and plain in result:
            result[exclusive] = result.pop(plain)
    if isinstance(schema.get("dependencies"), Mapping):
        both = result.pop("dependencies")
        result["dependentRequired"] = {k: v for k, v in both.items() if isinstance(v, list | tuple)} | dict(
            result.get("dependentRequired", {})
        )
        result["dependentSchemas"] = {k: v for k, v in both.items() if not isinstance(v, list | tuple)} | dict(
            result.get("dependentSchemas", {})
        )
    return result
