"""Alternatives of the reading schema: one of them must accept all that a cell holds, or each part of it."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from typecase.blocks.compatibility.cells import Cell, Conjunction, tag_of
from typecase.blocks.compatibility.fields import Fields
from typecase.blocks.compatibility.nodes import Node, is_transparent
from typecase.blocks.compatibility.prover import Prover
from typecase.blocks.compatibility.rules import Finding, Rule
from typecase.blocks.compatibility.values import show

Findings = tuple[Finding, ...]

_MOST_VALUES: Final = 256
_MOST_FIELDS: Final = 4
_ELSEWHERE: Final = frozenset({Rule.TYPE_CHANGED, Rule.BLOCK_TYPE_CHANGED, Rule.NOTHING_ACCEPTED})


def any_of(prover: Prover, cell: Cell, right: Node) -> Findings:
    """Return why no alternative accepts `cell`; nothing when one does, or one for each part."""
    failures: list[Findings] = []
    for part in right.get("anyOf"):
        failures.append(prover.fits(cell, right.beside(part)))
        if not failures[-1]:
            return ()
    return () if _is_split(prover, cell, _alone(prover, right, "anyOf")) else _closest(cell, failures)


def one_of(prover: Prover, cell: Cell, right: Node) -> Findings:
    """Return why not exactly one alternative accepts `cell`; nothing when one does, or one for each part."""
    tag = tag_of(right)
    if tag is not None and prover.included(cell.conjunction, prover.pieces.having(tag)):
        reads = f"needs an object with {show(tag)}, which tells its alternatives apart"
        return (Finding(Rule.REQUIRED_ADDED, reads, "may lack it"),)
    parts = [right.beside(part) for part in right.get("oneOf")]
    failures: list[Findings] = []
    overlap = False
    for part in parts:
        failures.append(prover.fits(cell, part))
        if not failures[-1]:
            if all(_is_apart(prover, cell, part, other) for other in parts if other is not part):
                return ()
            overlap = True
    if _is_split(prover, cell, _alone(prover, right, "oneOf")):
        return ()
    if overlap:
        return (Finding(Rule.ALTERNATIVES_OVERLAP, "needs exactly one alternative to fit", "may fit several"),)
    return _closest(cell, failures)


def _alone(prover: Prover, right: Node, keyword: str) -> Node:
    """Return `right` without what stands beside its alternatives."""
    if is_transparent(right.schema):
        return right
    return right.beside(prover.pieces.make({keyword: right.get(keyword)}, f"{keyword} of {right.key}").schema)


def _is_split(prover: Prover, cell: Cell, right: Node) -> bool:
    """Whether every part of `cell` fits `right`, for some way of splitting it by the values of one thing."""
    return any(all(not prover.included(part, right) for part in parts) for parts in _splits(prover, cell))


def _splits(prover: Prover, cell: Cell) -> Iterator[list[Conjunction]]:
    values = prover.values(cell)
    if values is not None:
        if 1 < len(values) <= _MOST_VALUES:
            yield [(*cell.conjunction, prover.pieces.value(value)) for value in values]
    elif cell.type == "object":
        yield from islice(_splits_by_field(prover, cell), _MOST_FIELDS)


def _splits_by_field(prover: Prover, cell: Cell) -> Iterator[list[Conjunction]]:
    fields = Fields.of(prover, cell)
    for name in sorted(fields.required):
        found = []
        for part in prover.cells.of(fields.value(name)):
            values = prover.values(part)
            if values is None:
                break
            found.extend(values)
        else:
            if 1 < len(found) <= _MOST_VALUES:
                yield [
                    (*cell.conjunction, prover.pieces.make({"properties": {name: {"const": value}}})) for value in found
                ]


def _is_apart(prover: Prover, cell: Cell, part: Node, other: Node) -> bool:
    """Whether what `part` reads of `cell` is refused by `other`."""
    if not part.literal and _is_told_apart(prover, cell, part, other):
        return True
    if not part.literal and prover.fits(cell, part.to_the_letter()):
        return False
    return prover.is_empty((*cell.conjunction, other.to_the_letter()))


def _is_told_apart(prover: Prover, cell: Cell, part: Node, other: Node) -> bool:
    """Whether a type or a plain value that is not left out while reading excludes `other`."""
    mine = Fields.of(prover, cell) if cell.type == "object" else None
    kept = [Fields.of(prover, found) for found in prover.cells.of((part,)) if found.type == "object"]
    for theirs in prover.cells.of((other,)):
        if theirs.type != cell.type:
            continue
        if mine is None:
            return False
        fields = Fields.of(prover, theirs)
        names = [name for name in mine.required & fields.names if all(field.declares(name) for field in kept)]
        if not any(_is_other_value(prover, mine.value(name), fields.value(name)) for name in names):
            return False
    return True


def _is_other_value(prover: Prover, mine: Conjunction, theirs: Conjunction) -> bool:
    plain = all(found.type not in ("array", "object") for found in prover.cells.of(mine))
    return plain and prover.is_empty_below((*mine, *theirs))


def _closest(cell: Cell, failures: list[Findings]) -> Findings:
    """Return what keeps the alternative that was meant from fitting, where it is clear which that is."""
    meant = [found for found in failures if not any(not f.steps and f.rule in _ELSEWHERE for f in found)]
    if len(meant) > 1:
        meant = [found for found in meant if not any(len(f.steps) == 1 and f.rule is Rule.VALUE_REMOVED for f in found)]
    if len(meant) == 1:
        return meant[0]
    return (Finding(Rule.NO_ALTERNATIVE, f"has no alternative that accepts every such {cell.type}", "may hold it"),)
