"""Schemas in place: a piece of JSON Schema with the document that its references resolve in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from typecase.blocks.compatibility.dialects import LISTED, NAMED, SINGLE, Schema, modernise
from typecase.blocks.compatibility.values import identity
from typecase.blocks.schema import BLOCK_KEY, KIND_KEY

VALUES: Final = frozenset({"enum", "const"})
NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
CONTENT: Final = frozenset({"contentEncoding", "contentMediaType", "contentSchema"})
STRINGS: Final = frozenset({"minLength", "maxLength", "pattern", "format"}) | CONTENT
CONTAINS: Final = frozenset({"contains", "minContains", "maxContains"})
ARRAYS: Final = frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}) | CONTAINS
OBJECTS: Final = frozenset(
    {"properties", "patternProperties", "additionalProperties", "propertyNames", "required",
     "minProperties", "maxProperties", KIND_KEY, BLOCK_KEY}
)  # fmt: skip
UNEVALUATED: Final = frozenset({"unevaluatedItems", "unevaluatedProperties"})
DYNAMIC: Final = frozenset({"$dynamicRef", "$recursiveRef"})
BRANCHING: Final = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"}
)
CONSTRAINTS: Final = VALUES | NUMBERS | STRINGS | ARRAYS | OBJECTS | UNEVALUATED | DYNAMIC | BRANCHING
_MODEL: Final = frozenset({"properties", "required", "additionalProperties", KIND_KEY, BLOCK_KEY})
_PASSED: Final = (frozenset({"$ref"}), frozenset({"anyOf"}), frozenset({"oneOf"}), frozenset({"allOf"}))


class Mode(Enum):
    """How much of a schema object counts."""

    FULL = "full"
    FLAT = "flat"
    CLOSED = "closed"
    NOT = "not"


class Root:
    """A whole schema. `writer` and `reader` say what the lenient policy lets our classes do with its values.

    `tagged` = the alternatives of a union with a discriminator always have it, as pydantic sees to.
    """

    def __init__(self, schema: Schema, *, writer: bool = False, reader: bool = False, tagged: bool = False) -> None:
        self.schema = modernise(schema)
        self.tagged = tagged
        self.writer = writer
        self.reader = reader
        self._anchors: dict[str, Schema] = {}
        self._known: set[int] = set()
        self._rebased = False
        self._index(self.schema, top=True)

    def resolve(self, reference: str) -> Schema | None:
        """Return what a local `$ref` points to; None for a reference to elsewhere."""
        if self._rebased or not reference.startswith("#"):
            return None
        if not reference.startswith("#/"):
            return self.schema if reference == "#" else self._anchors.get(reference[1:])
        found: Any = self.schema
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found if isinstance(found, bool) or id(found) in self._known else None

    def _index(self, schema: Schema, *, top: bool = False) -> None:
        if isinstance(schema, bool):
            return
        self._known.add(id(schema))
        name = schema.get("$id", schema.get("id"))
        if isinstance(name, str) and name.startswith("#"):
            self._anchors[name[1:]] = schema
        elif "$id" in schema and not top:
            self._rebased = True
        if isinstance(schema.get("$anchor"), str):
            self._anchors[schema["$anchor"]] = schema
        for below in subschemas(schema):
            self._index(below)


def subschemas(schema: Mapping[str, Any]) -> Iterable[Schema]:
    """Yield the schemas directly inside `schema`."""
    for name, value in schema.items():
        if name in SINGLE:
            yield value
        elif name in NAMED:
            yield from value.values()
        elif name in LISTED:
            yield from value


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A schema in its root. `literal` = the lenient policy stops here and below."""

    schema: Schema
    root: Root
    mode: Mode = Mode.FULL
    literal: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """What tells nodes apart."""
        place = self.schema if isinstance(self.schema, bool) else id(self.schema)
        return (place, isinstance(self.schema, bool), id(self.root), self.mode, self.literal)

    def beside(self, schema: Schema, *, mode: Mode = Mode.FULL) -> "Node":
        """Return an applicator's schema: it looks at the same value as this one."""
        return Node(schema, self.root, mode, self.literal or not is_transparent(self.schema))

    def below(self, schema: Schema) -> "Node":
        """Return the schema of a property or an item."""
        return Node(schema, self.root, Mode.FULL, self.literal or is_mixed(self.schema))

    def target(self) -> "Node | None":
        """Return what the `$ref` of this node points to."""
        found = self.root.resolve(self.schema["$ref"]) if isinstance(self.schema, Mapping) else None
        return None if found is None else self.beside(found)

    def to_the_letter(self, *, mode: Mode = Mode.FULL) -> "Node":
        """Return the same schema, out of the lenient policy's reach."""
        return Node(self.schema, self.root, mode, literal=True)

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return a keyword's value."""
        return default if isinstance(self.schema, bool) else self.schema.get(keyword, default)

    def has(self, keyword: str) -> bool:
        """Whether the keyword is there."""
        return not isinstance(self.schema, bool) and keyword in self.schema


def conjunction(nodes: Iterable[Node]) -> frozenset[tuple[object, ...]]:
    """Return what tells sets of nodes apart."""
    return frozenset(node.key for node in nodes)


def is_transparent(schema: Schema) -> bool:
    """Whether `schema` only hands on to one applicator: a reference, or the alternatives of a union."""
    if isinstance(schema, bool):
        return True
    found = CONSTRAINTS.intersection(schema)
    return not found or (found in _PASSED and (found != {"allOf"} or len(schema["allOf"]) == 1))


def is_mixed(schema: Schema) -> bool:
    """Whether several parts of `schema` look at the same property or item, or compare them."""
    if isinstance(schema, bool):
        return False
    if not (VALUES | BRANCHING | UNEVALUATED | CONTAINS).isdisjoint(schema):
        return True
    patterns = len(schema.get("patternProperties", ()))
    counted = patterns or not {"minProperties", "maxProperties", "propertyNames"}.isdisjoint(schema)
    return bool(schema.get("uniqueItems") or patterns > 1 or (counted and "properties" in schema))


def is_model(schema: Schema) -> bool:
    """Whether `schema` is what pydantic emits for a model: named fields and nothing else that constrains."""
    if (
        isinstance(schema, bool)
        or "properties" not in schema
        or not _MODEL.issuperset(CONSTRAINTS.intersection(schema))
    ):
        return False
    return all(name in schema["properties"] for name in schema.get("required", ()))


def is_keyed(schema: Schema) -> bool:
    """Whether `schema` is what pydantic emits for a dict whose keys follow a pattern."""
    return not isinstance(schema, bool) and CONSTRAINTS.intersection(schema) == {"patternProperties"}


def equal(left: Node, right: Node) -> bool:
    """Whether both are the same schema, references followed."""
    return _equal(left.schema, left.root, right.schema, right.root, set())


def _equal(left: Any, left_root: Root, right: Any, right_root: Root, seen: set[tuple[int, int]]) -> bool:
    # A pair that is met again is being compared already.
    if left is right and left_root is right_root:
        return True
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return isinstance(left, bool) and left is right
    if (id(left), id(right)) in seen:
        return True
    seen.add((id(left), id(right)))
    names = CONSTRAINTS.intersection(left)
    if names != CONSTRAINTS.intersection(right) or not DYNAMIC.isdisjoint(names):
        return False

    order = sorted(names, key=lambda name: name in SINGLE or name in NAMED or name in LISTED or name == "$ref")
    return (
        _types(left) == _types(right)
        and left.get("discriminator") == right.get("discriminator")
        and all(_equal_values(name, left[name], left_root, right[name], right_root, seen) for name in order)
    )


def _equal_values(
    name: str, left: Any, left_root: Root, right: Any, right_root: Root, seen: set[tuple[int, int]]
) -> bool:
    if name == "$ref":
        left, right = left_root.resolve(left), right_root.resolve(right)
        return left is not None and right is not None and _equal(left, left_root, right, right_root, seen)
    if name in SINGLE:
        return _equal(left, left_root, right, right_root, seen)
    if name in NAMED:
        same = left.keys() == right.keys()
        return same and all(_equal(left[key], left_root, right[key], right_root, seen) for key in left)
    if name in LISTED:
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(_equal(a, left_root, b, right_root, seen) for a, b in pairs)
    if name == "required":
        return set(left) == set(right)
    return identity(left) == identity(right)


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    found = schema.get("type", ())
    return frozenset([found] if isinstance(found, str) else found) if "type" in schema else frozenset({"any"})
