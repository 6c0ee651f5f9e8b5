"""What a terminal can show, and whether one is there."""

import os
import sys
from typing import TextIO


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Return `text` with control characters written out: a stored description must not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode() for sign in text
    )


def shows_color(stream: TextIO) -> bool:
    """Tell whether `stream` is a terminal whose user wants colour."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def interactive() -> bool:
    """Tell whether somebody can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def warn(text: str) -> None:
    """Print `text` to standard error."""
    print(visible(text), file=sys.stderr)  # noqa: T201 - the terminal is the interface
