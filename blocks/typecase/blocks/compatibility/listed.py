"""The values of a cell, where they can be listed one by one."""

from typing import Any

from typecase.blocks.compatibility import numbers, texts
from typecase.blocks.compatibility.cells import Cell
from typecase.blocks.compatibility.values import identity, is_integral, type_of


def values_of(cell: Cell) -> list[Any] | None:
    """Return every value that `cell` may hold; None where there are too many to list."""
    lists = [[value] for _, value in cell.gather("const")] + [list(values) for _, values in cell.gather("enum")]
    if cell.type == "null":
        lists.append([None])
    elif cell.type == "boolean":
        lists.append([True, False])
    elif cell.type == "number" and not lists and (few := numbers.Range.of(cell).listed()) is not None:
        lists.append(few)
    if not lists:
        return None
    found = {identity(value): value for value in lists[0] if type_of(value) == cell.type}
    for others in lists[1:]:
        kept = {identity(value) for value in others}
        found = {key: value for key, value in found.items() if key in kept}
    return [value for value in found.values() if _fits(cell, value)]


def _fits(cell: Cell, value: Any) -> bool:
    if cell.type == "number":
        return (not cell.whole or is_integral(value)) and all(numbers.allows(node, value) for node in cell.flats)
    return cell.type != "string" or all(texts.allows(node, value) for node in cell.flats)
