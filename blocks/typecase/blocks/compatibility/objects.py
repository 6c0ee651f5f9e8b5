"""Objects, and what a schema asks of them."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

from typecase.blocks.compatibility.cells import Cell
from typecase.blocks.compatibility.dialects import Schema
from typecase.blocks.compatibility.fields import Fields
from typecase.blocks.compatibility.nodes import OBJECTS, Node, is_keyed, is_model
from typecase.blocks.compatibility.prover import Prover
from typecase.blocks.compatibility.rules import Finding, Rule, property_step
from typecase.blocks.compatibility.values import matches, show
from typecase.blocks.schema import BLOCK_KEY, KIND_KEY

_ANY_BLOCK: Final = "Block"
_PATTERNS: Final = 6


def check(prover: Prover, cell: Cell, right: Node) -> Iterator[Finding]:
    """Yield what `right` asks of objects and `cell` does not promise."""
    if OBJECTS.isdisjoint(right.schema):  # type: ignore[arg-type]  # booleans do not come here
        return
    yield from _check_block(prover, cell, right)
    fields = Fields.of(prover, cell)
    yield from _check_required(prover, fields, right)
    yield from _check_named(prover, fields, right)
    if fields.listed is None and not ignores_unknown(right):
        yield from _check_unnamed(prover, fields, right)
    least, most = right.get("minProperties", 0), right.get("maxProperties")
    if fields.least < least:
        writes = f"may have {fields.least}"
        yield Finding(Rule.MIN_PROPERTIES_RAISED, f"needs at least {least:g} properties", writes)
    if most is not None and (fields.most is None or fields.most > most):
        writes = "may have more" if fields.most is None else f"may have {fields.most}"
        yield Finding(Rule.MAX_PROPERTIES_LOWERED, f"needs at most {most:g} properties", writes)


def ignores_unknown(right: Node) -> bool:
    """Whether our reader leaves out what `right` does not name."""
    shut = right.get("additionalProperties", False) is False
    return shut and not right.literal and right.root.reader and is_model(right.schema)


def _check_required(prover: Prover, fields: Fields, right: Node) -> Iterator[Finding]:
    for name in right.get("required", ()):
        if name not in fields.required and not _has_default(prover, right, name):
            finding = Finding(Rule.REQUIRED_ADDED, f"needs the property {show(name)}", "may lack it")
            yield finding.under(property_step(name))


def _has_default(prover: Prover, right: Node, name: str) -> bool:
    """Whether our reader fills the property in when it is missing."""
    schema = right.get("properties", {}).get(name)
    if not ignores_unknown(right) or not isinstance(schema, Mapping) or "default" not in schema:
        return False
    default = prover.pieces.value(schema["default"])
    return not prover.included_below((default,), right.below(schema).to_the_letter())


def _check_named(prover: Prover, fields: Fields, right: Node) -> Iterator[Finding]:
    declared = right.get("properties", {})
    for name in sorted(fields.names.union(declared)):
        if (ignores_unknown(right) and name not in declared) or not fields.is_possible(name):
            continue
        step = property_step(name)
        value = fields.value(name)
        if right.has("propertyNames"):
            key = (prover.pieces.value(name), *fields.key_where(frozenset()))
            if prover.included_below(key, right.below(right.get("propertyNames"))):
                reads = f"accepts no property called {show(name)}"
                yield Finding(Rule.PROPERTY_NAMES_NARROWED, reads, "may have it").under(step)
        found: list[Finding] = []
        for schema in _wanted(right, name):
            if schema is False:
                reads = f"accepts no property called {show(name)}"
                found.append(Finding(Rule.PROPERTY_REFUSED, reads, "may have it"))
            else:
                found.extend(prover.included_below(value, right.below(schema)))
        if found and not value:
            reads, writes = f"says what the property {show(name)} holds", "may hold anything there"
            found = [Finding(Rule.OPEN_PROPERTY_NARROWED, reads, writes)]
        yield from (finding.under(step) for finding in found)


def _wanted(right: Node, name: str) -> Iterator[Schema]:
    """Yield the schemas that `right` has for the property `name`; more of them where a pattern is unclear."""
    declared = right.get("properties", {})
    certain = name in declared
    if certain:
        yield declared[name]
    for pattern, schema in right.get("patternProperties", {}).items():
        match = matches(pattern, name)
        certain = certain or bool(match)
        if match is not False:
            yield schema
    if not certain:
        yield additional(right)


def additional(right: Node) -> Schema:
    """Return what `right` has for properties that it does not speak of."""
    refuses = not right.literal and right.root.reader and is_keyed(right.schema)
    found: Schema = right.get("additionalProperties", not refuses)
    return found


def _check_unnamed(prover: Prover, fields: Fields, right: Node) -> Iterator[Finding]:
    wanted = right.get("patternProperties", {})
    rest = additional(right)
    if rest is True and not wanted and not right.has("propertyNames"):
        return
    patterns = sorted(fields.patterns.union(wanted))
    if len(patterns) > _PATTERNS:
        yield Finding(Rule.UNDECIDABLE, f"has more than {_PATTERNS} patterns of names to compare", "may match any")
        return
    seen: set[Finding] = set()
    for count in range(len(patterns) + 1):
        for chosen in combinations(patterns, count):
            for finding in _check_class(prover, fields, right, frozenset(chosen)):
                if finding not in seen:
                    seen.add(finding)
                    yield finding.under(".*")


def _check_class(prover: Prover, fields: Fields, right: Node, matched: frozenset[str]) -> Iterator[Finding]:
    """Yield what `right` asks of the properties that exactly the patterns `matched` match."""
    value = fields.value_where(matched)
    if prover.is_empty_below(value) or prover.is_empty_below(fields.key_where(matched)):
        return
    if right.has("propertyNames"):
        yield from _check_keys(prover, fields, right, matched)
    schemas = [schema for pattern, schema in right.get("patternProperties", {}).items() if pattern in matched]
    for schema in schemas or [additional(right)]:
        if schema is False:
            yield Finding(Rule.PROPERTY_REFUSED, "accepts no properties beyond those that it names", "may have others")
        elif value:
            yield from prover.included_below(value, right.below(schema))
        elif prover.included_below(value, right.below(schema)):
            reads = "says what further properties hold"
            yield Finding(Rule.OPEN_PROPERTY_NARROWED, reads, "may have some that hold anything")


def _check_keys(prover: Prover, fields: Fields, right: Node, matched: frozenset[str]) -> Iterator[Finding]:
    rule = right.below(right.get("propertyNames"))
    for finding in prover.included_below(fields.key_where(matched), rule):
        reads = f"restricts the names of properties: it {finding.reads}"
        yield Finding(Rule.PROPERTY_NAMES_NARROWED, reads, "may have others")


def _check_block(prover: Prover, cell: Cell, right: Node) -> Iterator[Finding]:
    if prover.is_root(right) or prover.pieces.owns(right):
        return
    kinds = {kind for _, kind in cell.gather(KIND_KEY)}
    slugs = {slug for _, slug in cell.gather(BLOCK_KEY)}
    held = ", ".join([*(f"{slug} blocks" for slug in sorted(slugs)), *(f"blocks of kind {k}" for k in sorted(kinds))])
    writes = f"may hold {held or 'objects that are no blocks'}"
    wanted = right.get(BLOCK_KEY)
    kind = right.get(KIND_KEY)
    if wanted is not None and wanted not in {prover.aliases.get(slug, slug) for slug in slugs}:
        rule = Rule.KIND_NARROWED if kinds else Rule.BLOCK_TYPE_CHANGED
        yield Finding(rule, f"needs a {wanted} block", writes)
    if kind is not None and not _has_kind(prover, kind, kinds, slugs):
        rule = Rule.KIND_NARROWED if held else Rule.BLOCK_TYPE_CHANGED
        yield Finding(rule, f"needs a block of kind {kind}", writes)
    if wanted is None and kind is None and held:
        yield Finding(Rule.BLOCK_TYPE_CHANGED, "needs an object that is no block", writes)


def _has_kind(prover: Prover, kind: str, kinds: set[str], slugs: set[str]) -> bool:
    if kind == _ANY_BLOCK:
        return bool(kinds or slugs)
    return kind in kinds or any(kind in prover.kinds.get(slug, ()) for slug in slugs)
