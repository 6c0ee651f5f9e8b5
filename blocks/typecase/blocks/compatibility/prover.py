"""What the rules for arrays and objects ask of the proof that they are part of."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from typecase.blocks.compatibility.cells import Cell, Cells, Conjunction, Pieces
from typecase.blocks.compatibility.nodes import Node
from typecase.blocks.compatibility.rules import Finding


class Prover(Protocol):
    """Decides inclusion and emptiness, with a memory and a budget."""

    pieces: Pieces
    cells: Cells
    kinds: Mapping[str, Collection[str]]
    aliases: Mapping[str, str]

    def included(self, left: Conjunction, right: Node) -> tuple[Finding, ...]:
        """Return why a value that all of `left` allow could be refused by `right`; nothing when it cannot."""
        ...

    def included_below(self, left: Conjunction, right: Node) -> tuple[Finding, ...]:
        """As `included`, for a value inside the one that is being looked at."""
        ...

    def fits(self, cell: Cell, right: Node) -> tuple[Finding, ...]:
        """As `included`, for one cell."""
        ...

    def is_empty(self, left: Conjunction) -> bool:
        """Whether no value can meet all of `left`."""
        ...

    def is_empty_below(self, left: Conjunction) -> bool:
        """Whether no value inside the one that is being looked at can meet all of `left`."""
        ...

    def is_root(self, right: Node) -> bool:
        """Whether `right` is the reading schema as a whole."""
        ...

    def values(self, cell: Cell) -> list[Any] | None:
        """Return the values of `cell` where they can be listed."""
        ...
