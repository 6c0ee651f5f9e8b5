"""Validation of a document against stored JSON Schema, where the block's class need not be installed."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from typecase.blocks.documents.masking import Schema, SchemaOf
from typecase.blocks.documents.references import find_inline, steps
from typecase.blocks.errors import InvalidDocument, TypecaseError
from typecase.blocks.markers import BLOCK, SECRET, TYPE
from typecase.blocks.schema import BLOCK_KEY, KIND_KEY
from typecase.blocks.secrets.reference import is_reference, problem_of

if TYPE_CHECKING:
    from jsonschema import ValidationError

Problem = tuple[str, str, str]


def validate_document(data: Mapping[str, Any], schema: Schema, *, schema_of: SchemaOf) -> None:
    """Raise `InvalidDocument` unless `data` fits `schema`; its problems name paths and rules, never values.

    A block reference fits anywhere a block may stand; an inline block is checked against its own type's schema.
    """
    problems = [*_unusable(data), *_problems(data, schema)]
    for pointer, slug, version, fields in find_inline(data):
        inline_path = pointer.strip("/").replace("/", ".")
        try:
            inline_schema = schema_of(slug, version).schema
        except TypecaseError as error:
            problems.append((inline_path, "type", error.message))
            continue
        problems.extend((f"{inline_path}.{path}", rule, text) for path, rule, text in _problems(fields, inline_schema))
    if problems:
        lines = "".join(f"\n  {path or '(document)'}: {text}" for path, _, text in problems)
        raise InvalidDocument(f"The document does not fit the schema of its type:{lines}", problems=tuple(problems))


class _BlockHere(dict[str, Any]):
    """Stands for a block reference or an inline block while the document around it is checked."""


class _SecretThere(dict[str, Any]):
    """Stands for a value that is in a secret store: it is checked where it is resolved."""


def _problems(data: Mapping[str, Any], schema: Schema) -> Iterator[Problem]:
    fields = {key: _prepare(item) for key, item in data.items()}
    for error in _validator()(schema).iter_errors(fields if not is_reference(data) else _SecretThere()):
        yield from _explain(error)


def _prepare(data: Any) -> Any:
    """Return `data` as its schema knows it: blocks marked, the doubled `$` of plain dict keys undone."""
    if is_reference(data):
        return _SecretThere()
    if isinstance(data, Mapping):
        if BLOCK in data or TYPE in data:
            return _BlockHere()
        return {key[1:] if key.startswith("$$") else key: _prepare(item) for key, item in data.items()}
    return [_prepare(item) for item in data] if isinstance(data, list | tuple) else data


def _unusable(data: Any, path: str = "") -> Iterator[Problem]:
    if is_reference(data):
        problem = problem_of(data)
        if problem:
            yield path, "secret", f"a reference to a secret {problem}"
        return
    if isinstance(data, Mapping) and SECRET in data:
        yield path, "secret", "a masked secret cannot be saved: give its value, or leave the field out"
        return
    for step, item in steps(data):
        yield from _unusable(item, f"{path}.{step}" if path else step)


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator, validators

    keywords = {
        name: _unless_block(function)
        for name, function in {**Draft202012Validator.VALIDATORS, "propertyNames": _check_keys}.items()
    }
    return validators.extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]  # untyped in the stubs


def _unless_block(function: Callable[..., Any]) -> Callable[..., Any]:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, _SecretThere):
            return
        if isinstance(instance, _BlockHere) and (BLOCK_KEY in schema or KIND_KEY in schema):
            return
        yield from function(validator, value, instance, schema) or ()

    return check


def _check_keys(validator: Any, rule: Any, instance: Any, _: Any) -> Iterator[Any]:
    """Check keys as pydantic reads them: a number or a boolean is one that is written as text."""
    for key in instance if isinstance(instance, dict) else ():
        errors = list(validator.descend(key, rule))
        if errors and not any(validator.evolve(schema=rule).is_valid(read) for read in _readings(key)):
            yield from errors


def _readings(key: str) -> Iterator[Any]:
    try:
        yield json.loads(key)
    except ValueError:
        return


def _explain(error: "ValidationError") -> Iterator[Problem]:
    path = ".".join(map(str, error.absolute_path))
    rule = str(error.validator)
    wanted: Any = error.validator_value
    given: Any = error.instance
    if rule == "required":
        missing = [name for name in wanted if name not in given]
        name = next((name for name in missing if repr(name) in error.message), missing[0])
        yield f"{path}.{name}" if path else name, rule, "is required"
    elif rule == "additionalProperties":
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        for name in given:
            if name not in known:
                yield f"{path}.{name}" if path else name, rule, "is not a field of this type"
    else:
        yield path, rule, _SENTENCES.get(rule, "breaks the rule {rule!r}").format(rule=rule, wanted=_words(wanted))


def _words(wanted: Any) -> str:
    if isinstance(wanted, list | tuple):
        return " or ".join(repr(item) for item in wanted if not isinstance(item, Mapping))
    return "" if isinstance(wanted, Mapping) else str(wanted)


_SENTENCES = {
    "type": "must be of type {wanted}",
    "enum": "must be one of {wanted}",
    "const": "must be {wanted}",
    "anyOf": "fits none of the allowed forms",
    "oneOf": "must fit exactly one of the allowed forms",
    "minimum": "must be at least {wanted}",
    "maximum": "must be at most {wanted}",
    "exclusiveMinimum": "must be more than {wanted}",
    "exclusiveMaximum": "must be less than {wanted}",
    "multipleOf": "must be a multiple of {wanted}",
    "minLength": "must have at least {wanted} characters",
    "maxLength": "must have at most {wanted} characters",
    "pattern": "must match {wanted}",
    "minItems": "must have at least {wanted} items",
    "maxItems": "must have at most {wanted} items",
    "uniqueItems": "must not repeat an item",
}
