"""The proof that every value of one schema is accepted by another. It errs only on the side of no."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from typecase.blocks.compatibility import arrays, numbers, objects, texts
from typecase.blocks.compatibility.alternatives import any_of, one_of
from typecase.blocks.compatibility.arrays import Items
from typecase.blocks.compatibility.budget import Budget
from typecase.blocks.compatibility.cells import Cell, Cells, Conjunction, Pieces
from typecase.blocks.compatibility.fields import Fields
from typecase.blocks.compatibility.listed import values_of
from typecase.blocks.compatibility.nodes import BRANCHING, DYNAMIC, UNEVALUATED, Mode, Node, Root, conjunction, equal
from typecase.blocks.compatibility.rules import Finding, Rule
from typecase.blocks.compatibility.values import identity, is_integral, show

T = TypeVar("T")

_FAR: Final = 1 << 30
_CIRCULAR: Final = (Finding(Rule.UNDECIDABLE, "refers to itself without a value in between", "may hold anything"),)


class Inclusion:
    """Compares what `writer` allows with what `reader` accepts.

    A pair of schemas that is met again inside a value of itself is assumed to fit: values are finite, so the proof
    is an induction on their size. Only what rests on no open assumption is remembered as proven.
    """

    def __init__(
        self,
        writer: Root,
        reader: Root,
        *,
        budget: Budget,
        kinds: Mapping[str, Collection[str]],
        aliases: Mapping[str, str],
    ) -> None:
        self.kinds = kinds
        self.aliases = aliases
        self.pieces = Pieces()
        self.cells = Cells(self.pieces, budget)
        self._budget = budget
        self._writer = writer
        self._reader = reader
        self._level = 0
        self._lowest = _FAR
        self._open: dict[object, tuple[int, int]] = {}
        self._done: dict[object, Any] = {}
        self._values: dict[Cell, list[Any] | None] = {}
        self._tops = set(_whole(reader))

    def prove(self, *, literal: bool) -> tuple[Finding, ...]:
        """Return why the reader could refuse what the writer allows; nothing when it cannot."""
        left = Node(self._writer.schema, self._writer, literal=literal)
        found = self.included((left,), Node(self._reader.schema, self._reader, literal=literal))
        return tuple(_joined(found))

    def included(self, left: Conjunction, right: Node) -> tuple[Finding, ...]:
        """Return why a value that all of `left` allow could be refused by `right`; nothing when it cannot."""
        if right.schema is True or any(_says(node, right) for node in left):
            return ()
        key = (conjunction(left), right.key)
        return self._guarded(key, lambda: _unique(self._included(left, right)), self._assumed)

    def included_below(self, left: Conjunction, right: Node) -> tuple[Finding, ...]:
        """As `included`, for a value inside the one that is being looked at."""
        self._level += 1
        try:
            return self.included(left, right)
        finally:
            self._level -= 1

    def is_empty(self, left: Conjunction) -> bool:
        """Whether no value can meet all of `left`."""
        return all(map(self._is_impossible, self.cells.of(left)))

    def is_empty_below(self, left: Conjunction) -> bool:
        """Whether no value inside the one that is being looked at can meet all of `left`."""
        self._level += 1
        try:
            return self.is_empty(left)
        finally:
            self._level -= 1

    def fits(self, cell: Cell, right: Node) -> tuple[Finding, ...]:
        """As `included`, for one cell."""
        if right.schema is True:
            return ()
        key = ("cell", conjunction(cell.conjunction), right.key)
        return self._guarded(key, lambda: _unique(self._reasons(cell, right)), self._assumed)

    def is_root(self, right: Node) -> bool:
        """Whether `right` is the reading schema as a whole."""
        return id(right.schema) in self._tops

    def values(self, cell: Cell) -> list[Any] | None:
        """Return the values of `cell` where they can be listed."""
        if cell not in self._values:
            self._values[cell] = values_of(cell)
        return self._values[cell]

    def _guarded(self, key: object, work: Callable[[], T], again: Callable[[object], T]) -> T:
        if key in self._done:
            found: T = self._done[key]
            return found
        if key in self._open:
            return again(key)
        index = len(self._open)
        outer, self._lowest = self._lowest, _FAR
        self._open[key] = (index, self._level)
        try:
            with self._budget:
                result = work()
        finally:
            del self._open[key]
        if self._lowest >= index:
            self._lowest = _FAR
            self._done[key] = result
        self._lowest = min(outer, self._lowest)
        return result

    def _assumed(self, key: object) -> tuple[Finding, ...]:
        index, level = self._open[key]
        if level == self._level:
            return _CIRCULAR
        self._lowest = min(self._lowest, index)
        return ()

    def _included(self, left: Conjunction, right: Node) -> Iterator[Finding]:
        for cell in self.cells.of(left):
            if not self._is_impossible(cell):
                yield from self.fits(cell, right)

    def _is_impossible(self, cell: Cell) -> bool:
        key = ("empty", conjunction(cell.conjunction))
        return self._guarded(key, lambda: self._has_none(cell), lambda _: False)

    def _has_none(self, cell: Cell) -> bool:
        if self.values(cell) == []:
            return True
        if cell.type == "string":
            shortest, longest = texts.lengths(cell)
            none = longest is not None and shortest > longest
        elif cell.type == "array":
            none = Items.of(self, cell).is_impossible
        else:
            none = cell.type == "object" and Fields.of(self, cell).is_impossible
        allowed = (*cell.flats, self.pieces.type("integer" if cell.whole else cell.type))
        return none or any(not self.included(allowed, node.to_the_letter()) for node in cell.nots)

    def _reasons(self, cell: Cell, right: Node) -> Iterator[Finding]:
        schema = right.schema
        if isinstance(schema, bool):
            if not schema:
                yield Finding(Rule.NOTHING_ACCEPTED, "accepts nothing here", f"may hold {_article(cell.type)}")
            return
        if not self._has_type(cell, right):
            names = schema["type"]
            wanted = names if isinstance(names, str) else " or ".join(names)
            held = "integer" if cell.whole else cell.type
            yield Finding(Rule.TYPE_CHANGED, f"needs {_article(wanted)}", f"may hold {_article(held)}")
            return
        for keyword in sorted((DYNAMIC | UNEVALUATED).intersection(schema)):
            if schema[keyword] is not True:
                yield Finding(Rule.UNDECIDABLE, f"uses {keyword}, which cannot be compared", "may hold what it refuses")
        if not BRANCHING.isdisjoint(schema):
            yield from self._branches(cell, right)
        yield from self._listed(cell, right)
        yield from self._typed(cell, right)

    def _typed(self, cell: Cell, right: Node) -> Iterator[Finding]:
        if cell.type == "number":
            yield from numbers.check(cell, self.values(cell), right)
        elif cell.type == "string":
            yield from texts.check(cell, self.values(cell), right)
            yield from self._content(cell, right)
        elif cell.type == "array":
            yield from arrays.check(self, cell, self.values(cell), right)
        elif cell.type == "object":
            yield from objects.check(self, cell, right)

    def _has_type(self, cell: Cell, right: Node) -> bool:
        if not right.has("type"):
            return True
        names = right.get("type")
        allowed = {names} if isinstance(names, str) else set(names)
        if cell.type in allowed:
            return True
        if cell.type != "number" or "integer" not in allowed:
            return False
        values = self.values(cell)
        return numbers.Range.of(cell).whole if values is None else all(map(is_integral, values))

    def _branches(self, cell: Cell, right: Node) -> Iterator[Finding]:
        if right.has("$ref"):
            target = right.target()
            if target is None:
                reads = f"refers to {show(right.get('$ref'))}, which is not part of it"
                yield Finding(Rule.UNDECIDABLE, reads, "may hold what is refused there")
            else:
                yield from self.fits(cell, target)
        for part in right.get("allOf", ()):
            yield from self.fits(cell, right.beside(part))
        if right.has("anyOf"):
            yield from any_of(self, cell, right)
        if right.has("oneOf"):
            yield from one_of(self, cell, right)
        if right.has("not"):
            excluded = right.beside(right.get("not")).to_the_letter()
            if not self.is_empty((*cell.conjunction, excluded)):
                yield Finding(Rule.EXCLUDED, "excludes certain values", f"may hold {_article(cell.type)} among them")
        yield from self._conditions(cell, right)

    def _conditions(self, cell: Cell, right: Node) -> Iterator[Finding]:
        if right.has("if"):
            test = right.beside(right.get("if")).to_the_letter()
            for condition, then in ((test, "then"), (test.to_the_letter(mode=Mode.NOT), "else")):
                wanted = right.beside(right.get(then, True))
                yield from self.included((*cell.conjunction, condition), wanted)
        if cell.type != "object":
            return
        for name, needed in right.get("dependentRequired", {}).items():
            having = (*cell.conjunction, self.pieces.having(name))
            for other in needed:
                if self.included(having, self.pieces.having(other)):
                    reads = f"needs the property {show(other)} wherever {show(name)} is"
                    yield Finding(Rule.REQUIRED_ADDED, reads, "may lack it")
        for name, schema in right.get("dependentSchemas", {}).items():
            yield from self.included((*cell.conjunction, self.pieces.having(name)), right.beside(schema))

    def _listed(self, cell: Cell, right: Node) -> Iterator[Finding]:
        for keyword in ("const", "enum"):
            if right.has(keyword):
                allowed = [right.get(keyword)] if keyword == "const" else list(right.get(keyword))
                kept = set(map(identity, allowed))
                values = self.values(cell)
                gone = None if values is None else [show(value) for value in values if identity(value) not in kept]
                if gone != []:
                    reads = f"accepts only {_some([show(value) for value in allowed])}"
                    writes = f"may hold {_some(gone)}" if gone else f"may hold any {cell.type}"
                    yield Finding(Rule.VALUE_REMOVED, reads, writes)

    def _content(self, cell: Cell, right: Node) -> Iterator[Finding]:
        if right.has("contentSchema"):
            own = tuple(node.below(schema) for node, schema in cell.gather("contentSchema"))
            if self.included_below(own, right.below(right.get("contentSchema"))):
                yield Finding(Rule.CONTENT_CHANGED, "needs a certain form of content", "may hold another one")


def _says(left: Node, right: Node) -> bool:
    """Whether `left` is `right` itself."""
    if left.mode is Mode.NOT or (left.mode is not Mode.FULL and not BRANCHING.isdisjoint(left.schema)):  # type: ignore[arg-type]  # flat schemas are no booleans
        return False
    return equal(left, right)


def _whole(root: Root) -> Iterator[int]:
    node: Node | None = Node(root.schema, root)
    for _ in range(10):
        if node is None:
            return
        yield id(node.schema)
        node = node.target() if node.has("$ref") else None


def _unique(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))


def _joined(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Make one finding of several that differ only in the type that is not accepted."""
    types: dict[Finding, list[str]] = {}
    for finding in findings:
        place = Finding(finding.rule, finding.reads, "", finding.steps)
        types.setdefault(place, []).append(finding.writes.removeprefix("may hold "))
    for place, held in types.items():
        if place.rule is Rule.TYPE_CHANGED:
            *most, last = held
            yield Finding(
                place.rule,
                place.reads,
                f"may hold {', '.join(most)} or {last}" if most else f"may hold {last}",
                place.steps,
            )
    yield from (finding for finding in findings if finding.rule is not Rule.TYPE_CHANGED)


def _article(name: str) -> str:
    return name if name == "null" else f"{'an' if name[0] in 'aio' else 'a'} {name}"


def _some(shown: list[str], most: int = 5) -> str:
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "") if shown else "nothing"
