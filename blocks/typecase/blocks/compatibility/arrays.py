"""Arrays, and what a schema asks of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typecase.blocks.compatibility.cells import Cell, Conjunction
from typecase.blocks.compatibility.nodes import Node
from typecase.blocks.compatibility.prover import Prover
from typecase.blocks.compatibility.rules import Finding, Rule
from typecase.blocks.compatibility.values import identity


@dataclass(frozen=True, slots=True)
class Items:
    """The arrays of a cell. `width` positions may differ; from there on all items follow the same schemas."""

    cell: Cell
    width: int
    least: int
    most: int | None

    @classmethod
    def of(cls, prover: Prover, cell: Cell) -> "Items":
        """Return what all schemas of `cell` say of items together."""
        width = max((len(items) for _, items in cell.gather("prefixItems")), default=0)
        least = max((int(value) for _, value in cell.gather("minItems")), default=0)
        for node, _ in cell.gather("contains"):
            least = max(least, int(node.get("minContains", 1)))
        most = min((int(value) for _, value in cell.gather("maxItems")), default=None)
        found = cls(cell, width, least, most)
        for index in range(width + 1):
            if (most is None or index < most) and prover.is_empty_below(found.item(index)):
                return cls(cell, width, least, index)
        return found

    def item(self, index: int) -> Conjunction:
        """Return the schemas that the item at `index` meets."""
        found = []
        for node in self.cell.flats:
            prefix = node.get("prefixItems", ())
            if index < len(prefix):
                found.append(node.below(prefix[index]))
            elif node.has("items"):
                found.append(node.below(node.get("items")))
        return tuple(found)

    def reaches(self, index: int) -> bool:
        """Whether there may be an item at `index`."""
        return self.most is None or index < self.most

    @property
    def is_impossible(self) -> bool:
        """Whether no array has so many, and so few, items."""
        return self.most is not None and self.least > self.most


def check(prover: Prover, cell: Cell, values: list[Any] | None, right: Node) -> Iterator[Finding]:
    """Yield what `right` asks of arrays and `cell` does not promise."""
    items = Items.of(prover, cell)
    least, most = right.get("minItems", 0), right.get("maxItems")
    if items.least < least:
        writes = f"may hold lists of {items.least}"
        yield Finding(Rule.MIN_ITEMS_RAISED, f"needs lists of at least {least:g} items", writes)
    if most is not None and (items.most is None or items.most > most):
        writes = "may hold longer ones" if items.most is None else f"may hold lists of {items.most}"
        yield Finding(Rule.MAX_ITEMS_LOWERED, f"needs lists of at most {most:g} items", writes)
    yield from _check_items(prover, items, right)
    if right.get("uniqueItems") and not _is_unique(items, values):
        yield Finding(Rule.UNIQUE_ITEMS_ADDED, "needs lists without repeated items", "may hold lists with them")
    if right.has("contains"):
        yield from _check_contains(prover, items, right)


def _check_items(prover: Prover, items: Items, right: Node) -> Iterator[Finding]:
    prefix = right.get("prefixItems", [])
    width = max(items.width, len(prefix))
    for index in range(width + 1):
        if not items.reaches(index):
            return
        if index < len(prefix):
            wanted = prefix[index]
        elif right.has("items"):
            wanted = right.get("items")
        else:
            continue
        step = f"[{index}]" if index < width else "[*]"
        for finding in prover.included_below(items.item(index), right.below(wanted)):
            yield finding.under(step)


def _is_unique(items: Items, values: list[Any] | None) -> bool:
    if items.most is not None and items.most <= 1:
        return True
    if any(unique for _, unique in items.cell.gather("uniqueItems")):
        return True
    return bool(values) and all(len(set(map(identity, value))) == len(value) for value in values or ())


def _check_contains(prover: Prover, items: Items, right: Node) -> Iterator[Finding]:
    wanted = right.below(right.get("contains"))
    least, most = int(right.get("minContains", 1)), right.get("maxContains")
    own = [(node.below(schema), node) for node, schema in items.cell.gather("contains")]
    if least and not (
        any(
            int(node.get("minContains", 1)) >= least and not prover.included_below((schema,), wanted)
            for schema, node in own
        )
        or _count_included(prover, items, wanted, least) >= least
    ):
        writes = "may hold lists without"
        yield Finding(Rule.CONTAINS_CHANGED, f"needs lists with at least {least} items of a certain form", writes)
    if most is not None and not (
        (items.most is not None and items.most <= most)
        or any(
            node.has("maxContains")
            and node.get("maxContains") <= most
            and not prover.included_below((wanted,), schema.to_the_letter())
            for schema, node in own
        )
        or _count_possible(prover, items, wanted) <= most
    ):
        writes = "may hold lists with more"
        yield Finding(Rule.CONTAINS_CHANGED, f"needs lists with at most {most:g} items of a certain form", writes)


def _count_included(prover: Prover, items: Items, wanted: Node, enough: int) -> int:
    """Return how many items surely are as `wanted`, counted up to `enough`."""
    sure = 0
    for index in range(min(items.least, items.width)):
        sure += not prover.included_below(items.item(index), wanted)
    if items.least > items.width and sure < enough and not prover.included_below(items.item(items.width), wanted):
        sure += items.least - items.width
    return sure


def _count_possible(prover: Prover, items: Items, wanted: Node) -> float:
    """Return how many items at most can be as `wanted`."""
    possible = 0
    for index in range(items.width + 1):
        if items.reaches(index) and not prover.is_empty_below((*items.item(index), wanted)):
            if index == items.width:
                return float("inf") if items.most is None else possible + items.most - index
            possible += 1
    return possible
