"""What the demo prints, and whether what it claims is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from typecase.blocks.errors import TypecaseError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class ClaimsUntrue(TypecaseError):
    """Something that the demo claims did not hold. `claims` lists what."""


class Report:
    """Numbered steps, each with checked claims."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps = 0
        self._held = 0
        self._untrue: list[str] = []

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._steps += 1
        self._console.print(Text.assemble("\n", (f"{self._steps}  {title}", "bold")), soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a plain line."""
        self._console.print(Text(f"   {text}"), soft_wrap=True)

    def show(self, thing: RenderableType) -> None:
        """Print a table."""
        self._console.print(thing)

    def claim(self, text: str, *, holds: bool, why_not: str = "") -> None:
        """Print a claim with its verdict."""
        mark = ("✓ ", "green") if holds else ("✗ ", "bold red")
        self._console.print(
            Text.assemble("   ", mark, text, "" if holds else f": {why_not or 'untrue'}"), soft_wrap=True
        )
        if holds:
            self._held += 1
        else:
            self._untrue.append(text)

    def verdict(self, seconds: float) -> None:
        """Print the sum. Raises `ClaimsUntrue`."""
        if self._untrue:
            raise ClaimsUntrue(
                f"{len(self._untrue)} of the demo's claims did not hold: {'; '.join(self._untrue)}.",
                hint="Please report it with the lines above.",
                claims=tuple(self._untrue),
            )
        line = f"\nAll {self._held} claims hold, checked in {seconds:.1f} s."
        self._console.print(Text(line, style="bold green"))
