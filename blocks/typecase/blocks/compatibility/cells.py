"""What a set of schemas allows together, as a union of simple cells: one JSON type each, no alternatives left."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from typecase.blocks.compatibility.budget import Budget
from typecase.blocks.compatibility.dialects import Schema
from typecase.blocks.compatibility.nodes import (
    BRANCHING,
    CONSTRAINTS,
    Mode,
    Node,
    Root,
    conjunction,
    is_keyed,
    is_model,
)
from typecase.blocks.compatibility.values import identity, type_of

Conjunction = tuple[Node, ...]

_ALL: Final = frozenset({"null", "boolean", "integer", "fraction", "string", "array", "object"})
_FLAT: Final = CONSTRAINTS - BRANCHING


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One JSON type and the assertions on it; a superset of what the schemas that it came from allow of that type.

    `flats` are schemas without their applicators; `nots` exclude. `whole` = numbers without a fraction only.
    """

    type: str
    whole: bool
    flats: tuple[Node, ...]
    nots: tuple[Node, ...]
    conjunction: Conjunction

    def gather(self, keyword: str) -> Iterator[tuple[Node, Any]]:
        """Yield each flat schema that has `keyword`, and its value."""
        for node in self.flats:
            if node.has(keyword):
                yield node, node.get(keyword)


class Pieces:
    """Schemas made while comparing; equal ones are the same node."""

    def __init__(self) -> None:
        self._root = Root(schema={})
        self._made: dict[str, Node] = {}

    def make(self, schema: Schema, name: str = "") -> Node:
        """Return the node of `schema`."""
        name = name or identity(schema)
        if name not in self._made:
            self._made[name] = Node(schema, self._root, Mode.FULL, literal=True)
        return self._made[name]

    def never(self) -> Node:
        """Return what allows nothing."""
        return self.make(schema=False)

    def type(self, name: str) -> Node:
        """Return `{"type": name}`."""
        return self.make({"type": name})

    def having(self, name: str) -> Node:
        """Return the objects that have a property."""
        return self.make({"type": "object", "required": [name]})

    def lacking(self, name: str) -> Node:
        """Return everything but the objects that have a property."""
        return self.make({"properties": {name: False}})

    def value(self, value: Any) -> Node:
        """Return one value alone."""
        return self.make({"const": value})

    def owns(self, node: Node) -> bool:
        """Whether `node` was made here."""
        return node.root is self._root


class Cells:
    """Splits sets of schemas into cells."""

    def __init__(self, pieces: Pieces, budget: Budget) -> None:
        self._pieces = pieces
        self._budget = budget
        self._found: dict[frozenset[tuple[object, ...]], tuple[Cell, ...]] = {}

    def of(self, nodes: Conjunction) -> tuple[Cell, ...]:
        """Return the cells of the values that all of `nodes` allow."""
        key = conjunction(nodes)
        if key not in self._found:
            whole = [node for node in nodes if node.mode is Mode.FULL and not self._pieces.owns(node)]
            if len(whole) > 1:
                nodes = tuple(node.to_the_letter() if node in whole else node for node in nodes)
            with self._budget:
                self._found[key] = tuple(self._cells(nodes))
        return self._found[key]

    def _cells(self, nodes: Conjunction) -> Iterator[Cell]:
        for types, found in self._alternatives(list(nodes), [], _ALL, {}):
            flats = tuple(node for node in found if node.mode is not Mode.NOT)
            nots = tuple(node for node in found if node.mode is Mode.NOT)
            for name in ("null", "boolean", "number", "string", "array", "object"):
                if name == "number" and types.isdisjoint({"integer", "fraction"}):
                    continue
                if name != "number" and name not in types:
                    continue
                whole = name == "number" and "fraction" not in types
                self._budget.step()
                shape = self._pieces.type("integer" if whole else name)
                yield from self._with_values(Cell(name, whole, flats, nots, (*flats, *nots, shape)))

    def _with_values(self, cell: Cell) -> Iterator[Cell]:
        """Give arrays and objects that are listed one by one the shape of what is listed."""
        listed = [value for _, value in cell.gather("const")] or [value for _, value in cell.gather("enum")]
        shaped = any(self._pieces.owns(node) and node.has("const") for node in cell.flats)
        if not listed or cell.type not in ("array", "object") or shaped:
            yield cell
            return
        values = [listed[0]] if any(True for _ in cell.gather("const")) else listed[0]
        for value in values:
            if type_of(value) == cell.type:
                self._budget.step()
                extra = (self._pieces.value(value), self._shape(value))
                yield Cell(cell.type, cell.whole, (*cell.flats, *extra), cell.nots, (*cell.conjunction, *extra))

    def _shape(self, value: Any) -> Node:
        if isinstance(value, Mapping):
            fields = {name: {"const": item} for name, item in value.items()}
            return self._pieces.make({"properties": fields, "required": list(value), "additionalProperties": False})
        items = [{"const": item} for item in value]
        return self._pieces.make({"prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)})

    def _alternatives(
        self,
        pending: list[Node],
        choices: list[list[Conjunction]],
        types: frozenset[str],
        seen: dict[tuple[object, ...], Node],
    ) -> Iterator[tuple[frozenset[str], list[Node]]]:
        """Yield (types, flat and negated schemas) of each way through the alternatives.

        A schema that is met again while it is being opened is left out: that can only widen the answer.
        """
        seen = dict(seen)
        choices = list(choices)
        while pending:
            self._budget.step()
            node = pending.pop()
            if node.key in seen:
                continue
            seen[node.key] = node
            if isinstance(node.schema, bool):
                if node.schema is (node.mode is Mode.NOT):
                    return
                continue
            if node.mode is Mode.NOT:
                types = _without(types, node)
                pending.extend(_doubly_negated(node))
            else:
                types &= _types(node)
                if node.mode is Mode.FULL:
                    pending.extend(self._open(node, choices))
            if not types:
                return
        if not choices:
            yield types, [node for node in seen.values() if node.mode is not Mode.FULL]
            return
        first, *others = choices
        for option in first:
            with self._budget:
                yield from self._alternatives(list(option), others, types, seen)

    def _open(self, node: Node, choices: list[list[Conjunction]]) -> Iterator[Node]:
        """Yield what must hold beside `node`; add to `choices` what may."""
        schema = node.schema
        if isinstance(schema, bool):
            return
        if not _FLAT.isdisjoint(schema) or "type" in schema:
            yield Node(schema, node.root, Mode.CLOSED if _closes(node) else Mode.FLAT, node.literal)
        if "$ref" in schema and (target := node.target()) is not None:
            yield target
        for part in schema.get("allOf", ()):
            yield node.beside(part)
        if "not" in schema:
            yield node.beside(schema["not"]).to_the_letter(mode=Mode.NOT)
        if "anyOf" in schema:
            choices.append([(node.beside(part),) for part in schema["anyOf"]])
        if "oneOf" in schema:
            choices.append(list(self._exactly_one(node)))
        choices.extend(self._conditions(node))

    def _exactly_one(self, node: Node) -> Iterator[Conjunction]:
        parts = [node.beside(part) for part in node.get("oneOf")]
        tag = tag_of(node)
        for part in parts:
            others = (other.to_the_letter(mode=Mode.NOT) for other in parts if other is not part)
            yield (part, self._pieces.having(tag)) if tag else (part, *others)

    def _conditions(self, node: Node) -> Iterator[list[Conjunction]]:
        if node.has("if"):
            test = node.beside(node.get("if")).to_the_letter()
            then, otherwise = (node.beside(node.get(name, True)) for name in ("then", "else"))
            yield [(test, then), (test.to_the_letter(mode=Mode.NOT), otherwise)]
        for name, needed in node.get("dependentRequired", {}).items():
            has = self._pieces.having(name)
            yield [(self._pieces.lacking(name),), (has, *(self._pieces.having(other) for other in needed))]
        for name, schema in node.get("dependentSchemas", {}).items():
            yield [(self._pieces.lacking(name),), (self._pieces.having(name), node.beside(schema))]


def tag_of(node: Node) -> str | None:
    """Return the property that pydantic tells the alternatives of `node` by; it is then always there."""
    discriminator = node.get("discriminator")
    name = discriminator.get("propertyName") if isinstance(discriminator, Mapping) else None
    if not isinstance(name, str) or not node.root.tagged:
        return None
    for part in node.get("oneOf", ()):
        branch: Node | None = node.beside(part)
        for _ in range(10):
            if branch is None or not branch.has("$ref"):
                break
            branch = branch.target()
        tag = branch.get("properties", {}).get(name) if branch is not None else None
        if not isinstance(tag, Mapping) or not ("const" in tag or "enum" in tag):
            return None
    return name


def _types(node: Node) -> frozenset[str]:
    if not node.has("type"):
        return _ALL
    names = node.get("type")
    found = {names} if isinstance(names, str) else set(names)
    return frozenset(found - {"number"} | ({"integer", "fraction"} if "number" in found else set()))


def _without(types: frozenset[str], node: Node) -> frozenset[str]:
    if node.has("type") and CONSTRAINTS.isdisjoint(node.schema):  # type: ignore[arg-type]  # no boolean has a type
        return types - _types(node)
    return types


def _doubly_negated(node: Node) -> Iterator[Node]:
    """Yield what must hold because its negation is excluded."""
    schema = node.schema
    if isinstance(schema, bool) or "type" in schema:
        return
    found = CONSTRAINTS.intersection(schema)
    if found == {"not"}:
        yield Node(schema["not"], node.root, Mode.FULL, literal=True)
    elif found == {"anyOf"}:
        for part in schema["anyOf"]:
            yield Node(part, node.root, Mode.NOT, literal=True)
    elif found == {"$ref"} and (target := node.target()) is not None:
        yield target.to_the_letter(mode=Mode.NOT)


def _closes(node: Node) -> bool:
    """Whether our classes write no property beyond those that `node` names."""
    if node.literal or not node.root.writer or node.has("additionalProperties"):
        return False
    return is_keyed(node.schema) or is_model(node.schema)
