"""The properties that the schemas of a cell allow together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typecase.blocks.compatibility.cells import Cell, Conjunction
from typecase.blocks.compatibility.nodes import Mode, Node
from typecase.blocks.compatibility.prover import Prover
from typecase.blocks.compatibility.values import matches


@dataclass(frozen=True, slots=True)
class Fields:
    """The objects of a cell. `names` are those that a schema speaks of; `listed` those possible, where few are."""

    prover: Prover
    cell: Cell
    required: frozenset[str]
    names: frozenset[str]
    patterns: frozenset[str]
    listed: frozenset[str] | None

    @classmethod
    def of(cls, prover: Prover, cell: Cell) -> "Fields":
        """Return what all schemas of `cell` say of properties together."""
        required = frozenset(name for _, names in cell.gather("required") for name in names)
        names = required.union(*(properties for _, properties in cell.gather("properties")))
        patterns = frozenset(pattern for _, found in cell.gather("patternProperties") for pattern in found)
        limits = [frozenset(node.get("properties", ())) for node in cell.flats if _is_closed(node)]
        if (keys := _listed_keys(prover, cell)) is not None:
            limits.append(keys)
        listed = frozenset.intersection(*limits) if limits else None
        return cls(prover, cell, required, names | (listed or frozenset()), patterns, listed)

    def declares(self, name: str) -> bool:
        """Whether a schema names the property, or limits the names to a list that has it."""
        return any(name in properties for _, properties in self.cell.gather("properties")) or bool(
            self.listed and name in self.listed
        )

    def value(self, name: str) -> Conjunction:
        """Return the schemas that the property `name` meets."""
        if self.listed is not None and name not in self.listed:
            return (self.prover.pieces.never(),)
        found: list[Node] = []
        for node in self.cell.flats:
            declared = node.get("properties", {})
            if name in declared:
                found.append(node.below(declared[name]))
            certain = name in declared
            for pattern, schema in node.get("patternProperties", {}).items():
                match = matches(pattern, name)
                certain = certain or match is not False
                if match:
                    found.append(node.below(schema))
            if not certain:
                found.extend(self._additional(node))
            if node.has("propertyNames"):
                key = (self.prover.pieces.value(name), node.below(node.get("propertyNames")))
                if self.prover.is_empty_below(key):
                    found.append(self.prover.pieces.never())
        return tuple(node for node in found if node.schema is not True)

    def value_where(self, matched: frozenset[str]) -> Conjunction:
        """Return the schemas of a property that none names and that exactly the patterns `matched` match."""
        if self.listed is not None:
            return (self.prover.pieces.never(),)
        found: list[Node] = []
        for node in self.cell.flats:
            here = [schema for pattern, schema in node.get("patternProperties", {}).items() if pattern in matched]
            found.extend(map(node.below, here))
            if not here:
                found.extend(self._additional(node))
        return tuple(node for node in found if node.schema is not True)

    def key_where(self, matched: frozenset[str]) -> Conjunction:
        """Return the schemas that the name of such a property meets."""
        rules = [node.below(schema) for node, schema in self.cell.gather("propertyNames")]
        patterns = [self.prover.pieces.make({"pattern": pattern}) for pattern in sorted(matched)]
        return (self.prover.pieces.type("string"), *rules, *patterns)

    def is_possible(self, name: str) -> bool:
        """Whether there may be a property `name`."""
        return not self.prover.is_empty_below(self.value(name))

    @property
    def least(self) -> int:
        """How many properties there are at least."""
        return max([len(self.required), *(int(value) for _, value in self.cell.gather("minProperties"))])

    @property
    def most(self) -> int | None:
        """How many properties there are at most."""
        limits = [int(value) for _, value in self.cell.gather("maxProperties")]
        if self.listed is not None:
            limits.append(sum(map(self.is_possible, self.listed)))
        return min(limits, default=None)

    @property
    def is_impossible(self) -> bool:
        """Whether no object is so."""
        most = self.most
        return (most is not None and self.least > most) or not all(map(self.is_possible, self.required))

    def _additional(self, node: Node) -> Iterator[Node]:
        if node.mode is Mode.CLOSED:
            yield self.prover.pieces.never()
        elif node.has("additionalProperties"):
            yield node.below(node.get("additionalProperties"))


def _is_closed(node: Node) -> bool:
    shut = node.mode is Mode.CLOSED or node.get("additionalProperties") is False
    return shut and not node.get("patternProperties")


def _listed_keys(prover: Prover, cell: Cell) -> frozenset[str] | None:
    rules = tuple(node.below(schema) for node, schema in cell.gather("propertyNames"))
    if not rules:
        return None
    found: list[Any] = []
    for keys in prover.cells.of((*rules, prover.pieces.type("string"))):
        values = prover.values(keys)
        if values is None:
            return None
        found.extend(values)
    return frozenset(found)
