"""Validators that take a placeholder where a class has a secret. Built from pydantic's own."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, get_origin

from pydantic import BaseModel, Secret, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, core_schema

from typecase.blocks.errors import SecretMalformed
from typecase.blocks.sanitizing import forgetful, invalid_block

if TYPE_CHECKING:
    from typecase.blocks.block import Block

_OPAQUE: Final = frozenset({"metadata", "serialization", "function", "config", "cls", "default", "expected"})
_CHECKS: Final = frozenset({"function-after", "function-before"})
_OWN_WORDS: Final = frozenset({"value_error", "assertion_error"})


@lru_cache(maxsize=512)
def taking_placeholders(cls: "type[Block]", *, checks: bool = True) -> SchemaValidator:
    """Return the validator of `cls` that also takes the tokens of its context's `slots`, at fields and at secrets.

    Without `checks` the class's own model validators do not run: they would ask for values that nobody has fetched.
    """
    schema: Any = cls.__pydantic_core_schema__
    if not checks:
        schema = _unchecked(schema)
    return SchemaValidator(_with_doors(schema), _use_prebuilt=False)


def field_check(cls: "type[Block]", name: str) -> Callable[[Any], Any]:
    """Return what checks a fetched value as the field `name` of `cls` would; it raises `SecretMalformed`."""
    return partial(_checked, partial(_field_validator, cls, name), f"the field {name!r} of {cls.__name__}")


@forgetful
def _checked(validator_of: Callable[[], Any], place: str, value: Any) -> Any:
    validator = validator_of()
    try:
        if isinstance(value, bytes):
            found = validator.validate_python(value)
        else:
            found = validator.validate_json(json.dumps(value))
    except ValidationError as error:
        problems = invalid_block(BaseModel, "", error, value).problems
        rules = [rule if rule in _OWN_WORDS else sentence for _, rule, sentence in problems]
    else:
        return found.get_secret_value() if hasattr(found, "get_secret_value") else found
    reason = "; ".join(dict.fromkeys(rules))
    message = f"The secret does not fit {place}: {reason}."
    raise SecretMalformed(message, hint="Correct it in the store, or refer to another one.", reason="unfit")


def inner_check(annotations: Iterable[Any]) -> Callable[[Any], Any] | None:
    """Return what reads a fetched value inside a field as its `Secret[T]` would, None where there is none."""
    for annotation in annotations:
        origin = get_origin(annotation)
        if isinstance(origin, type) and issubclass(origin, Secret):
            return partial(_checked, partial(_validator_of, annotation), "a field")
    return None


def _validator_of(annotation: Any) -> Any:
    return TypeAdapter(annotation).validator


@lru_cache(maxsize=1024)
def _field_validator(cls: "type[Block]", name: str) -> SchemaValidator:
    schema: Any = cls.__pydantic_core_schema__
    shared = schema["definitions"] if schema["type"] == "definitions" else []
    fields = _fields_of(schema, shared)
    node = fields[name]["schema"]
    if shared:
        node = core_schema.definitions_schema(node, shared)
    return SchemaValidator(node, core_schema.CoreConfig(val_json_bytes="utf8", hide_input_in_errors=True))


def _fields_of(schema: Mapping[str, Any], shared: list[Any]) -> Mapping[str, Any]:
    while schema["type"] != "model-fields":
        if schema["type"] == "definition-ref":
            schema = next(item for item in shared if item["ref"] == schema["schema_ref"])
        else:
            schema = schema["schema"]
    fields: Mapping[str, Any] = schema["fields"]
    return fields


def _unchecked(schema: Any) -> Any:
    if schema["type"] in _CHECKS:
        inner = _unchecked(schema["schema"])
        # What other schemas call this one by must stay.
        return {**inner, "ref": schema["ref"]} if "ref" in schema else inner
    if schema["type"] == "function-wrap":
        return {**schema, "schema": _unchecked(schema["schema"])}
    if schema["type"] == "definitions":
        return {**schema, "schema": _unchecked(schema["schema"])}
    return schema


def _with_doors(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return type(node)(_with_doors(item) for item in node)
    if not isinstance(node, dict):
        return node
    if _is_secret(node):
        return _door(node)
    built = {key: item if key in _OPAQUE else _with_doors(item) for key, item in node.items()}
    if node.get("type") == "model-field":
        inner = built["schema"]
        if inner["type"] == "default":
            built["schema"] = {**inner, "schema": _door(inner["schema"])}
        else:
            built["schema"] = _door(inner)
    return built


def _is_secret(node: Mapping[str, Any]) -> bool:
    if node.get("type") not in {"lax-or-strict", "json-or-python"}:
        return False
    inner = node["lax_schema"] if node["type"] == "lax-or-strict" else node
    function = inner.get("serialization", {}).get("function")
    return getattr(function, "__module__", "") == "pydantic.types" and "secret" in getattr(function, "__name__", "")


def _door(schema: Any) -> Any:
    return core_schema.with_info_wrap_validator_function(_enter, schema)


def _enter(value: Any, handler: Any, info: Any) -> Any:
    slots = getattr(info.context, "slots", None)
    if slots and type(value) is str and value in slots:
        return slots[value]
    return handler(value)
