"""Ranges of numbers, and what a schema asks of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from typecase.blocks.compatibility.cells import Cell
from typecase.blocks.compatibility.nodes import Node
from typecase.blocks.compatibility.rules import Finding, Rule
from typecase.blocks.compatibility.values import is_integral, show

Number = int | float

_LISTABLE: Final = 32


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers of a cell. `low` and `high` are (bound, excluded)."""

    low: tuple[Number, bool] | None
    high: tuple[Number, bool] | None
    steps: tuple[Number, ...]
    whole: bool

    @classmethod
    def of(cls, cell: Cell) -> "Range":
        """Return the range that all bounds of `cell` leave."""
        lows = [(value, keyword == "exclusiveMinimum") for keyword in ("minimum", "exclusiveMinimum")
                for _, value in cell.gather(keyword)]  # fmt: skip
        highs = [(value, keyword == "exclusiveMaximum") for keyword in ("maximum", "exclusiveMaximum")
                 for _, value in cell.gather(keyword)]  # fmt: skip
        low = max(lows, default=None)
        high = min(highs, key=lambda bound: (bound[0], not bound[1]), default=None)
        steps = tuple(value for _, value in cell.gather("multipleOf"))
        whole = cell.whole or any(is_integral(step) for step in steps)
        if whole and low is not None:
            low = (math.floor(low[0]) + 1 if low[1] else math.ceil(low[0]), False)
        if whole and high is not None:
            high = (math.ceil(high[0]) - 1 if high[1] else math.floor(high[0]), False)
        return cls(low, high, steps, whole)

    def listed(self) -> list[Number] | None:
        """Return the numbers one by one where they are few."""
        if self.low is None or self.high is None:
            return None
        if self.low == self.high and not self.low[1]:
            return [self.low[0]] if all(_is_multiple(self.low[0], step) for step in self.steps) else []
        if self.low[0] > self.high[0] or (self.low[0] == self.high[0] and (self.low[1] or self.high[1])):
            return []
        if not self.whole or self.high[0] - self.low[0] >= _LISTABLE:
            return None
        numbers = range(int(self.low[0]), int(self.high[0]) + 1)
        return [number for number in numbers if all(_is_multiple(number, step) for step in self.steps)]


def allows(node: Node, value: Number) -> bool:
    """Whether the number keywords of `node` let `value` pass."""
    return (
        value >= node.get("minimum", value)
        and value <= node.get("maximum", value)
        and (not node.has("exclusiveMinimum") or value > node.get("exclusiveMinimum"))
        and (not node.has("exclusiveMaximum") or value < node.get("exclusiveMaximum"))
        and (not node.has("multipleOf") or _is_multiple(value, node.get("multipleOf")))
    )


def check(cell: Cell, values: list[Any] | None, right: Node) -> Iterator[Finding]:
    """Yield what `right` asks of numbers and `cell` does not promise."""
    found = Range.of(cell)
    if values:
        found = Range((min(values), False), (max(values), False), (), whole=all(map(is_integral, values)))
    low, high = found.low, found.high
    for keyword in ("minimum", "exclusiveMinimum"):
        bound, strictly = right.get(keyword), keyword == "exclusiveMinimum"
        if bound is not None and (low is None or low < (bound, strictly)):
            yield _raised(bound, low, excluded=strictly)
    for keyword in ("maximum", "exclusiveMaximum"):
        bound, strictly = right.get(keyword), keyword == "exclusiveMaximum"
        if bound is not None and (high is None or (high[0], not high[1]) > (bound, not strictly)):
            yield _lowered(bound, high, excluded=strictly)
    if right.has("multipleOf"):
        yield from _check_steps(found, values, right.get("multipleOf"))


def _check_steps(found: Range, values: list[Any] | None, step: Number) -> Iterator[Finding]:
    if values:
        kept = all(_is_multiple(value, step) for value in values)
    else:
        kept = (found.whole and step == 1) or any(_is_step_of(own, step) for own in found.steps)
    if not kept:
        yield Finding(Rule.MULTIPLE_OF_CHANGED, f"needs multiples of {show(step)}", "may hold other numbers")


def _raised(bound: Number, low: tuple[Number, bool] | None, *, excluded: bool) -> Finding:
    reads = f"needs numbers above {show(bound)}" if excluded else f"needs numbers of at least {show(bound)}"
    return Finding(Rule.MINIMUM_RAISED, reads, "may hold any lower one" if low is None else f"may hold {_near(low)}")


def _lowered(bound: Number, high: tuple[Number, bool] | None, *, excluded: bool) -> Finding:
    reads = f"needs numbers below {show(bound)}" if excluded else f"needs numbers of at most {show(bound)}"
    return Finding(
        Rule.MAXIMUM_LOWERED, reads, "may hold any higher one" if high is None else f"may hold {_near(high)}"
    )


def _near(bound: tuple[Number, bool]) -> str:
    return f"numbers close to {show(bound[0])}" if bound[1] else show(bound[0])


def _is_multiple(value: Number, step: Number) -> bool:
    if is_integral(value) and is_integral(step):
        return int(value) % int(step) == 0
    # Validators divide floats; the exact answer and theirs must agree.
    try:
        exact = Fraction(str(value)) / Fraction(str(step))
        return exact.denominator == 1 and (value / step).is_integer()
    except (OverflowError, ZeroDivisionError):
        return False


def _is_step_of(own: Number, step: Number) -> bool:
    """Whether every multiple of `own` is one of `step`. Fractions must be equal: validators round them."""
    if is_integral(own) and is_integral(step):
        return int(own) % int(step) == 0
    return own == step
