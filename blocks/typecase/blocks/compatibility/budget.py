"""Bounded work: a schema is input, and the comparison of two may grow exponentially."""

from typing import Final

DEFAULT_STEPS: Final = 50_000
_DEPTH: Final = 120


class WorkExceeded(Exception):
    """A comparison took more steps, or went deeper, than it may. It becomes the answer `undecidable`."""


class Budget:
    """Counts steps and depth; raises `WorkExceeded` past either limit."""

    def __init__(self, steps: int = DEFAULT_STEPS) -> None:
        self.left = steps
        self._depth = 0

    def step(self, count: int = 1) -> None:
        """Spend `count` steps."""
        self.left -= count
        if self.left < 0:
            raise WorkExceeded

    def __enter__(self) -> None:
        self.step()
        self._depth += 1
        if self._depth > _DEPTH:
            raise WorkExceeded

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
