"""Documents without their secrets."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from typecase.blocks.markers import BLOCK, SECRET, TYPE, VERSION
from typecase.blocks.records import SchemaVersion
from typecase.blocks.schema import branches, follow
from typecase.blocks.secrets.reference import is_reference

Schema: TypeAlias = Mapping[str, Any]
SchemaOf: TypeAlias = Callable[[str, int | None], SchemaVersion]


class Node:
    """A place in a document with every schema that may describe it. Secret if any of them says so."""

    __slots__ = ("_schema_of", "candidates")

    def __init__(self, candidates: Iterable[tuple[Schema, Schema]], schema_of: SchemaOf) -> None:
        """Take (schema, root schema) pairs; `candidates` are these with their alternatives, outer ones first."""
        self.candidates = tuple(_expand(candidates))
        self._schema_of = schema_of

    @property
    def secret(self) -> bool:
        """Whether the value here is a secret."""
        return any(schema.get("writeOnly") for schema, _ in self.candidates)

    def entered(self, value: Any) -> "Node":
        """Return the node to use inside `value`: that of its own type for an inline block."""
        if isinstance(value, Mapping) and TYPE in value and not self.secret:
            versions = dict.fromkeys((value.get(VERSION), None))
            schemas = [self._schema_of(value[TYPE], version).schema for version in versions]
            return Node([(schema, schema) for schema in schemas], self._schema_of)
        return self

    def below(self, step: str) -> "Node":
        """Return the node under key or index `step`."""
        return Node(
            ((child, root) for schema, root in self.candidates for child in _below(schema, step)), self._schema_of
        )

    def items(self) -> Callable[[int], "Node"]:
        """Return what gives the node of each item: one and the same for all behind those that a tuple names."""
        named = max((len(schema.get("prefixItems", ())) for schema, _ in self.candidates), default=0)
        rest = self.below(str(named))
        return lambda index: self.below(str(index)) if index < named else rest


def mask_document(data: Mapping[str, Any], *schemas: Schema, schema_of: SchemaOf) -> dict[str, Any]:
    """Return `data` with each secret as `{"$secret": {"set": true, "source": "literal"}}`; null stays null.

    Where a field refers to a store, `source` is the reference: `{"store": ..., "key": ...}`.

    What any of `schemas` calls a secret is one: that of the revision, and the newest, which may know better.
    """
    masked: dict[str, Any] = mask_value(data, Node([(schema, schema) for schema in schemas], schema_of))
    return masked


def mask_value(value: Any, node: Node) -> Any:
    """Return `value`, which stands at `node`, without the secrets in it."""
    if value is None:
        return None
    if is_reference(value) or node.secret:
        return {SECRET: {"set": True, "source": value[SECRET] if is_reference(value) else "literal"}}
    node = node.entered(value)
    if isinstance(value, Mapping):
        if BLOCK in value:
            return dict(value)
        return {
            key: item if key in (TYPE, VERSION) else mask_value(item, node.below(key)) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        node_of = node.items()
        return [mask_value(item, node_of(index)) for index, item in enumerate(value)]
    return value


def _expand(candidates: Iterable[tuple[Schema, Schema]]) -> Iterator[tuple[Schema, Schema]]:
    pending = deque(candidates)
    met: set[int] = set()
    while pending:
        schema, root = pending.popleft()
        schema = follow(schema, root)
        if id(schema) in met:
            continue
        met.add(id(schema))
        yield schema, root
        pending.extend((branch, root) for branch in branches(schema))


def _below(schema: Schema, step: str) -> Iterator[Schema]:
    properties = schema.get("properties", {})
    if step in properties:
        yield properties[step]
        return
    yield from schema.get("patternProperties", {}).values()
    prefix = schema.get("prefixItems", ())
    if step.isdecimal() and int(step) < len(prefix):
        yield prefix[int(step)]
        return
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), Mapping):
            yield schema[key]
