"""Strings, and what a schema asks of them."""

from collections.abc import Iterator
from typing import Any, Final

from typecase.blocks.compatibility.cells import Cell
from typecase.blocks.compatibility.nodes import Node
from typecase.blocks.compatibility.rules import Finding, Rule
from typecase.blocks.compatibility.values import matches, show

# Formats that neither pydantic nor anyone else refuses a string for.
_SHOWN_ONLY: Final = frozenset({"password", "path", "binary", "textarea", "multiline"})
_ANYTHING: Final = frozenset({"", ".*", "^.*", "^"})
_WIDER: Final = {
    **dict.fromkeys(("uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"), "uuid"),
    "ipv4": "ipvanyaddress",
    "ipv6": "ipvanyaddress",
    "ipv4interface": "ipvanyinterface",
    "ipv6interface": "ipvanyinterface",
    "ipv4network": "ipvanynetwork",
    "ipv6network": "ipvanynetwork",
    "file-path": "path",
    "directory-path": "path",
}


def lengths(cell: Cell) -> tuple[int, int | None]:
    """Return the shortest and the longest that a string of `cell` may be."""
    shortest = max((int(value) for _, value in cell.gather("minLength")), default=0)
    longest = min((int(value) for _, value in cell.gather("maxLength")), default=None)
    return shortest, longest


def allows(node: Node, value: str) -> bool:
    """Whether the string keywords of `node` may let `value` pass."""
    return (
        len(value) >= node.get("minLength", 0)
        and len(value) <= node.get("maxLength", len(value))
        and (not node.has("pattern") or matches(node.get("pattern"), value) is not False)
    )


def check(cell: Cell, values: list[Any] | None, right: Node) -> Iterator[Finding]:
    """Yield what `right` asks of strings and `cell` does not promise; `contentSchema` is not looked at."""
    shortest, longest = lengths(cell)
    if values:
        shortest, longest = min(map(len, values)), max(map(len, values))
    least, most = right.get("minLength", 0), right.get("maxLength")
    if shortest < least:
        writes = f"may hold texts of {_characters(shortest)}"
        yield Finding(Rule.MIN_LENGTH_RAISED, f"needs texts of at least {_characters(least)}", writes)
    if most is not None and (longest is None or longest > most):
        writes = "may hold longer ones" if longest is None else f"may hold texts of {_characters(longest)}"
        yield Finding(Rule.MAX_LENGTH_LOWERED, f"needs texts of at most {_characters(most)}", writes)
    if right.has("pattern"):
        yield from _check_pattern(cell, values, right.get("pattern"))
    if right.has("format"):
        yield from _check_format(cell, right.get("format"))
    for keyword in ("contentEncoding", "contentMediaType"):
        own = [value for _, value in cell.gather(keyword)]
        if right.has(keyword) and right.get(keyword) not in own:
            writes = f"may hold {show(own[0])}" if own else "may hold any text"
            yield Finding(Rule.CONTENT_CHANGED, f"needs content that is {show(right.get(keyword))}", writes)


def _check_pattern(cell: Cell, values: list[Any] | None, pattern: str) -> Iterator[Finding]:
    if pattern in _ANYTHING or any(own == pattern for _, own in cell.gather("pattern")):
        return
    if values and all(matches(pattern, value) for value in values):
        return
    own = [value for _, value in cell.gather("pattern")]
    writes = f"may hold any text that matches {show(own[0])}" if own else "may hold any text"
    yield Finding(Rule.PATTERN_CHANGED, f"needs texts that match the pattern {show(pattern)}", writes)


def _check_format(cell: Cell, wanted: str) -> Iterator[Finding]:
    own = [value for _, value in cell.gather("format")]
    if wanted in _SHOWN_ONLY or any(wanted in (value, _WIDER.get(value)) for value in own):
        return
    writes = f"may hold any text of the format {show(own[0])}" if own else "may hold any text"
    yield Finding(Rule.FORMAT_CHANGED, f"needs texts of the format {show(wanted)}", writes)


def _characters(count: float) -> str:
    return "1 character" if count == 1 else f"{count:g} characters"
