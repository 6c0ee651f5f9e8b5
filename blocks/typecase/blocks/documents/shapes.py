"""Which of the alternatives that a schema has for an object an object is, and what that says of its fields."""

from collections.abc import Mapping
from typing import Any, Final

from typecase.blocks.documents.masking import Node, Schema
from typecase.blocks.schema import follow

_OBJECT: Final = frozenset({"properties", "additionalProperties", "patternProperties"})
_TYPED: Final = frozenset({"type", "anyOf", "oneOf", "allOf", "const", "enum"})


def alternative(node: Node, value: Mapping[str, Any]) -> int | None:
    """Return the number of the alternative at `node` that `value` is, None where it is none of them.

    Where there is one only, it is that. Else the fixed values of an alternative decide (`kind: "a"`), then whether
    `value` has what it requires, then how much of `value` it knows: as pydantic reads a union. The first of equals.
    """
    objects = _objects(node)
    if len(objects) == 1:
        return 0
    found: int | None = None
    best = (-1, -1)
    for index, (schema, root) in enumerate(objects):
        rank = _rank(schema, root, value)
        if rank > best:
            found, best = index, rank
    return found


def chosen(node: Node, number: int | None) -> tuple[Schema, Schema] | None:
    """Return alternative `number` with its root schema."""
    return None if number is None else _objects(node)[number]


def default_tag(node: Node, number: int | None, name: str) -> Any:
    """Return the default of field `name` where it tells alternatives apart: pydantic reads none without it."""
    found = chosen(node, number)
    if found is None or len(_objects(node)) == 1:
        return None
    rules = follow(found[0].get("properties", {}).get(name, {}), found[1])
    return rules.get("default", rules.get("const")) if {"const", "enum"} & rules.keys() else None


def allows_null(node: Node) -> bool:
    """Tell whether null may stand at `node`."""
    return any(
        schema.get("type") == "null" or not _TYPED & schema.keys() or None in schema.get("enum", ())
        for schema, _ in node.candidates
    )


def fixed_items(*nodes: Node) -> int:
    """Return how many items of a list at `nodes` have a meaning by their position, as those of a tuple."""
    return max((len(schema.get("prefixItems", ())) for node in nodes for schema, _ in node.candidates), default=0)


def _objects(node: Node) -> list[tuple[Schema, Schema]]:
    return [(schema, root) for schema, root in node.candidates if _OBJECT & schema.keys()]


def _rank(schema: Schema, root: Schema, value: Mapping[str, Any]) -> tuple[int, int]:
    """Return whether `value` has what `schema` requires, and how many of its keys are known; (-1, -1) = it is none."""
    properties = schema.get("properties", {})
    for name, below in properties.items():
        rules = follow(below, root)
        allowed = [rules["const"]] if "const" in rules else rules.get("enum")
        if allowed is not None and name in value and value[name] not in allowed:
            return -1, -1
    has_map = isinstance(schema.get("additionalProperties"), Mapping) or "patternProperties" in schema
    known = len(value) if has_map else sum(name in properties for name in value)
    return int(all(name in value for name in schema.get("required", ()))), known
