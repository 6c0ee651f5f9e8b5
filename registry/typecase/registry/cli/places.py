"""Places in a block's form: what may stand there, in words and as values."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from typecase.blocks.fields import FORM_KEY
from typecase.blocks.schema import BLOCK_KEY, KIND_KEY, branches, follow
from typecase.blocks.secrets.reference import is_reference

Schema = Mapping[str, Any]

_WORDS: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "yes or no"}
_FORMATS: Final = {
    "date-time": "time",
    "date": "date",
    "time": "time of day",
    "duration": "duration",
    "uri": "URL",
    "path": "path",
    "file-path": "path of a file",
    "directory-path": "path of a directory",
    "uuid": "UUID",
    "email": "e-mail address",
    "base64url": "bytes (base64)",
    "binary": "bytes",
}
_PYTHON: Final[dict[str, type | tuple[type, ...]]] = {
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
}
_TRUE: Final = frozenset({"true", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "off", "0"})


@dataclass(frozen=True)
class Place:
    """A field, item or value of a form, at a dotted `path`, with the schema that describes it."""

    schema: Schema
    root: Schema
    path: str = ""
    required: bool = False

    @cached_property
    def options(self) -> tuple[Schema, ...]:
        """Every schema that a value here may have, null apart, with `$ref`s followed."""
        found: list[Schema] = []
        pending, met = [self.schema], set[int]()
        while pending:
            schema = follow(pending.pop(0), self.root)
            if id(schema) in met or schema.get("type") == "null":
                continue
            met.add(id(schema))
            inner = list(branches(schema))
            if inner:
                pending[:0] = inner
            else:
                found.append(schema)
        return tuple(found)

    @property
    def secret(self) -> bool:
        """Whether a secret stands here."""
        return any(schema.get("writeOnly") for schema in (self.schema, *self.options))

    @property
    def block(self) -> str:
        """The block type or kind that stands here, in words; empty where no block stands."""
        for schema in self.options:
            if BLOCK_KEY in schema:
                return f"{schema[BLOCK_KEY]} block"
            if KIND_KEY in schema:
                return "block" if schema[KIND_KEY] == "Block" else f"block of kind {schema[KIND_KEY]}"
        return ""

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values to choose from; empty where any other value may stand too."""
        values: list[Any] = []
        for schema in self.options:
            if "enum" in schema:
                values += [item for item in schema["enum"] if item is not None]
            elif "const" in schema:
                values.append(schema["const"])
            else:
                return ()
        return tuple(values)

    @property
    def model(self) -> bool:
        """Whether fields stand below this place that are no block's."""
        return not self.block and any("properties" in schema for schema in self.options)

    @property
    def help(self) -> str:
        """What the field's author says of it."""
        return str(self.schema.get("description", ""))

    @property
    def example(self) -> Any:
        """A value as its author would write it."""
        return next(iter(self.schema.get("examples", ())), None)

    def fields(self) -> Iterator["Place"]:
        """Yield the named fields below this place: required ones first, advanced ones last."""
        found = [
            Place(item, self.root, self._path(name), name in schema.get("required", ()))
            for schema in self.options
            for name, item in schema.get("properties", {}).items()
        ]
        yield from sorted(found, key=_rank)

    def below(self, step: str) -> "Place | None":
        """Return the place under a key or index, None where nothing may stand."""
        for schema in self.options:
            if step in schema.get("properties", {}):
                return Place(schema["properties"][step], self.root, self._path(step))
        for schema in self.options:
            prefix = schema.get("prefixItems", ())
            if step.isdecimal() and int(step) < len(prefix):
                return Place(prefix[int(step)], self.root, self._path(step))
            if step.isdecimal() and isinstance(schema.get("items"), Mapping):
                return Place(schema["items"], self.root, self._path(step))
            for pattern in schema.get("patternProperties", {}).values():
                return Place(pattern, self.root, self._path(step))
            extra = schema.get("additionalProperties", not schema)
            if extra is True or isinstance(extra, Mapping):
                return Place({} if extra is True else extra, self.root, self._path(step))
        return None

    def find(self, path: str) -> "Place | None":
        """Return the place at a dotted `path` below this one, None where nothing may stand."""
        place: Place | None = self
        for step in path.split("."):
            place = place.below(step) if place is not None else None
        return place

    def secrets(self, value: Any) -> Iterator[Any]:
        """Yield the secret values inside `value`, which stands here."""
        if is_reference(value):
            return
        if self.secret:
            yield from _leaves(value)
        elif isinstance(value, Mapping) and "$type" in value and self.block:
            # Which of them are secret is known to that type alone.
            yield from _leaves(value)
        elif isinstance(value, Mapping | list):
            steps = value.items() if isinstance(value, Mapping) else enumerate(value)
            for step, item in steps:
                place = self.below(str(step))
                if place is not None:
                    yield from place.secrets(item)

    def words(self) -> str:
        """Return the type in words."""
        if self.block:
            return self.block
        kinds = [str(item) for item in dict.fromkeys(self._word(schema) for schema in self.options)]
        text = " or ".join(kinds) or "anything"
        return f"secret {text}" if self.secret else text

    def parse(self, text: str) -> Any:
        """Turn what a person typed into a JSON value. Raises `ValueError` with a sentence that does not repeat it."""
        if self.block:
            return {"$block": text}
        if self.choices:
            for choice in self.choices:
                if text == (choice if isinstance(choice, str) else json.dumps(choice)):
                    return choice
            raise ValueError(f"must be one of {', '.join(map(str, self.choices))}")
        types = [schema.get("type") for schema in self.options] or [None]
        for wanted in sorted(types, key=lambda kind: kind == "string"):
            try:
                return _read(wanted, text)
            except ValueError:
                continue
        raise ValueError(f"must be {self.words()}{_as_json(types)}")

    def _path(self, step: str) -> str:
        return f"{self.path}.{step}" if self.path else step

    def _word(self, schema: Schema) -> str:
        if "enum" in schema or "const" in schema:
            return f"one of {', '.join(map(str, schema.get('enum', [schema.get('const')])))}"
        kind = schema.get("type")
        if kind == "array":
            inner = schema.get("items")
            return f"list of {Place(inner, self.root).words()}" if isinstance(inner, Mapping) else "list"
        if kind == "object":
            values = schema.get("additionalProperties")
            if isinstance(values, Mapping):
                return f"mapping of names to {Place(values, self.root).words()}"
            return str(schema.get("title", "fields")) if "properties" in schema else "mapping"
        return _FORMATS.get(schema.get("format", ""), _WORDS.get(str(kind), "anything"))


def _rank(field: Place) -> tuple[bool, bool, float]:
    facts = field.schema.get(FORM_KEY, {})
    return not field.required, bool(facts.get("advanced")), facts.get("order", math.inf)


def _read(wanted: Any, text: str) -> Any:
    if wanted == "string":
        return text
    if wanted == "boolean":
        word = text.strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise ValueError
    if wanted in _PYTHON:
        value = int(text) if wanted == "integer" else json.loads(text)
        if isinstance(value, _PYTHON[wanted]) and not isinstance(value, bool):
            return value
        raise ValueError
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_json(types: list[Any]) -> str:
    return ", written as JSON" if {"object", "array"} & set(types) else ""


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value
